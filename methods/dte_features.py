"""Diffusion time estimation on feature maps: how long the features at each position seem to have been noised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from anomark.detectors.denoising.model import MapDenoiser
from anomark.detectors.denoising.times import TimeClassifier
from anomark.detectors.diffusion_training import train_averaged

NAME = "Diffusion time estimation on feature maps"
LABEL = "DTE-C (features)"
PAPER = "Livernoche et al.: On Diffusion Modeling for Anomaly Detection. ICLR 2024"
PUBLISHED = (
    "A network tells in which of 7 equal parts of 0..400 the time t of x_t = x_0 + sigma_t n lies. The score is the "
    "expected part. Rows pass through a perceptron of 256, 512 and 256 units with dropout, images through a ResNet-50 "
    "that is trained from scratch (vicliv/DTE@2aef173)."
)
DIFFERS = (
    "A row is the vector of f's whitened maps at one position, so that the expected part is a map, and the score is "
    "the mean of its largest 2%. Every position is noised for a time of its own. The softmax is taken once, where the "
    "authors' code takes it twice. There is no dropout, because a batch holds thousands of positions. "
    "The non-parametric form ranks as a distance to nearest neighbours does, which is what `patchcore` has."
)
FAMILY = "density"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended",)
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 1e-3,  # 1e-4 for 400 epochs as published
    "space": "features",
    "schedule": "linear",
    "T": 400,
    "parts": 7,
    "hidden": [256, 512, 256],
    "share": 0.02,  # of the map; the score is the mean of that share's largest values
}


class Method(MapDenoiser):
    """Map = expected part of 0..T-1 at every position, in [0, parts - 1]."""

    defaults = DEFAULTS
    calls = 1

    def build(self, channels: int) -> nn.Module:
        p = self.params
        return TimeClassifier(channels, hidden=p["hidden"], parts=p["parts"], T=p["T"])

    def train(self, rows: Any, maps: Callable[[Tensor], Tensor], X: Any) -> nn.Module:
        network = self.network
        return train_averaged(network, rows, network.loss(maps), params=self.params, seed=self.seed, device=self.device)

    def errors(self, maps: Tensor) -> Tensor:
        return self.network.estimate(maps)[:, None]
