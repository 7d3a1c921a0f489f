"""Patch features of the frozen network f: one vector for every position of a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.contracts import Spec
from anomark.detectors.frontend import front_end
from anomark.detectors.perceptual import FeatureExtractor

#: Training maps that the vectors of training data come from, evenly spaced where there are more.
TRAINING_MAPS = 1024
#: Maps per forward pass.
BATCH = 16


class PatchFeatures(nn.Module):
    """One vector for each position: f's levels, each averaged over its neighbourhood, joined at one size.

    This is Roth et al. 2022, section 3.1, equations 1 to 3. Every level is centred and divided by its deviation over
    training data, so that all levels weigh alike. The size is that of the deepest level but one: finer levels are
    averaged to it, and the deepest is enlarged. An image has P = h w positions. f sees a window or a clip as the
    scalograms of its F frames, one image for each of V variables, which gives P = F V h w positions.

    Args:
        spec: of the samples.
        features: path of f's weights.
        device: where f runs.
        levels: which of f's levels, `patch` or `map` (see `anomark.detectors.backbones.base`).
        neighbourhood: p, positions on a side that a level is averaged over, odd; 1: no averaging.

    Attributes:
        channels: C, length of a vector.
        name: of f.
    """

    mean: Tensor  # (C, 1, 1)
    scale: Tensor

    def __init__(
        self, spec: Spec, features: str | None, device: str, *, levels: str = "patch", neighbourhood: int = 3
    ) -> None:
        super().__init__()
        self.extractor = FeatureExtractor(spec, features, device)
        self.neighbourhood = neighbourhood
        f = self.extractor.f
        f.select({"patch": f.patch_levels, "map": f.map_levels}[levels])
        self.name, self.channels, self.variables = f.name, sum(f.channels), self.extractor.variables
        self.front = front_end(spec)
        self.register_buffer("mean", torch.zeros(self.channels, 1, 1))
        self.register_buffer("scale", torch.ones(self.channels, 1, 1))
        self.to(device)
        self.size = tuple(self._maps(torch.zeros(1, *self.front.shape, device=device)).shape[-2:])  # (h, w)

    @torch.no_grad()
    def fit(self, X: Any) -> Tensor:
        """Learn the scale of scalograms and of f's levels.

        Returns:
            The vectors of training data, (maps / V, P / F, C).
        """
        self.front.fit(X)
        frames = self.front.sample(X, max(1, TRAINING_MAPS // self.variables)).numpy()
        maps = torch.cat([self._maps(self.front(x)) for x in self._batches(frames)])
        variances, means = torch.var_mean(maps, (0, 2, 3), correction=0)
        levels = variances.split(self.extractor.f.channels)
        deviations = torch.cat([v.sum().sqrt().clamp(min=1e-6).expand(len(v)) for v in levels])
        self.mean.copy_(means[:, None, None])
        self.scale.copy_(deviations[:, None, None])
        return self._vectors(maps)

    def transform(self, X: Any) -> Iterator[Tensor]:
        """Vectors of samples (B, P, C), a few samples at a time."""
        return (self(x) for x in self._batches(X))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Samples (B, *shape) to vectors (B, P, C)."""
        return self._vectors(self._maps(self.front(x))).reshape(len(x), -1, self.channels)

    def locate(self, values: Tensor) -> Tensor:
        """One value a position, (B, P), to anomaly maps (B, h, w), never finer than the image, or (B, L)."""
        return self.front.locate_grid(values.reshape(-1, self.variables, *self.size).mean(1))

    def _batches(self, X: Any) -> Iterator[Tensor]:
        size = max(1, BATCH // (self.front.maps_per_sample * self.variables))
        for i in range(0, len(X), size):
            yield torch.from_numpy(np.array(X[i : i + size], dtype=np.float32)).to(self.mean.device)

    def _maps(self, maps: Tensor) -> Tensor:
        """The front end's maps (B, C', H, W) to f's joined levels (B V, C, h, w)."""
        p = self.neighbourhood
        levels = [
            F.avg_pool2d(level, p, stride=1, padding=p // 2, count_include_pad=False) for level in self.extractor(maps)
        ]
        size = levels[max(0, len(levels) - 2)].shape[-2:]
        return torch.cat([_resized(level, size) for level in levels], dim=1)

    def _vectors(self, maps: Tensor) -> Tensor:
        """(B V, C, h, w) to (B, V h w, C), centred and scaled."""
        rows = ((maps - self.mean) / self.scale).flatten(2).transpose(1, 2)  # (B V, h w, C)
        return rows.reshape(-1, self.variables * rows.shape[1], self.channels)


def _resized(level: Tensor, size: Sequence[int]) -> Tensor:
    """(B, C, h, w) at another size: means of what a position covers where it is coarser, else interpolated."""
    if size[0] <= level.shape[-2] and size[1] <= level.shape[-1]:
        return F.adaptive_avg_pool2d(level, (size[0], size[1]))
    return F.interpolate(level, size=list(size), mode="bilinear", align_corners=False)
