"""Distance of two images as the perceptual network f sees them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.perceptual import FeatureNetwork

#: Pixels that the shorter side of an image (a scalogram) has at least when f sees it; smaller ones are enlarged.
SIDE = {"mobilenet_v2": (160, 64), "small_net": (64, 32)}


class FeatureDistance(nn.Module):
    """E_feat: squared distance of the features of two maps, at every position, averaged over f's levels.

    A level's distance is divided by its variance over training data, so that levels weigh alike. A scalogram of V
    variables is V images whose three channels are real part, imaginary part and residual; their distances are averaged.

    Args:
        features: f.
        side: pixels that the maps' shorter side is enlarged to, where it has fewer.
        divisor: brings maps into f's input range, [-1, 1].
    """

    variance: Tensor  # (levels,)

    def __init__(self, features: FeatureNetwork, side: int = 1, divisor: float = 1.0) -> None:
        super().__init__()
        self.features = (features,)  # in a tuple, because it is no part of what is learnt
        self.side, self.divisor = side, divisor
        self.register_buffer("variance", torch.ones(len(features.levels)))

    def levels(self, maps: Tensor) -> list[Tensor]:
        """f's levels (B V, c, h, w) of maps (B, C, H, W)."""
        if maps.shape[1] not in (1, 3):
            maps = maps.unflatten(1, (-1, 3)).flatten(0, 1)
        maps = maps / self.divisor
        if min(maps.shape[-2:]) < self.side:
            size = [round(n * self.side / min(maps.shape[-2:])) for n in maps.shape[-2:]]
            maps = F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
        return self.features[0](maps)

    @torch.no_grad()
    def fit(self, maps: Tensor) -> None:
        """Learn the levels' variances from training maps."""
        variances = [level.var(dim=(0, 2, 3)).sum() for level in self.levels(maps)]
        self.variance.copy_(torch.stack(variances).clamp(min=1e-6))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Maps (B, C, H, W) twice -> (B, H, W)."""
        total = torch.zeros(len(a), *a.shape[2:], device=a.device)
        for left, right, variance in zip(self.levels(a), self.levels(b), self.variance, strict=True):
            distance = (left - right).square().sum(1, keepdim=True) / variance
            distance = F.interpolate(distance, size=a.shape[2:], mode="bilinear", align_corners=False)
            total = total + distance.unflatten(0, (len(a), -1)).mean((1, 2))
        return total / len(self.variance)
