"""Masked diffusion posterior sampling: what looks anomalous is masked, and drawn again given the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from anomark.detectors.denoising.model import MapDenoiser
from anomark.diffusion.guidance import keep, nearer
from anomark.diffusion.sampler import reconstruct

NAME = "Masked diffusion posterior sampling"
LABEL = "MDPS"
PAPER = "Wu et al.: Unsupervised Anomaly Detection via Masked Diffusion Posterior Sampling. IJCAI 2024"
PUBLISHED = (
    "A sample counts as a normal image with an anomaly in a mask. A first reconstruction follows the gradient of its "
    "distance to the sample (diffusion posterior sampling); where it still differs by more than a share of the range "
    "is the mask. In a second one everything outside the mask is held at the sample. The map is that of DDAD, averaged "
    "over draws; start, weight and mask are chosen for each category (KevinBHLin/MDPS@767fa96)."
)
DIFFERS = (
    "It runs on f's whitened maps, where pixels would need a longer training. One setting serves all categories. The "
    "norm of the distance is a sample's own, where the authors' code takes that of the batch, and the mask is what "
    "exceeds a quantile over training images, where it takes the range over the test set. Each stage makes 5 steps "
    "from T' = 250; in the first each costs two calls and a gradient. Errors are squared differences of maps, of one "
    "draw as in the authors' code. The paper's text was not read, only that code."
)
FAMILY = "diffusion"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended",)
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 1e-3,
    "width": 32,
    "space": "features",
    "schedule": "linear",  # 1e-4 to .02, Ho et al. 2020, section 4
    "T": 1000,
    "start": 250,
    "latest": 500,  # the largest t in training
    "calls": 5,  # steps of each stage
    "weight": 50.0,  # of the gradient; 0 to 200 by category in the authors' code
    "quantile": 0.9,  # of the first stage's errors over training images, above which a position is masked
    "draws": 1,  # theirs
    "share": 0.02,  # of the map; the score is the mean of that share's largest values
}


class Method(MapDenoiser):
    """Map = squared difference to what is drawn inside the mask, averaged over channels and draws; 0 outside."""

    defaults = DEFAULTS

    def __init__(self, spec: Any, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        super().__init__(spec, seed, device, features, **params)
        self.scale.register_buffer("threshold", torch.zeros((), device=device))
        self.info["network_calls"] = 3 * self.params["calls"] * self.params["draws"]

    @torch.no_grad()
    def calibrate(self, normal: Any) -> None:
        """Learn how large the first stage's errors are in normal samples."""
        first = torch.cat([self.stage(maps, 0, None).flatten() for maps in self.batches(normal)]).cpu().numpy()
        self.scale.threshold.fill_(float(np.quantile(first, self.params["quantile"])))

    def errors(self, maps: Tensor) -> Tensor:
        total = torch.zeros_like(maps[:, :1])
        for draw in range(self.params["draws"]):
            known = self.stage(maps, draw, None) <= self.scale.threshold
            total = total + self.stage(maps, draw, known)
        return total / self.params["draws"]

    def stage(self, y: Tensor, draw: int, known: Tensor | None) -> Tensor:
        """Squared errors (B, 1, h, w) of a reconstruction, near y by the gradient, or held at y where it is known."""
        p = self.params
        guide = nearer(y, self.network, self.schedule, p["weight"]) if known is None else keep(y, known)
        other = reconstruct(self.network, self.schedule, y, seed=draw, start=p["start"], calls=p["calls"], guide=guide)
        return (y - other).square().mean(1, keepdim=True)
