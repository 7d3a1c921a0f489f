"""Anomalies of a series as events: the runs of a binary vector, and what a score calls at falling thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from anomark.contracts import Array


def events(binary: Array) -> tuple[Array, Array]:
    """First step of every run of ones and the step after its last one, both int (E,), increasing."""
    edges = np.diff(np.concatenate([[0], np.asarray(binary, dtype=np.int8), [0]]))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def calls(scores: Array, thresholds: int = 50) -> Iterator[Array]:
    """What is called anomalous, bool (T,), at thresholds that let through 1 to all T steps in a geometric series.

    Anomalies are rare, so most of the thresholds lie where few steps are called.
    """
    falling = np.sort(scores)[::-1]
    ranks = np.geomspace(1, len(scores), thresholds).round().astype(int) - 1
    for threshold in np.unique(falling[ranks])[::-1]:
        yield scores >= threshold


def best_f1(measure: Callable[[Array, Array], tuple[float, float, float]], labels: Array, scores: Array) -> float:
    """The highest F1 of `measure(labels, called) -> (precision, recall, F1)` over the thresholds of `calls`.

    An oracle threshold, chosen on the labels; NaN if one class is missing.
    """
    if not np.any(labels) or np.all(labels):
        return float("nan")
    return max(measure(labels, called)[2] for called in calls(scores))


def f1(precision: float, recall: float) -> float:
    """Harmonic mean; 0 where nothing was called (the precision is NaN) or nothing found."""
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
