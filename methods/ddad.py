"""Denoising that is conditioned on the sample: what is changed although it is drawn to the sample is anomalous."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from anomark.contracts import Spec
from anomark.detectors.denoising.adaptation import adapt, adaptable
from anomark.detectors.denoising.model import MapDenoiser
from anomark.detectors.feature_distance import CosineDistance
from anomark.detectors.perceptual import FeatureExtractor
from anomark.diffusion.guidance import toward
from anomark.diffusion.sampler import reconstruct

NAME = "Denoising diffusion anomaly detection"
LABEL = "DDAD"
PAPER = "Mousakhan, Brox, Tayyub: Anomaly Detection with Conditioned Denoising Diffusion Models. GCPR 2024"
PUBLISHED = (
    "A U-Net denoises pixels from T' = 250 of 1000 in 10 steps with eta = 1, and each step is drawn to the sample with "
    "weight w. The map is the cosine distance of two levels of f plus the L1 distance of pixels, which is brought to "
    "the scale of the former by the ratio of their largest values in the test batch. f is fine-tuned so that a "
    "reconstruction looks like its target. w, epochs and fine-tuning are chosen for each category "
    "(arimousa/DDAD@4323a15)."
)
DIFFERS = (
    "The network denoises f's whitened maps, where pixels of large images would need a longer training, and the map is "
    "the squared difference of the two maps. w is .3 for all categories, because AUROC on transistor was .975 with it, "
    ".969 with 1 and .931 with 3; no step goes beyond the sample. "
    "`ddad-pixels` denoises pixels at the suite's resolution, and there both distances are divided by their largest "
    "values over normal samples. Before any training the denoiser of whitened maps is that of white noise: the method "
    "then is the distance to each position's mean, with AUROC .976 on transistor. Settings were chosen there."
)
FAMILY = "diffusion"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended", "paper-cpu")
VARIANTS = {
    "ddad-pixels": {
        "space": "pixels",
        "weight": 1.0,
        "share": 0.0,
        "FULL_RESOLUTION": False,
        "SUITES": ("extended",),
        "DIFFERS": "Pixels at the suite's resolution are denoised, compared in L1 and in f; the score is the largest "
        "value of the map, as published.",
    },
    "ddad-pixels-adapted": {
        "space": "pixels",
        "weight": 1.0,
        "share": 0.0,
        "adapt": 0.1,
        "FULL_RESOLUTION": False,
        "SUITES": ("extended",),
        "DIFFERS": "As `ddad-pixels`, with the last two layers of f fine-tuned for a tenth of the steps.",
    },
    "ddad-pixels-batch-scale": {
        "space": "pixels",
        "weight": 1.0,
        "share": 0.0,
        "batch_scale": True,
        "TRANSDUCTIVE": True,
        "FULL_RESOLUTION": False,
        "SUITES": ("extended",),
        "DIFFERS": "As `ddad-pixels`, with the two distances divided by their largest values over the rows that are "
        "scored together, as published. It shows what reading the test set is worth.",
    },
}
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 1e-3,
    "width": 32,
    "space": "features",
    "schedule": "linear",  # 1e-4 to .02, as theirs
    "T": 1000,
    "start": 250,  # T', theirs
    "latest": 500,  # the largest t in training
    "calls": 10,  # theirs
    "eta": 1.0,  # theirs
    "weight": 0.3,  # w; 0 to 11 by category in theirs
    "adapt": 0.0,  # share of the steps by which f is fine-tuned
    "batch_scale": False,
    "share": 0.02,  # of the map; the score is the mean of that share's largest values, of one at least
}


class Method(MapDenoiser):
    """Map = squared difference of f's map and its reconstruction; of pixels, L1 plus cosine distance in f."""

    defaults = DEFAULTS

    def __init__(self, spec: Spec, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        super().__init__(spec, seed, device, features, **params)
        if self.params["space"] == "pixels":
            self.extractor = FeatureExtractor(spec, features, device)
            self.distance = CosineDistance(self.extractor)
            self.info["f"] = self.extractor.f.name
            if self.params["adapt"]:
                self.parts["adapted"] = adaptable(self.extractor.f)

    @property
    def terms(self) -> int:
        return 2 if self.params["space"] == "pixels" else 1

    def train(self, rows: Any, maps: Callable[[Tensor], Tensor], X: Any) -> nn.Module:
        network = super().train(rows, maps, X)
        if self.params["adapt"]:
            self.parts["network"] = network
            params = self.params | {"steps": max(1, round(self.params["adapt"] * self.params["steps"])), "lr": 1e-4}
            own: dict[str, Any] = {"params": params, "seed": self.seed, "device": self.device}
            self.parts["adapted"] = adapt(self.parts["adapted"], self.extractor, rows, self.reconstruct, **own)
        return network

    def reconstruct(self, x: Tensor, target: Tensor) -> Tensor:
        """Maps (B, C, h, w), noised and denoised on the way to targets."""
        p, guide = self.params, None
        if p["weight"]:
            guide = toward(target, self.schedule, p["weight"])
        own = {"start": p["start"], "calls": p["calls"], "eta": p["eta"], "clip": self.front.clip, "guide": guide}
        return reconstruct(self.network, self.schedule, x, seed=0, **own)

    def errors(self, maps: Tensor) -> Tensor:
        other = self.reconstruct(maps, maps)
        if self.terms == 1:
            return (maps - other).square().mean(1, keepdim=True)
        if "adapted" in self.parts:
            self.extractor.f = self.parts["adapted"]
        return torch.stack([(maps - other).abs().mean(1), self.distance(maps, other)], 1)

    def calibrate(self, normal: Any) -> None:
        if self.terms > 1:
            self.scale.of_terms.copy_(_largest(self.normal_errors(normal)))

    def combined(self, errors: Tensor) -> Tensor:
        if self.params["batch_scale"]:
            self.scale.of_terms.copy_(_largest(errors))
        return super().combined(errors)


def _largest(errors: Tensor) -> Tensor:
    """The largest value of each term of errors (N, terms, h, w)."""
    return errors.transpose(0, 1).flatten(1).amax(1).clamp(min=1e-6)
