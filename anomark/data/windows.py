"""Windows of a series, cut lazily. `anomark.evaluation.merge` turns their scores into scores of points."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomark.contracts import Array


def window_starts(steps: int, length: int, stride: int) -> Array:
    """The first step of every window: 0, stride, ... The last window ends with the series, so every step is covered.

    Args:
        steps: length of the series, at least `length`.
        length: window length in steps.
        stride: distance between windows in steps, at most `length`.

    Returns:
        int64 (N,), increasing.
    """
    if not 1 <= stride <= length <= steps:
        raise ValueError(
            f"windows need 1 <= stride <= length <= steps, got stride={stride}, length={length}, steps={steps}"
        )
    starts = np.arange(0, steps - length + 1, stride)
    if starts[-1] != steps - length:
        starts = np.append(starts, steps - length)
    return starts


class Windows:
    """Windows of a series (T, C), shown as float32 (N, C, L) and copied only when indexed.

    `series` may be memory-mapped; overlapping windows are never expanded as a whole unless `np.asarray` asks for it.
    """

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(self, series: Array, starts: Array, length: int) -> None:
        self.series, self.length, self.separate = series, length, False
        self.starts = np.asarray(starts, dtype=np.int64)
        # (T - L + 1, C, L): a view, no copy.
        self._view = np.lib.stride_tricks.sliding_window_view(series, length, axis=0)
        self.shape = (len(self.starts), series.shape[1], length)

    @classmethod
    def of(cls, samples: Any) -> Windows:
        """Windows as they are, and separate samples (N, C, L) laid end to end, so that both can be looked at alike."""
        if isinstance(samples, cls):
            return samples
        rows = np.asarray(samples, np.float32)
        count, channels, length = rows.shape
        series = np.ascontiguousarray(rows.transpose(0, 2, 1)).reshape(count * length, channels)
        windows = cls(series, np.arange(count) * length, length)
        windows.separate = True
        return windows

    def thinned(self, most: int) -> Windows:
        """At most `most` of these windows, evenly spaced, and at least one."""
        kept = np.linspace(0, len(self) - 1, max(1, min(len(self), most))).round().astype(np.int64)
        return Windows(self.series, self.starts[np.unique(kept)], self.length)

    def every_shift(self) -> Windows:
        """The windows at every step, for a method that compares samples at any shift, in the order of their starts.

        Only what lies between two of these windows that overlap or touch is added, so no step is shown that they don't
        show: held-out windows stay held out. Separate samples have no shifts between them.
        """
        if self.separate:
            return self
        starts = np.unique(self.starts)
        joined = np.diff(starts) <= self.length
        change = np.zeros(starts[-1] + 2, dtype=np.int64)
        change[starts[:-1][joined]] += 1
        change[starts[1:][joined]] -= 1
        shown = np.cumsum(change) > 0
        shown[starts] = True
        return Windows(self.series, np.flatnonzero(shown), self.length)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: Any) -> Array:
        return np.asarray(self._view[self.starts[index]], dtype=np.float32)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype=dtype)
