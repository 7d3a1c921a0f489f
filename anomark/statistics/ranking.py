"""How well scores rank anomalous above normal: AUROC, average precision, best F1; all in [0, 1], higher is better.

A score that knows nothing has an AUROC of 0.5 and an average precision of about a, the share of anomalous rows. Calling
every row anomalous has an F1 of 2 a / (1 + a), below which the best F1 can't fall. Where one class is missing, all
three are undefined and NaN.
Sources: Fawcett 2006 (ROC), Davis & Goadrich 2006 (precision and recall). Cost: one sort.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from anomark.contracts import Array


def auroc(labels: Array, scores: Array) -> float:
    """Area under the ROC curve, ties counted half (Mann-Whitney U / (n m)); NaN if one class is missing."""
    if not _both(labels):
        return float("nan")
    member = np.asarray(labels, dtype=bool)
    # Two plain sorts, several times faster than ordering labels by score: millions of pixels are ranked per map.
    normal, anomalous = np.sort(scores[~member]), np.sort(scores[member])
    lower, not_higher = (np.searchsorted(normal, anomalous, side) for side in ("left", "right"))
    return float((lower.sum() + not_higher.sum()) / (2 * len(normal) * len(anomalous)))


def average_precision(labels: Array, scores: Array) -> float:
    """Average precision, sum over thresholds of recall gained times precision; NaN if one class is missing."""
    return float(average_precision_score(labels, scores)) if _both(labels) else float("nan")


def f1_max(labels: Array, scores: Array) -> float:
    """F1 at the best threshold, which is chosen on the labels (an oracle threshold); NaN if one class is missing."""
    return best_threshold(labels, scores)[0]


def best_threshold(labels: Array, scores: Array) -> tuple[float, float]:
    """The best F1 and the score from which on to call for it, the lowest of several; NaN if one class is missing."""
    if not _both(labels):
        return float("nan"), float("nan")
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    best = int(np.argmax(f1[:-1]))  # the last point of the curve calls nothing
    return float(f1[best]), float(thresholds[best])


def roc_points(labels: Array, scores: Array, points: int = 200) -> tuple[Array, Array]:
    """The ROC curve (false-positive rate, true-positive rate), thinned to at most `points` corners for drawing.

    Half of them are even along the curve, half along the true-positive rate, which is recall.
    """
    fpr, tpr, _ = roc_curve(labels, scores)
    if len(fpr) > points:
        along = np.searchsorted(fpr + tpr, np.linspace(0, 2, points // 2))
        recall = np.searchsorted(tpr, np.linspace(0, 1, points // 2))
        keep = np.unique(np.concatenate([along, recall]).clip(max=len(fpr) - 1))
        fpr, tpr = fpr[keep], tpr[keep]
    return fpr, tpr


def precision_recall(fpr: Array, tpr: Array, anomalous: float) -> tuple[Array, Array]:
    """Recall and precision along a ROC curve, where a share `anomalous` of the labels is anomalous.

    Between corners a threshold is interpolated in ROC space, as precision is not linear in recall (Davis & Goadrich
    2006, section 4). The start, where nothing is called anomalous and precision is undefined, is left out.
    """
    corners = np.arange(len(fpr))
    steps = np.linspace(0, corners[-1], 4 * int(corners[-1]) + 1)[1:]
    false, recall = np.interp(steps, corners, fpr) * (1 - anomalous), np.interp(steps, corners, tpr)
    return recall, recall * anomalous / (recall * anomalous + false)


def random_band(labels: Array, independent: float = 1.0) -> tuple[float, float]:
    """The range that holds the AUROC of a random score with a probability of 95%.

    Var(AUROC) = (n + m + 1) / (12 n m) for n normal and m anomalous units (Mann-Whitney). `independent` is the number
    of labels that make one independent unit: overlapping windows of L steps, averaged, correlate over L steps.
    """
    m = max(1.0, float(labels.sum()) / independent)
    n = max(1.0, float(len(labels) - labels.sum()) / independent)
    half = 1.96 * float(np.sqrt((n + m + 1) / (12 * n * m)))
    return max(0.0, 0.5 - half), min(1.0, 0.5 + half)


def _both(labels: Array) -> bool:
    return bool(labels.any() and not labels.all())
