"""Two densities of a frozen network's features, of normal samples and of generated anomalies, and their ratio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.denoising.generated import generated
from anomark.detectors.denoising.model import MapDenoiser
from anomark.nn.gaussian import ShrunkGaussian

NAME = "Two densities of normal samples and generated anomalies"
LABEL = "Dual branch"
PAPER = "After arXiv 2502.19200, of which the abstract alone could be read"
PUBLISHED = (
    "A diffusion model generates anomalies by a larger variance in its reverse steps. Features of the frozen diffusion "
    "network are modelled for normal and for generated samples, and the score is a likelihood ratio."
)
DIFFERS = (
    "Neither code nor full text was found, so this is the closest form that the abstract allows, under a name of its "
    "own. Features are the inner maps of a U-Net that was trained on f's whitened maps, at t = 50 and 100. Both "
    "densities are Gaussians for all positions together, with covariances shrunk by a tenth. The generated anomalies "
    "are this suite's synthetic ones, which no dataset uses as test anomalies, and count where they change the image. "
    "The score is log p(anomalous) - log p(normal). `dual_branch-features` has f's maps themselves as features."
)
FAMILY = "density"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended",)
VARIANTS = {
    "dual_branch-features": {
        "times": [],
        "SUITES": ("extended",),
        "DIFFERS": "The features are f's whitened maps, and the denoiser isn't used.",
    },
}
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 1e-3,
    "width": 32,
    "space": "features",
    "schedule": "linear",  # 1e-4 to .02, Ho et al. 2020, section 4
    "T": 1000,
    "latest": 500,  # the largest t in training
    "times": [50, 100],  # at which the U-Net's inner maps are taken; none: f's maps are the features
    "shrinkage": 0.1,
    "share": 0.02,  # of the map; the score is the mean of that share's largest values
}


class Method(MapDenoiser):
    """Map = log-likelihood ratio, divided by the number of features, at every position of the feature map."""

    defaults = DEFAULTS

    def __init__(self, spec: Any, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        super().__init__(spec, seed, device, features, **params)
        p, (channels, h, w) = self.params, self.front.shape
        width = self.features(torch.zeros(1, channels, h, w, device=device)).shape[1]
        self.parts["normal"] = ShrunkGaussian(width, p["shrinkage"]).to(device)
        self.parts["anomalous"] = ShrunkGaussian(width, p["shrinkage"]).to(device)

    @property
    def calls(self) -> int:
        return len(self.params["times"])

    @torch.no_grad()
    def features(self, maps: Tensor) -> Tensor:
        """The U-Net's innermost maps at each of the times, joined: (B, C, h, w) to (B, F, h', w')."""
        kept: list[Tensor] = []
        middle = self.network.network.middle
        hook = middle.register_forward_hook(lambda module, inputs, output: kept.append(output))
        for time in self.params["times"]:
            abar = float(self.schedule.alphas_bar[time])
            self.network(abar**0.5 * maps, torch.full((len(maps),), time, device=maps.device))
        hook.remove()
        return torch.cat(kept, 1) if kept else maps

    def train(self, rows: Any, maps: Callable[[Tensor], Tensor], X: Any) -> nn.Module:
        """The U-Net, then the two densities."""
        if self.params["times"]:
            self.parts["network"] = super().train(rows, maps, X)
        batches = np.array_split(np.arange(len(rows)), max(1, len(rows) // 16))
        normal = [self.features(torch.from_numpy(rows[batch]).to(self.device)) for batch in batches]
        self.parts["normal"].fit(torch.cat([_vectors(z) for z in normal]))
        changed, masks = generated(X[: len(rows)], self.spec.modality, self.seed)
        anomalous = torch.cat([self.features(z) for z in self.batches(changed)])
        where = F.adaptive_max_pool2d(torch.from_numpy(masks)[:, None].float(), anomalous.shape[2:]).flatten() > 0
        self.parts["anomalous"].fit(_vectors(anomalous)[where.to(anomalous.device)])
        return self.network

    def errors(self, maps: Tensor) -> Tensor:
        z = self.features(maps)
        vectors = z.permute(0, 2, 3, 1)
        ratio = (self.parts["anomalous"](vectors) - self.parts["normal"](vectors))[:, None] / z.shape[1]
        return F.interpolate(ratio, size=maps.shape[2:], mode="bilinear", align_corners=False)


def _vectors(maps: Tensor) -> Tensor:
    """(B, C, h, w) to (B h w, C)."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)
