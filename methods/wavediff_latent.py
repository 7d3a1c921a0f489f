"""Diffusion on the feature maps of the frozen network f, with the network of `wavediff`."""

from __future__ import annotations

from typing import Any

from anomark.contracts import Array, Spec
from anomark.detectors.base import OnePassDetector
from anomark.detectors.frontend import too_short
from anomark.detectors.latent.images import WhitenedDiffusion
from anomark.detectors.latent.scalograms import ScalogramDiffusion

NAME = "Diffusion model of feature maps"
LABEL = "WaveDiff latent"
PAPER = "This suite's own, with the blocks of Chen: Research on Anomaly Detection Methods Based on Diffusion Models"
PUBLISHED = "The blocks are those of `wavediff`. The method itself is this suite's own and stands in no paper."
DIFFERS = (
    "Diffusion runs on the feature maps of the frozen network f instead of pixels. Of an image, four levels of f are "
    "joined, and each position is whitened by its own mean and covariance. The training vectors themselves give the "
    "denoiser in closed form: the optimal one for the training set, which learns nothing. A network with the blocks of "
    "`wavediff` on top of it found nothing more on transistor and the textures, so it is the variant `-network`. Of a "
    "window or a clip, f sees scalograms, and that network predicts their maps, in one call at each of two noise "
    "levels. Images enter at the size they are prepared in. The method is ranked in the pretrained track only. Its "
    "settings were chosen on transistor, textures and digits."
)
FAMILY = "diffusion"
MODALITIES = ("image", "series", "audio")
DETERMINISTIC = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
VARIANTS = {
    "wavediff_latent-network": {
        "network": True,
        "DETERMINISTIC": False,
        "MODALITIES": ("image",),
        "SUITES": ("extended", "paper-quick"),
        "DIFFERS": "The network with the blocks of `wavediff` learns what the closed-form denoiser misses.",
    },
    "wavediff_latent-no-anchor": {
        "network": True,
        "DETERMINISTIC": False,
        "anchor": False,
        "MODALITIES": ("image",),
        "SUITES": ("extended", "paper-quick"),
        "DIFFERS": "That network alone, on whitened features: the closed-form denoiser is left out.",
    },
    "wavediff_latent-no-whitening": {
        "whitening": False,
        "MODALITIES": ("image",),
        "SUITES": ("extended", "paper-quick"),
        "DIFFERS": "Features are only scaled.",
    },
    "wavediff_latent-no-wavelet": {
        "wavelet": None,
        "SUITES": ("extended",),
        "MODALITIES": ("series", "audio"),
        "DIFFERS": "The wavelet pyramid is left out.",
    },
    "wavediff_latent-no-mha": {
        "heads": 0,
        "SUITES": ("extended",),
        "MODALITIES": ("series", "audio"),
        "DIFFERS": "Attention is left out.",
    },
    "wavediff_latent-no-adapter": {
        "adapter": False,
        "SUITES": ("extended",),
        "MODALITIES": ("series", "audio"),
        "DIFFERS": "The first convolution is a plain one.",
    },
    "wavediff_latent-no-hybrid-emb": {
        "hybrid_embedding": False,
        "SUITES": ("extended",),
        "MODALITIES": ("series", "audio"),
        "DIFFERS": "The time embedding is a sinusoid and a perceptron, without the Conv1D.",
    },
}
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 2e-3,
    "width": 32,
    "multipliers": [4, 8],  # of width; f's maps are small and have many channels
    "wavelet": "db2",  # None: no pyramid
    "heads": 4,  # 0: no attention
    "adapter": True,
    "hybrid_embedding": True,
    "schedule": "linear",  # 1e-4 to .02, Ho et al. 2020, section 4
    "T": 1000,
    "times": {"image": [300, 700], "series": [100, 300], "audio": [100, 300]},  # one network call at each
    "share": {"image": 0.02, "series": 0.05, "audio": 0.05},  # of the map; the score is its largest errors' mean
    # Images alone:
    "whitening": True,
    "anchor": True,
    "network": False,  # on top of the anchor
    "shrinkage": 0.1,  # share of the covariance pooled over positions
    "regularisation": 0.1,  # of a position's covariance, in units of the channels' mean variance
    "memory": 8000,  # training vectors that the anchor knows
    "noise": 1.0,  # the anchor's noise level s, where whitened channels have about unit variance
}


class Method(OnePassDetector):
    """Images by whitened features, series and audio by scalograms: each as its class says."""

    skip = staticmethod(too_short)

    def __init__(self, spec: Spec, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        model = WhitenedDiffusion if spec.planar else ScalogramDiffusion
        params = {**DEFAULTS, **params}
        own = {key: params[key][spec.modality] for key in ("times", "share") if isinstance(params[key], dict)}
        self.model = model(spec, seed, device, features, params | own)
        self.info = self.model.info

    def fit(self, X: Any, X_valid: Any) -> Method:
        self.model.fit(X)
        return self

    def detect(self, X: Any) -> tuple[Array, Array]:
        return self.model.detect(X)

    def state_dict(self) -> dict[str, Any]:
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> Method:
        self.model.load_state_dict(state)
        return self
