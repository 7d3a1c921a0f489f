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


class CosineDistance(nn.Module):
    """Sum over f's levels of 1 - cos between two images' features, each averaged over 3 x 3 positions.

    This is the feature distance of Mousakhan et al. 2023 (section 3.3), at every position. Levels are f's default ones
    but the finest.

    Args:
        extractor: f, whose choice of levels is set.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        super().__init__()
        extractor.f.select(extractor.f.default_levels[1:])
        self.extractor = extractor

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Images (B, C, H, W) twice -> (B, H, W)."""
        total = torch.zeros(len(a), 1, *a.shape[2:], device=a.device)
        for left, right in zip(self.extractor(a), self.extractor(b), strict=True):
            distance = cosine_distance(left, right)[:, None]
            total = total + F.interpolate(distance, size=a.shape[2:], mode="bilinear", align_corners=False)
        return total[:, 0]


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - cos between 3 x 3 means of maps (B, C, h, w) at every position, (B, h, w)."""
    left, right = (F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False) for x in (a, b))
    return 1 - F.cosine_similarity(left, right, dim=1)
