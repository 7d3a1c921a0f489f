"""What is called anomalous at one threshold: the false-alarm rate and recall that a user would live with.

The false-alarm rate is the share of normal labels that are called, in [0, 1]; lower is better. Recall is the share of
anomalous labels that are called, in [0, 1]; higher is better. A threshold that needs no label is a quantile of scores
of held-out normals. One that is chosen on the labels (an oracle threshold) shows what it could have been.
Source: Bates et al. 2023, "Testing for outliers with conformal p-values", Annals of Statistics 51. Cost: one sort.
"""

from __future__ import annotations

import math

import numpy as np

from anomark.contracts import Array

#: Nominal false-alarm rate. At 1% a hundred held-out normals would be needed, and most datasets have fewer.
ALPHA = 0.05


def conformal_threshold(normal: Array, alpha: float = ALPHA) -> float:
    """The lowest threshold that a new normal score reaches with probability at most `alpha`.

    It lies just above the ceil((M + 1)(1 - alpha))-th smallest of the M scores of held-out normals, and keeps its
    promise where these and the new one are exchangeable: not for points of a series, which depend on each other, nor
    for a method that was adjusted to the held-out normals.

    Args:
        normal: (M,) scores of held-out normals.
        alpha: nominal false-alarm rate, in (0, 1).

    Returns:
        NaN where M + 1 < 1 / alpha: there is no such threshold short of calling nothing.
    """
    rank = math.ceil(round((len(normal) + 1) * (1 - alpha), 9))
    if rank > len(normal):
        return float("nan")
    return float(np.nextafter(np.sort(np.asarray(normal, dtype=np.float64))[rank - 1], np.inf))


def tail_probabilities(scores: Array, normal: Array) -> Array:
    """Conformal p-values: how probable it is that a normal sample scores as high or higher.

    A new normal sample has a value of at most alpha with probability at most alpha, under the conditions that
    `conformal_threshold` names. None is below 1 / (M + 1).

    Args:
        scores: (N,) of new samples.
        normal: (M,) of held-out normals.

    Returns:
        float64 (N,) in (0, 1].
    """
    held_out = np.sort(np.asarray(normal, dtype=np.float64))
    reached = len(held_out) - np.searchsorted(held_out, np.asarray(scores, dtype=np.float64), side="left")
    return np.asarray((1 + reached) / (len(held_out) + 1))


def alarms(labels: Array, scores: Array, threshold: float) -> tuple[float, float]:
    """False-alarm rate and recall of calling what scores at least `threshold`; NaN where it, or a class, is missing."""
    labels = np.asarray(labels, dtype=bool)
    if math.isnan(threshold) or labels.all() or not labels.any():
        return float("nan"), float("nan")
    called = np.asarray(scores, dtype=np.float64) >= threshold  # float32 would round a threshold between two scores
    return float(called[~labels].mean()), float(called[labels].mean())
