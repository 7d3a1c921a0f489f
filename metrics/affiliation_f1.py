"""Affiliation F1: how near calls and anomalies are in time, compared with calls at random.

Time is cut into zones, one for each anomaly, which hold the points nearest to it. The precision of a zone looks at each
called point: it is the probability that a point drawn at random from the zone lies farther from the anomaly than the
called one, averaged over the called points. The recall of a zone looks at each point of the anomaly: it is the
probability that a point drawn at random lies farther away from it than the nearest call, averaged over the anomaly.
Recall is then averaged over all zones, and precision over those with a call.

Calling every point has recall 1 and a precision of about 0.5, so an F1 near 2/3 costs nothing. Read the value beside
the one of the random control. The F1 is the best of 50 thresholds. A step t is the interval [t, t + 1). Cost: linear in
the number of steps.
"""

from __future__ import annotations

import numpy as np

from anomark.contracts import Array
from anomark.statistics.context import Context
from anomark.statistics.events import best_f1, events, f1

NAME = "Affiliation F1"
LABEL = "Affiliation F1"
LEVELS = ("point",)
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
FLATTERING = True
SOURCE = "Huet et al. 2022, Local evaluation of time series anomaly detection algorithms, KDD"
NOTE = "at the best threshold, which is chosen on the labels"


def compute(labels: Array, scores: Array, context: Context) -> float:
    """Affiliation F1 of the steps (T,) at the best threshold; NaN if one class is missing."""
    return best_f1(affiliation, labels, scores)


def affiliation(labels: Array, called: Array) -> tuple[float, float, float]:
    """Precision, recall and F1 of binary calls.

    Args:
        labels: (T,) 0 normal, 1 anomalous.
        called: (T,) bool.

    Returns:
        Precision is NaN and F1 0 where nothing is called; all are NaN where nothing is anomalous.
    """
    first, stop = events(labels)
    if not len(first):
        return float("nan"), float("nan"), float("nan")
    called = np.asarray(called, dtype=bool)
    middle = (stop[:-1] + first[1:]) / 2
    low, high = np.concatenate([[0.0], middle]), np.concatenate([middle, [float(len(called))]])
    precision, recall = _precision(first, stop, low, high, called), _recall(first, stop, low, high, called)
    return precision, recall, f1(precision, recall)


# The integrands are linear between multiples of 1/2 (precision) and 1/4 (recall): borders of zones are multiples of
# 1/2, and the middle of a zone, or of a call and a border, of 1/4. So the midpoint rule on that grid is exact.


def _precision(first: Array, stop: Array, low: Array, high: Array, called: Array) -> float:
    at = (np.flatnonzero(called)[:, None] + (0.25, 0.75)).ravel()
    zone = np.searchsorted(high, at)
    before, after = first[zone] - at, at - stop[zone]
    distance = np.maximum(np.maximum(before, after), 0)
    nearer = np.minimum(high[zone], stop[zone] + distance) - np.maximum(low[zone], first[zone] - distance)
    farther = np.where(distance > 0, 1 - nearer / (high - low)[zone], 1.0)
    points = np.bincount(zone, minlength=len(first))
    hit = points > 0
    return float((np.bincount(zone, farther, minlength=len(first))[hit] / points[hit]).mean()) if hit.any() else np.nan


def _recall(first: Array, stop: Array, low: Array, high: Array, called: Array) -> float:
    length = stop - first
    zone = np.repeat(np.arange(len(first)), length)
    step = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length) + first[zone]
    calls = np.concatenate([[-np.inf], np.flatnonzero(called), [np.inf]])
    # The last step called up to this one and the first one from it on, if the zone holds a part of them.
    last = calls[np.searchsorted(calls, step, "right") - 1] + 1
    following = calls[np.searchsorted(calls, step)]
    last, following = np.where(last > low[zone], last, -np.inf), np.where(following < high[zone], following, np.inf)
    at = step[:, None] + (np.arange(4) + 0.5) / 4
    distance = np.minimum(at - last[:, None], following[:, None] - at)  # infinite where the zone holds no call
    distance[called[step]] = 0
    left, right = low[zone, None], high[zone, None]
    nearer = np.minimum(right, at + distance) - np.maximum(left, at - distance)
    farther = 1 - nearer / (right - left)
    return float((np.bincount(zone, farther.mean(axis=1)) / length).mean())
