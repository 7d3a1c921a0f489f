"""InversionAD: normal feature maps go back to white noise along the diffusion, anomalous ones to something else."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from anomark.contracts import Array
from anomark.detectors.denoising.model import MapDenoiser

NAME = "Inversion of a diffusion model"
LABEL = "InvAD"
PAPER = "Sakai et al.: Reconstruction-Free Anomaly Detection with Diffusion Models. arXiv:2504.05662, 2025"
PUBLISHED = (
    "A transformer predicts the noise in the feature maps of EfficientNet-B4. DDIM runs upwards in three steps to x_T. "
    "The score adds -log N(x_T; 0, I) and the range of |x_T| over positions, each scaled by its smallest and largest "
    "value over the test set. The map is |x_T|. The printed .990 (MVTec AD, one model for all classes) also takes the "
    "best of several states on the test set."
)
DIFFERS = (
    "The smallest and largest values are those of held-out normal images, because a score may not depend on other test "
    "images. `invad-published` scales over the test set as the authors do (SkyShunsuke/InversionAD@0306aba): the "
    "difference is what that is worth. A U-Net predicts the noise in f's whitened maps, and the last weights are kept."
)
FAMILY = "diffusion"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
USES_VALID = True
SUITES = ("extended",)
VARIANTS = {
    "invad-published": {
        "scaled_over": "test",
        "TRANSDUCTIVE": True,
        "DIFFERS": "Both terms of the score are scaled over the test set, as the authors do. It is transductive.",
    }
}
DEFAULTS = {
    "steps": 150,
    "batch_size": 16,  # 8 in the authors' configuration
    "lr": 2e-3,
    "width": 32,
    "space": "features",
    "schedule": "linear",
    "T": 1000,
    "times": [1, 334, 667, 1000],  # of x; 0, 333, 666 and 999 where times are counted from 0
    "scaled_over": "normal",  # held-out images, or "test"
}


class Method(MapDenoiser):
    """Score = -log N(x_T) + range of |x_T| over positions, each in units of its range; map = |x_T|."""

    defaults = DEFAULTS

    def __init__(self, spec: Any, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        super().__init__(spec, seed, device, features, **params)
        self.scale.register_buffer("low", torch.zeros(2, device=device))
        self.scale.register_buffer("range", torch.ones(2, device=device))

    @property
    def calls(self) -> int:
        return len(self.params["times"]) - 1

    def errors(self, maps: Tensor) -> Tensor:
        """|x_T|^2 at each position, (B, 1, h, w)."""
        return invert(self.network, self.schedule, maps, self.params["times"]).square().sum(1, keepdim=True)

    def calibrate(self, normal: Any) -> None:
        terms = score_terms(self._errors(normal))
        self.scale.low.copy_(terms.amin(0))
        spread = terms.amax(0) - terms.amin(0)
        self.scale.range.copy_(torch.where(spread > 0, spread, 1.0))

    def detect(self, X: Any) -> tuple[Array, Array]:
        squared = self._errors(X)
        terms, low, spread = score_terms(squared), self.scale.low, self.scale.range
        if self.params["scaled_over"] == "test":
            low, spread = terms.amin(0), terms.amax(0) - terms.amin(0) + 1e-8
        scores = ((terms - low) / spread).sum(1)
        return scores.cpu().numpy(), self.front.locate(squared[:, 0].sqrt()).cpu().numpy()


def invert(predict: Any, schedule: Any, x: Tensor, times: list[int]) -> Tensor:
    """x at the first of rising times to x at the last, by DDIM run upwards (Song et al. 2021, equation 13)."""
    for now, following in pairwise(times):
        t = torch.full((len(x),), now, device=x.device)
        noise = predict(x, t)
        x0, abar = schedule.predict_x0(x, t, noise), float(schedule.alphas_bar[following])
        x = abar**0.5 * x0 + (1 - abar) ** 0.5 * noise
    return x


def score_terms(squared: Tensor) -> Tensor:
    """|x_T|^2 (N, 1, h, w) to -log N(x_T; 0, I), up to a constant, and the range of |x_T|, (N, 2)."""
    flat = squared.flatten(1)
    norms = flat.sqrt()
    return torch.stack([0.5 * flat.sum(1), norms.amax(1) - norms.amin(1)], dim=1)
