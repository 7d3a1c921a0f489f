"""The score of the Numenta Anomaly Benchmark: early detections inside a window earn most, and false alarms cost.

A detection at the relative position r of its window, where -1 is the first step and 0 the one behind the window, earns
2 / (1 + exp(5 r)) - 1; only the earliest one in a window counts. A false alarm costs the same function of its distance
behind the last window, times a weight of the profile. A window without a detection costs another weight of the profile.
A perfect detector has 100. One that never fires has 0, and since never firing is among the thresholds, no score is
lower.

The weights are those of the benchmark's profiles. Two things differ, so the values can't be compared with the
benchmark's scoreboard. The score of a point comes from windows that look ahead in time. And the threshold is the best
one of each stream (an oracle threshold), where the benchmark takes one for all of its streams. Cost: one sort.
"""

from __future__ import annotations

import numpy as np

from anomark.contracts import Array
from anomark.statistics.context import Context
from anomark.statistics.events import events

NAME = "Score of the Numenta Anomaly Benchmark"
LABEL = "NAB"
LEVELS = ("point",)
RANGE = (0.0, 100.0)
HIGHER_IS_BETTER = True
SOURCE = "Lavin and Ahmad 2015, Evaluating real-time anomaly detection algorithms, ICMLA"
NOTE = (
    "at the best threshold, which is chosen on the labels; 0 is a detector that never fires; not comparable with the "
    "benchmark's scoreboard, since the scores of points look ahead"
)
OUTPUTS = {
    "nab_standard": {"LABEL": "NAB, standard"},
    "nab_low_fp": {"LABEL": "NAB, low FP"},
    "nab_low_fn": {"LABEL": "NAB, low FN"},
}
#: Profile -> cost of a false alarm far from any window, cost of a missed window.
PROFILES = {"standard": (0.11, 1.0), "low_fp": (0.22, 1.0), "low_fn": (0.11, 2.0)}


def compute(labels: Array, scores: Array, context: Context) -> dict[str, float]:
    """The score of the steps (T,) under each profile; NaN if one class is missing."""
    return {f"nab_{profile}": nab_score(labels, scores, profile) for profile in PROFILES}


def nab_score(labels: Array, scores: Array, profile: str = "standard") -> float:
    """NAB score of one stream, in [0, 100], at its best threshold.

    Args:
        labels: (T,) 1 inside the labelled windows; windows that touch are one.
        scores: (T,), higher = more anomalous.
        profile: a key of PROFILES.

    Returns:
        NaN where no window is labelled, or every step is.
    """
    false_alarm, missed = PROFILES[profile]
    first, stop = events(labels)
    if not len(first) or np.all(labels):
        return float("nan")
    earned = _position_value(len(scores), first, stop)
    earned[np.asarray(labels) == 0] *= false_alarm

    order = np.argsort(-np.asarray(scores), kind="stable")
    gain = earned[order]
    window = np.searchsorted(first, order, "right") - 1
    inside = np.asarray(labels, dtype=bool)[order]
    for index in range(len(first)):
        # Of the detections in a window only the best so far counts; the first one also saves the cost of a miss.
        mine = np.flatnonzero(inside & (window == index))
        gain[mine] = np.diff(np.maximum.accumulate(gain[mine]), prepend=-missed)
    total = np.cumsum(gain)
    falling = np.asarray(scores)[order]
    thresholds = np.append(falling[1:] != falling[:-1], True)  # equal scores are called together
    best = max(0.0, float(total[thresholds].max()))
    return 100 * best / (len(first) * (1 + missed))


def _position_value(steps: int, first: Array, stop: Array) -> Array:
    """(T,) What a detection at each step earns inside of windows and costs outside of them, at most 1 in size."""
    step = np.arange(steps)
    window = np.searchsorted(first, step, "right") - 1
    width = stop - first
    begun = window >= 0
    inside = begun & (step < stop[window])
    value = np.full(steps, -1.0)  # before the first window
    value[inside] = _sigmoid((step - stop[window])[inside] / width[window[inside]]) / _sigmoid(np.array(-1.0))
    behind = begun & ~inside
    past = (step - stop[window] + 1)[behind] / np.maximum(width[window[behind]] - 1, 1)
    value[behind] = np.where(past < 3, _sigmoid(past), -1.0)
    return value


def _sigmoid(position: Array) -> Array:
    return -np.tanh(2.5 * position)  # 2 / (1 + exp(5 r)) - 1 without overflow
