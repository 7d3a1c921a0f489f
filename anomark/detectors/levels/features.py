"""The levels of the frozen network f as separate maps, each channel centred and scaled by training data."""

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

#: Training maps that are kept in memory, evenly spaced over the training data where it has more.
TRAINING_MAPS = 1024
#: Maps per forward pass.
BATCH = 16


class LevelFeatures(nn.Module):
    """f's `map_levels`, finest first, as a list of maps (B, c, h, w) of about unit variance in every channel.

    f sees a window or a clip as the scalograms of its F frames, one image for each of V variables. So B samples give
    B F V maps; an image gives one.

    Args:
        spec: of the samples.
        features: path of f's weights.
        device: where f runs.
        first, stop: the levels that are taken, as a slice; f may have fewer.

    Attributes:
        name: of f.
        channels: c of each level.
        sizes: (h, w) of each level.
    """

    mean: Tensor  # (sum of all c,)
    scale: Tensor

    def __init__(
        self, spec: Spec, features: str | None, device: str, *, first: int = 0, stop: int | None = None
    ) -> None:
        super().__init__()
        self.extractor = FeatureExtractor(spec, features, device)
        f = self.extractor.f
        f.select(f.map_levels[first:stop])
        self.name, self.channels, self.variables = f.name, f.channels, self.extractor.variables
        self.front = front_end(spec)
        self.register_buffer("mean", torch.zeros(sum(f.channels)))
        self.register_buffer("scale", torch.ones(sum(f.channels)))
        self.to(device)
        shown = torch.zeros(1, *spec.shape, device=device)
        self.sizes = [tuple(level.shape[-2:]) for level in self.extractor(self.front(shown))]

    @torch.no_grad()
    def fit(self, X: Any) -> list[Tensor]:
        """Learn the scale of scalograms and of f's channels.

        Returns:
            The levels of training data, each (maps, c, h, w), to train on.
        """
        self.front.fit(X)
        frames = self.front.sample(X, max(1, TRAINING_MAPS // self.variables)).numpy()
        batches = [self.extractor(self.front(x)) for x in self._batches(frames)]
        levels = [torch.cat(level) for level in zip(*batches, strict=True)]
        variances, means = (torch.cat(values) for values in zip(*map(_moments, levels), strict=True))
        self.mean.copy_(means)
        deviations = variances.sqrt()
        # Channels that hardly vary would otherwise blow up what the arithmetic rounds off.
        self.scale.copy_(deviations.clamp(min=0.05 * float(deviations.mean()) + 1e-6))
        return self._standardised(levels)

    def transform(self, X: Any) -> Iterator[list[Tensor]]:
        """Levels of samples, a few samples at a time."""
        return (self(x) for x in self._batches(X))

    @torch.no_grad()
    def forward(self, x: Tensor) -> list[Tensor]:
        """Samples (B, *shape) to their levels (B F V, c, h, w)."""
        return self._standardised(self.extractor(self.front(x)))

    def scores(self, maps: Tensor, share: float) -> Tensor:
        """Maps (B F V, h, w) to scores (B,): the mean of the largest `share` of a sample's values, of one at least."""
        values = maps.reshape(len(maps) // (self.front.maps_per_sample * self.variables), -1)
        return values.topk(max(1, round(share * values.shape[1])), dim=1).values.mean(1)

    def locate(self, maps: Tensor) -> Tensor:
        """Maps (B F V, h, w) to anomaly maps (B, h, w), never finer than the image, or (B, L)."""
        return self.front.locate_grid(maps.unflatten(0, (-1, self.variables)).mean(1))

    def _batches(self, X: Any) -> Iterator[Tensor]:
        size = max(1, BATCH // (self.front.maps_per_sample * self.variables))
        for i in range(0, len(X), size):
            yield torch.from_numpy(np.array(X[i : i + size], dtype=np.float32)).to(self.mean.device)

    def _standardised(self, levels: Sequence[Tensor]) -> list[Tensor]:
        means, scales = (t[:, None, None].split(self.channels) for t in (self.mean, self.scale))
        return [(level - mean) / scale for level, mean, scale in zip(levels, means, scales, strict=True)]


def _moments(level: Tensor) -> tuple[Tensor, Tensor]:
    """Variances and means of the channels, (c,) each."""
    return torch.var_mean(level, (0, 2, 3), correction=0)


def resized(level: Tensor, size: Sequence[int]) -> Tensor:
    """(B, C, h, w) at another size: means of what a position covers where it is coarser, else interpolated."""
    if size[0] <= level.shape[-2] and size[1] <= level.shape[-1]:
        return F.adaptive_avg_pool2d(level, (size[0], size[1]))
    return F.interpolate(level, size=list(size), mode="bilinear", align_corners=False)
