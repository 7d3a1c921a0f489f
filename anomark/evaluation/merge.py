"""How scores of windows become scores of points: the only place where that is done."""

from __future__ import annotations

import numpy as np

from anomark.contracts import Array


def merge_windows(values: Array, starts: Array, length: int, steps: int) -> Array:
    """For every step the mean of the values of the windows that cover it.

    Args:
        values: (N,), one value per window, or (N, L), one per step of each window.
        starts: (N,) first step of each window, any order.
        length: window length L.
        steps: T, the length of the series.

    Returns:
        float64 (T,); NaN where no window covers a step.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 1:
        values = np.broadcast_to(values[:, None], (len(values), length))
    order = np.argsort(starts, kind="stable")  # summation order, and so the last bit, is fixed
    index = np.asarray(starts)[order, None] + np.arange(length)
    total = np.bincount(index.ravel(), weights=values[order].ravel(), minlength=steps)
    count = np.bincount(index.ravel(), minlength=steps)
    with np.errstate(invalid="ignore"):
        return total / np.where(count, count, np.nan)
