"""Norm of the score: how steeply the density of noised samples falls off at a sample, at several noise levels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from anomark.detectors.denoising.model import MapDenoiser

NAME = "Norm of the score at several noise levels"
LABEL = "Score norm"
PAPER = (
    "After Mahmood, Oliva, Styner: Multiscale Score Matching for Out-of-Distribution Detection. ICLR 2021; no paper "
    "has it in this form"
)
PUBLISHED = (
    "A network is trained by score matching at ten noise levels. The vector of a sample's ten score norms is compared "
    "with those of normal samples, by a Gaussian mixture, a flow or nearest neighbours."
)
DIFFERS = (
    "No paper was found that has this method as it is here: it is the closest to the cited one. The score is that of "
    "a diffusion model, -n / sqrt(1 - abar_t) for the noise n that is predicted in sqrt(abar_t) x at t = 20, 60, 100, "
    "200 and 400 of 1000 (this suite's choice). Squared norms are taken at every position, and the five are scaled by "
    "their deviations over normal samples and averaged. The model is that of f's whitened maps, where pixels would "
    "need a longer training; `score_norm-pixels` has those. Before any training, the score of whitened maps is that "
    "of white noise, and the method then is the distance to each position's mean: AUROC .976 on transistor."
)
FAMILY = "density"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended",)
VARIANTS = {
    "score_norm-joint": {
        "joint": True,
        "SUITES": ("extended",),
        "DIFFERS": "The logarithms of the five norms are compared with those of normal samples by one Gaussian for all "
        "positions (Mahalanobis distance), as the cited paper compares vectors of norms.",
    },
    "score_norm-untrained": {
        "steps": 0,
        "DETERMINISTIC": True,
        "SUITES": ("extended", "paper-cpu"),
        "DIFFERS": "The network is not trained, which makes this the distance to each position's mean in f's whitened "
        "maps: the bar for every method that denoises them.",
    },
    "score_norm-pixels": {
        "space": "pixels",
        "share": 1.0,
        "NEEDS": (),
        "FULL_RESOLUTION": False,
        "MODALITIES": ("image", "series"),
        "SUITES": ("extended",),
        "DIFFERS": "The model is that of pixels or of scalograms, and the score is the mean of the whole map.",
    },
}
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 2e-3,
    "width": 32,
    "space": "features",
    "schedule": "linear",  # 1e-4 to .02, Ho et al. 2020, section 4
    "T": 1000,
    "times": [20, 60, 100, 200, 400],
    "latest": 500,  # the largest t in training
    "joint": False,
    "share": 0.02,  # of the map; the score is the mean of that share's largest values
}


class Method(MapDenoiser):
    """Map = mean over noise levels of the squared norm of the score, in its deviations over normal samples."""

    defaults = DEFAULTS

    def __init__(self, spec: Any, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        super().__init__(spec, seed, device, features, **params)
        self.scale.register_buffer("mean", torch.zeros(self.terms, device=device))
        self.scale.register_buffer("precision", torch.eye(self.terms, device=device))

    @property
    def calls(self) -> int:
        return len(self.params["times"])

    @property
    def terms(self) -> int:
        return len(self.params["times"])

    def errors(self, maps: Tensor) -> Tensor:
        """|score|^2 / C at each of the times; the samples are shrunk as noised ones are, and not noised."""
        norms = []
        for time in self.params["times"]:
            t = torch.full((len(maps),), time, device=maps.device)
            abar = float(self.schedule.alphas_bar[time])
            norms.append(self.network(abar**0.5 * maps, t).square().mean(1) / (1 - abar))
        return torch.stack(norms, 1)

    def calibrate(self, normal: Any) -> None:
        if not self.params["joint"]:
            return super().calibrate(normal)
        logs = self.normal_errors(normal).clamp(min=1e-12).log().transpose(0, 1).flatten(1).double()
        covariance = torch.atleast_2d(torch.cov(logs)).nan_to_num(0) + 1e-3 * torch.eye(self.terms).to(logs)
        self.scale.mean.copy_(logs.mean(1))
        self.scale.precision.copy_(torch.linalg.inv(covariance))
        return None

    def combined(self, errors: Tensor) -> Tensor:
        if not self.params["joint"]:
            return super().combined(errors)
        away = errors.clamp(min=1e-12).log() - self.scale.mean[:, None, None]
        return torch.einsum("bihw,ij,bjhw->bhw", away, self.scale.precision, away)
