"""Prepares long series: finds their period, standardises them, and sets window and stride."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.signal import correlate, find_peaks

from anomark.contracts import Array, Columns, DataError, Prepared
from anomark.data.streamed import BLOCK, blocks, stored

#: Longest period looked for, in steps: the longest window that the suite cuts from a series of unknown period.
LONGEST_PERIOD = 512
#: How far a peak of the autocorrelation must rise above its surroundings, and the same in standard errors of white
#: noise's autocorrelation (1 / sqrt(T)): from valley to peak, noise stays below 7 of them over some hundred lags.
PROMINENCE, NOISE_PROMINENCE = 0.1, 7.0


@dataclass
class InjectedSeries(Prepared):
    """A series without labels of its own, whose test part was given anomalies by a published, seeded recipe.

    left_out
        bool (T,), True where the owner's own data is in doubt: such steps of `test` are not scored.
    recipe
        JSON values: what was injected where, and with which parameters. It is stored beside the labels.
    """

    left_out: Array = field(default_factory=lambda: np.empty(0, dtype=bool))
    recipe: dict[str, Any] = field(default_factory=dict)


def autocorrelation_period(values: Array) -> int | None:
    """Lag, in steps, of the highest prominent peak of the autocorrelation.

    Args:
        values: (T,); lags up to min(T/2, 512) are looked at. The biased estimate favours the shortest of equal periods.

    Returns:
        None where no peak has a prominence of max(0.1, 7 / sqrt(T)): constant, drift, noise.
    """
    steps = len(values)
    longest = min(steps // 2, LONGEST_PERIOD)
    correlation = _autocorrelation(values, longest + 1)
    if correlation[0] == 0:
        return None
    correlation /= correlation[0]
    # Negative lags are kept, so that the valleys beside lag 0 count as surroundings; a peak needs both neighbours.
    lags = np.arange(-longest - 1, longest + 2)
    prominence = max(PROMINENCE, NOISE_PROMINENCE / np.sqrt(steps))
    peaks = lags[find_peaks(correlation[abs(lags)], prominence=prominence)[0]]
    peaks = peaks[peaks > 0]
    return int(peaks[np.argmax(correlation[peaks])]) if len(peaks) else None


def _autocorrelation(values: Array, most: int) -> Array:
    """Sums over t of (x_t - mean) (x_t+k - mean) for lags k = 0 to `most`: float64 (most + 1,)."""
    mean, out = np.mean(values, dtype=np.float64), np.zeros(most + 1)
    for start in range(0, len(values), BLOCK):
        later = values[start : start + BLOCK + most] - mean
        earlier = later[:BLOCK]
        products = correlate(later, earlier, method="fft")[len(earlier) - 1 :][: most + 1]
        out[: len(products)] += products
    return out


def _means(values: Array) -> Array:
    """Mean of every channel of (T, C): float64 (C,), to the same bit however the channels lie in memory."""
    return np.array([channel.mean(dtype=np.float64) for channel in values.T])


def prepare_series(
    train: Array, test: Array, labels: Array | None, window: int, stride_divisor: int, source: str, **fields: Any
) -> Prepared:
    """A labelled series, standardised by its training part and ready to be cut into windows.

    Args:
        train, test: (T, C), the training part normal; in memory or in a file, and read a block at a time.
        labels: (T,) of the test part, 0 normal, 1 anomalous, or None where nobody knows.
        window: window length L in steps; the stride is L / `stride_divisor`, at least 1.
        source: file name for error messages.
        fields: other fields of `Prepared`. Mean and deviation are added to `columns`.

    Raises:
        DataError: window or stride is no length, a part is shorter than a window, a value is not finite, the series
            never changes, or the labels hold one class only.
    """
    if not all(isinstance(steps, int) and steps >= 1 for steps in (window, stride_divisor)):
        raise DataError(
            f"{source}: window is {window!r} and stride_divisor {stride_divisor!r}, expected whole numbers from 1 on; "
            "mend dataset_params"
        )
    for name, part in (("training", train), ("test", test)):
        if len(part) < window:
            raise DataError(
                f"{source}: the {name} part has {len(part)} steps, one window needs {window}; "
                "shorten the window in dataset_params"
            )
        if not all(np.isfinite(block).all() for block in blocks(part)):
            raise DataError(f"{source}: the {name} part holds NaN or infinite values; put numbers in their place")
    if all((block == train[0]).all() for part in (train, test) for block in blocks(part)):
        raise DataError(f"{source}: a constant series, so there is nothing to detect; leave it out")
    if labels is not None and labels.min() == labels.max():
        kind = "an anomaly" if labels.max() == 0 else "normal"
        raise DataError(f"{source}: undefined: one class; no step of the test part is labelled {kind}, leave it out")
    mean = _means(train)
    std = np.sqrt(_means(stored(np.square(block - mean) for block in blocks(train))))
    std[std == 0] = 1  # a constant channel is only centred
    columns = replace(fields.pop("columns", Columns()), mean=tuple(mean.tolist()), scale=tuple(std.tolist()))
    choices = (*fields.pop("choices", ()), "standardised by mean and standard deviation of the training part")
    return Prepared(
        train=stored(((block - mean) / std).astype(np.float32) for block in blocks(train)),
        test=stored(((block - mean) / std).astype(np.float32) for block in blocks(test)),
        labels=None if labels is None else labels.astype(np.uint8),
        window=window,
        stride=max(1, window // stride_divisor),
        columns=columns,
        choices=choices,
        **fields,
    )
