"""What a two-dimensional network sees of a sample, an image as it is or a window as its scalogram, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark import modality
from anomark.contracts import Array, Spec
from anomark.data.windows import window_starts
from anomark.signal.cwt import Scalogram

#: Longest stretch of samples that becomes one scalogram; longer windows are cut into frames of this length.
FRAME = 512
#: Frames that the statistics of the rows come from, evenly spaced over the training data.
STATISTICS_FRAMES = 512
#: A row of the scalogram is divided by its standard deviation, or by this share of the largest row's where its own is
#: smaller: a row without signal holds nothing but rounding errors, which should stay small.
SMALLEST_SHARE = 0.01


class ImageFrontEnd(nn.Module):
    """Images (B, C, H, W) are their own maps."""

    maps_per_sample = 1

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.shape, self.clip = spec.shape, spec.value_range

    def fit(self, X: Any) -> None:
        """Do nothing: an image needs no statistics."""

    def frames(self, X: Any) -> Any:
        """What the network is trained on, one map a row."""
        return X

    def sample(self, X: Any, count: int = STATISTICS_FRAMES) -> Tensor:
        """At most `count` frames, evenly spaced over X."""
        return _spaced(X, count)

    def forward(self, x: Tensor) -> Tensor:
        return x

    def inverse(self, maps: Tensor) -> Tensor:
        return maps

    def locate(self, errors: Tensor) -> Tensor:
        return errors

    def locate_grid(self, errors: Tensor) -> Tensor:
        """Errors (B, h, w) on a grid over the image to anomaly maps, which are never finer than the image."""
        (h, w), (height, width) = errors.shape[1:], self.shape[1:]
        return F.adaptive_avg_pool2d(errors, (min(h, height), min(w, width)))


class ScalogramFrontEnd(nn.Module):
    """Windows (B, V, L) as standardised scalograms (B F, 3V, S, M) of their F frames, and back.

    Channels are (real part, imaginary part, residual) of the first variable, of the second, ... Every row of a channel
    is centred and scaled by its mean and standard deviation over training data, so that fast and slow scales weigh
    alike in a network's loss.

    Attributes:
        shape: (3V, S, M) of a map.
        clip: None, maps are not bounded.
        maps_per_sample: F.
    """

    clip = None
    mean: Tensor  # (3V, S, 1)
    std: Tensor

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        variables, self.length = spec.shape
        self.frame = min(self.length, FRAME)
        self.starts = window_starts(self.length, self.frame, self.frame)
        self.maps_per_sample = len(self.starts)
        settings = modality.load(spec.modality).SCALOGRAM
        assert settings is not None, "too_short refuses signals without a scalogram"
        self.scalogram = Scalogram(self.frame, settings["scales"], decimation=settings["decimation"])
        scales, columns = self.scalogram.shape
        self.shape = (3 * variables, scales, columns)
        self.register_buffer("mean", torch.zeros(3 * variables, scales, 1))
        self.register_buffer("std", torch.ones(3 * variables, scales, 1))

    @torch.no_grad()
    def fit(self, X: Any) -> None:
        """Learn mean and standard deviation of the scalogram's rows; a variable that never moves is only centred."""
        maps = self.scalogram(self.sample(X).to(self.mean.device)).double()
        mean = maps.mean((0, 3), keepdim=True)
        std = (maps - mean).square().mean((0, 3), keepdim=True).sqrt()[0].unflatten(0, (-1, 3))  # (V, 3, S, 1)
        largest = std.amax((1, 2), keepdim=True)
        moves = largest > 1e-6 * maps.abs().amax().clamp(min=1e-6)
        std = torch.where(moves, std.clamp(min=SMALLEST_SHARE * largest), 1.0)
        self.mean.copy_(mean[0])
        self.std.copy_(std.flatten(0, 1))

    def frames(self, X: Any) -> Any:
        """What the network is trained on: (N F, V, frame), lazy."""
        return Frames(X, self.starts, self.frame)

    def sample(self, X: Any, count: int = STATISTICS_FRAMES) -> Tensor:
        """At most `count` frames, evenly spaced over X."""
        return _spaced(self.frames(X), count)

    def forward(self, x: Tensor) -> Tensor:
        """(B, V, L), or frames (B, V, frame), to maps; the frames of one window follow each other."""
        if x.shape[-1] != self.frame:
            x = torch.stack([x[..., s : s + self.frame] for s in self.starts], dim=1).flatten(0, 1)
        maps: Tensor = (self.scalogram(x) - self.mean) / self.std
        return maps

    def inverse(self, maps: Tensor) -> Tensor:
        """Maps (B F, 3V, S, M) to windows (B, V, L).

        The last frame may overlap the one before; then the last one counts.
        """
        return self._join(self.scalogram.inverse(maps * self.std + self.mean))

    def locate(self, errors: Tensor) -> Tensor:
        """Errors (B F, S, M) in maps to errors (B, 1, L) in time, averaged over scales."""
        columns = errors.mean(1, keepdim=True)
        return self._join(F.interpolate(columns, size=self.frame, mode="linear", align_corners=False))

    def locate_grid(self, errors: Tensor) -> Tensor:
        """Errors (B F, h, w) on a grid over the maps to anomaly maps (B, L)."""
        large = F.interpolate(errors[:, None], size=self.shape[1:], mode="bilinear", align_corners=False)
        return self.locate(large[:, 0]).squeeze(1)

    def _join(self, frames: Tensor) -> Tensor:
        """(B F, V, frame) to (B, V, L)."""
        if len(self.starts) == 1:
            return frames
        frames = frames.unflatten(0, (-1, len(self.starts)))
        x = frames.new_empty(len(frames), frames.shape[2], self.length)
        for i, start in enumerate(self.starts):
            x[..., start : start + self.frame] = frames[:, i]
        return x


class Frames:
    """Windows (N, V, L) as float32 frames (N F, V, frame), which are copied only when they are indexed."""

    def __init__(self, X: Any, starts: Array, frame: int) -> None:
        self.X, self.starts, self.frame = X, starts, frame

    def __len__(self) -> int:
        return len(self.X) * len(self.starts)

    def __getitem__(self, index: Array) -> Array:
        rows, frames = np.divmod(index, len(self.starts))
        windows = np.asarray(self.X[rows], dtype=np.float32)
        cut = [w[:, s : s + self.frame] for w, s in zip(windows, self.starts[frames], strict=True)]
        return np.stack(cut)


def _spaced(rows: Any, count: int) -> Tensor:
    chosen = np.unique(np.linspace(0, len(rows) - 1, count).astype(int))
    return torch.from_numpy(np.array(rows[chosen], dtype=np.float32))


FrontEnd = ImageFrontEnd | ScalogramFrontEnd


def front_end(spec: Spec) -> FrontEnd:
    """The front end for such samples; all datasets of a modality share one configuration."""
    return ImageFrontEnd(spec) if spec.planar else ScalogramFrontEnd(spec)


def too_short(spec: Spec) -> str | None:
    """Why a sample is neither a picture nor has a scalogram, or None: a method's `skip`."""
    if spec.planar:
        return None
    settings = modality.load(spec.modality).SCALOGRAM
    if settings is None or len(spec.shape) != 2:
        return f"{spec.modality} has no scalogram"
    if spec.shape[-1] >= settings["shortest"]:
        return None
    return f"a window of {spec.shape[-1]} steps is too short for a scalogram, which needs {settings['shortest']}"
