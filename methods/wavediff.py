"""Diffusion model with a wavelet pyramid, attention, a shared input adapter and a hybrid time embedding."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from anomark.contracts import Spec
from anomark.detectors.diffusion import Reconstructor, start_of
from anomark.detectors.diffusion_training import Noised, train_network
from anomark.detectors.feature_distance import FeatureDistance
from anomark.detectors.frontend import front_end
from anomark.detectors.perceptual import FeatureExtractor
from anomark.detectors.reconstruction import ReconstructionScore
from anomark.detectors.training import seeded
from anomark.diffusion.schedule import Schedule
from anomark.nn.adapter import SharedInputAdapter, plain_input
from anomark.nn.wavelet_unet import wavelet_unet

NAME = "Diffusion model with a wavelet pyramid"
LABEL = "WaveDiff"
PAPER = "Chen: Research on Anomaly Detection Methods Based on Diffusion Models"
PUBLISHED = (
    "A U-Net that predicts the noise, with a wavelet pyramid of x_t, attention, a shared input adapter and a Conv1D "
    "over the time embedding. The loss has a term in feature space, and the score is lambda E_recon + (1 - lambda) "
    "E_feat."
)
DIFFERS = (
    "Reconstruction starts at T' = 100 for images and at 250 for windows and clips, as for `ddpm`, because a start "
    "from pure noise cannot depend on the input (`wavediff-noise-start` keeps it). DDIM makes 10 network calls. Both "
    "terms of the score are standardised on held-out normal samples. The feature term of the loss is weighted by "
    "alpha-bar_t and computed on the least noisy quarter of a batch."
)
FAMILY = "diffusion"
MODALITIES = ("image", "series", "audio")
NEEDS = ("features",)
USES_VALID = True
VARIANTS = {
    "wavediff-no-wavelet": {"wavelet": None, "DIFFERS": "The wavelet pyramid is left out."},
    "wavediff-no-mha": {"heads": 0, "DIFFERS": "Attention is left out."},
    "wavediff-no-adapter": {"adapter": False, "DIFFERS": "Each modality has a plain first convolution."},
    "wavediff-no-hybrid-emb": {
        "hybrid_embedding": False,
        "DIFFERS": "The time embedding is a sinusoid and a perceptron, without the Conv1D.",
    },
    "wavediff-no-feat-score": {"lambda_": 1.0, "DIFFERS": "Lambda is 1: the score is E_recon alone."},
    "wavediff-no-feat-loss": {"gamma": 0.0, "DIFFERS": "Gamma is 0: the loss is that of the noise alone."},
    "ddpm-feat": {
        "LABEL": "DDPM with E_feat",
        "wavelet": None,
        "heads": 0,
        "adapter": False,
        "hybrid_embedding": False,
        "gamma": 0.0,
        "DIFFERS": "All four blocks and the feature term of the loss are off: the plain DDPM, scored with E_feat.",
    },
    "wavediff-noise-start": {
        "from_noise": True,
        "start": 1000,
        "SUITES": ("extended",),
        "DIFFERS": "Reconstruction starts from pure noise at T, which is the paper's literal reading.",
    },
    "wavediff-ancestral": {
        "sampler": "ancestral",
        "SUITES": ("extended",),
        "DIFFERS": "Sampling is ancestral and makes as many network calls as T' has steps.",
    },
    "wavediff-auto-lambda": {
        "lambda_": "auto",
        "SUITES": ("extended",),
        "DIFFERS": "Lambda is chosen on synthetic anomalies of held-out normal samples.",
    },
}
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 2e-3,
    "width": 32,
    "multipliers": [1, 2, 3, 4],
    "wavelet": "db2",  # None: no pyramid
    "heads": 4,  # 0: no attention
    "attention_stages": [-1],
    "adapter": True,
    "hybrid_embedding": True,
    "gamma": 0.1,
    "lambda_": 0.5,
    "schedule": "linear",  # 1e-4 to .02, Ho et al. 2020, section 4
    "T": 1000,
    "start": {"image": 100, "series": 250, "audio": 250},  # T'; 250 in AnoDDPM, section 4, and see `start_of`
    "from_noise": False,
    "sampler": "ddim",
    "calls": 10,
    "eta": 0.0,
    "draws": 1,
    "share": 1.0,  # of a map's largest errors that the score averages
}
#: What `sweep` tries beside the model's own setting: network calls K, T' as shares of T, and the start from pure noise.
SWEEP = {"calls": (1, 2, 5, 10, 25, 50, 250), "start": (0.05, 0.1, 0.25, 0.5, 0.75, 1.0), "from_noise": (True,)}
#: Share of a batch's rows, those with the least noise, that L_feat is computed on.
FEATURE_ROWS = 0.25
#: Training maps that the variances of f's levels come from.
STATISTICS_MAPS = 64
#: Pixels that L_feat enlarges the shorter side of a map to, at least.
SMALLEST_SIDE = 32


class Method(Reconstructor):
    """Score = lambda E_recon + (1 - lambda) E_feat, both errors between a sample and what denoising makes of it.

    Each is in standard deviations over normal samples; the map is the same sum at every pixel or step.
    """

    def __init__(self, spec: Spec, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        self.modality, self.seed, self.device = spec.modality, seed, device
        self.params = p = {**DEFAULTS, **params}
        p["start"] = start_of(p, spec)
        self.schedule = Schedule.named(p["schedule"], p["T"])
        self.front = front_end(spec).to(device)
        self.features: FeatureDistance | None = None
        if p["gamma"] or p["lambda_"] != 1:
            extractor = FeatureExtractor(spec, features, device)
            self.features = FeatureDistance(extractor).to(device)
            # The loss takes maps nearly as they come: f on enlarged ones would cost more than the network itself.
            self.loss_features = FeatureDistance(extractor, SMALLEST_SIDE).to(device)
        self.score = ReconstructionScore(
            self.front,
            self.features if p["lambda_"] != 1 else None,
            weight=p["lambda_"],
            draws=p["draws"],
            share=p["share"],
        ).to(device)
        channels, width = self.front.shape[0], p["width"]
        with seeded(seed):
            stem = SharedInputAdapter(spec.planar, channels, width) if p["adapter"] else plain_input(channels, width)
            network = wavelet_unet(channels, stem, p, width=width, multipliers=p["multipliers"])
        self.network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.info: dict[str, Any] = {
            "network_calls": self.network_calls,
            "parameters": sum(w.numel() for w in self.network.parameters()),
            "f": self.features.extractor.f.name if self.features else None,
        }

    def fit(self, X: Any, X_valid: Any) -> Method:
        """Minimise L = MSE of the predicted noise + gamma L_feat."""
        self.front.fit(X)
        if self.features is not None:
            maps = self.front(self.front.sample(X, STATISTICS_MAPS).to(self.device))
            self.features.fit(maps)
            self.loss_features.fit(maps)
        self.network = train_network(
            self.network,
            self.front.frames(X),
            self.schedule,
            self.loss,
            params=self.params,
            seed=self.seed,
            device=self.device,
            maps=self.front,
        )
        normal = X if X_valid is None or not len(X_valid) else X_valid
        self.score.calibrate(normal, self.reconstruct, self.modality, self.seed)
        self.info["lambda"] = float(self.score.weight[0])
        return self

    def loss(self, noised: Noised, predicted: Tensor) -> Tensor:
        """MSE of the predicted noise + gamma L_feat."""
        error = F.mse_loss(predicted, noised.noise)
        gamma = self.params["gamma"]
        return error + gamma * self.feature_loss(noised, predicted) if gamma else error

    def feature_loss(self, noised: Noised, predicted: Tensor) -> Tensor:
        """L_feat: distance of the features of x0 and of its one-step estimate, weighted by abar_t.

        At high noise the estimate's squared error is that of the noise times (1 - abar_t) / abar_t, which has no bound,
        and f sees no picture. The weight takes that factor back. Only the least noisy rows of a batch are taken, which
        also bounds the cost.
        """
        rows = noised.t.argsort(stable=True)[: max(1, int(FEATURE_ROWS * len(predicted)))]
        x0, x_t, t, _ = (tensor[rows] for tensor in noised)
        distance = self.loss_features(x0, self.schedule.predict_x0(x_t, t, predicted[rows])).mean((1, 2))
        return (self.schedule.at(self.schedule.alphas_bar, t, distance) * distance).mean()
