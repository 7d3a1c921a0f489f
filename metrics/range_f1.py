"""Range-based F1: how well called ranges overlap with anomalous ones, where each range counts once.

The reward of a range is the share of it that is covered, divided by the number of ranges that cover it. Precision is
the mean reward of the called ranges, and recall that of the anomalous ones. Every position in a range weighs the same
(flat bias), and a range has no reward for being touched at all (alpha 0). The F1 is the best of 50 thresholds. Cost:
linear in the number of steps.
"""

from __future__ import annotations

import numpy as np

from anomark.contracts import Array
from anomark.statistics.context import Context
from anomark.statistics.events import best_f1, events, f1

NAME = "Range-based F1"
LABEL = "Range F1"
LEVELS = ("point",)
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
SOURCE = "Tatbul et al. 2018, Precision and recall for time series, NeurIPS"
NOTE = "at the best threshold, which is chosen on the labels"


def compute(labels: Array, scores: Array, context: Context) -> float:
    """Range-based F1 of the steps (T,) at the best threshold; NaN if one class is missing."""
    return best_f1(range_based, labels, scores)


def range_based(labels: Array, called: Array, alpha: float = 0.0) -> tuple[float, float, float]:
    """Precision, recall and F1 of binary calls (T,); `alpha` in [0, 1] is recall's reward for existence.

    Precision is NaN where nothing is called and recall where nothing is anomalous; F1 is 0 then.
    """
    precision, recall = _reward(called, labels, 0.0), _reward(labels, called, alpha)
    return precision, recall, f1(precision, recall)


def _reward(ranges: Array, cover: Array, alpha: float) -> float:
    """Mean reward of the runs of `ranges` for being covered by the runs of `cover`."""
    first, stop = events(ranges)
    if not len(first):
        return float("nan")
    start, end = events(cover)
    pieces = np.searchsorted(start, stop) - np.searchsorted(end, first, "right")
    covered = np.concatenate([[0], np.cumsum(np.asarray(cover, dtype=bool))])
    overlap = (covered[stop] - covered[first]) / (stop - first)
    return float((alpha * (pieces > 0) + (1 - alpha) * overlap / np.maximum(pieces, 1)).mean())
