"""Distance of two images as the perceptual network f sees them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.perceptual import FeatureExtractor


class FeatureDistance(nn.Module):
    """E_feat: squared distance of the features of two maps, at every position, averaged over f's levels.

    A level's distance is divided by its variance over training data, so that all levels weigh alike. The distances of
    a scalogram's variables are averaged.

    Args:
        extractor: f.
        side: pixels that the maps' shorter side is enlarged to where it has fewer; f's own unless given.
    """

    variance: Tensor  # (levels,)

    def __init__(self, extractor: FeatureExtractor, side: int | None = None) -> None:
        super().__init__()
        self.extractor, self.side = extractor, side
        self.register_buffer("variance", torch.ones(len(extractor.f.levels)))

    @torch.no_grad()
    def fit(self, maps: Tensor) -> None:
        """Learn the levels' variances from training maps."""
        variances = [level.var(dim=(0, 2, 3)).sum() for level in self.extractor(maps, self.side)]
        self.variance.copy_(torch.stack(variances).clamp(min=1e-6))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Maps (B, C, H, W) twice -> (B, H, W)."""
        total = torch.zeros(len(a), *a.shape[2:], device=a.device)
        levels = zip(self.extractor(a, self.side), self.extractor(b, self.side), self.variance, strict=True)
        for left, right, variance in levels:
            distance = (left - right).square().sum(1, keepdim=True) / variance
            distance = F.interpolate(distance, size=a.shape[2:], mode="bilinear", align_corners=False)
            total = total + distance.unflatten(0, (len(a), -1)).mean((1, 2))
        return total / len(self.variance)
