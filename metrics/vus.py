"""Volume under the surface: AUROC and average precision of ranges, with labels that fade out around each anomaly.

For every buffer w from 0 to the window, the label at a distance d <= w / 2 from an anomaly is sqrt(1 - d / w). Recall
is weighted by the share of anomalies that are hit at all. Both areas are averaged over the buffers. At w = 0, with one
anomaly, they are near the AUROC and the average precision of points. The 250 thresholds are the authors' choice, and
the largest buffer is one window. Cost: buffers x thresholds x points near an anomaly, as one matrix product.
"""

from __future__ import annotations

import numpy as np

from anomark.contracts import Array
from anomark.statistics.context import Context
from anomark.statistics.events import events

NAME = "Volume under the surface"
LABEL = "VUS"
LEVELS = ("point",)
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
SOURCE = "Paparrizos et al. 2022, Volume under the surface, VLDB 15(11)"
NEEDS = ("window",)
NOTE = "buffers of up to one window"
OUTPUTS = {"vus_roc": {"LABEL": "VUS-ROC"}, "vus_pr": {"LABEL": "VUS-PR"}}
THRESHOLDS = 250


def compute(labels: Array, scores: Array, context: Context) -> dict[str, float]:
    """VUS-ROC and VUS-PR of the steps (T,), with buffers of 0 to `context.window`; NaN if one class is missing."""
    assert context.window is not None
    roc, pr = vus(labels, scores, context.window)
    return {"vus_roc": roc, "vus_pr": pr}


def vus(labels: Array, scores: Array, window: int, thresholds: int = THRESHOLDS) -> tuple[float, float]:
    """VUS-ROC and VUS-PR.

    Args:
        labels: (T,) 0 normal, 1 anomalous.
        scores: (T,), higher = more anomalous.
        window: largest buffer in steps, half of it on each side of an anomaly.
        thresholds: number of thresholds, at evenly spaced ranks of the scores.

    Returns:
        (NaN, NaN) if one class is missing.
    """
    roc, pr = range_auc(labels, scores, np.arange(window + 1), thresholds)
    return float(roc.mean()), float(pr.mean())


def range_auc(labels: Array, scores: Array, buffers: Array, thresholds: int = THRESHOLDS) -> tuple[Array, Array]:
    """Range-AUC-ROC (W,) and Range-AUC-PR (W,) for each buffer w of `buffers` (W,): the slices of the volume."""
    labels, scores = np.asarray(labels, dtype=bool), np.asarray(scores, dtype=np.float64)
    buffers = np.asarray(buffers)
    if labels.all() or not labels.any():
        return np.full(len(buffers), np.nan), np.full(len(buffers), np.nan)
    ordered = np.sort(scores)
    threshold = ordered[::-1][np.linspace(0, len(scores) - 1, thresholds).astype(int)]  # (J,) falling
    predicted = len(scores) - np.searchsorted(ordered, threshold)  # (J,) points at or above each threshold
    core = labels.sum() - np.searchsorted(np.sort(scores[labels]), threshold)

    first, last = events(labels)
    last = last - 1
    near, weight = _fading(labels, first, last, buffers)
    buffer = weight @ (scores[near][:, None] >= threshold)  # (W, J) widened label found outside the anomalies
    hit = core + buffer
    # Half of the found buffer joins the positives, so that recall is neither too easy nor out of reach.
    positives = labels.sum() + buffer / 2
    existence = {h: _existence(scores, first, last, h, threshold) for h in np.unique(buffers // 2)}
    recall = np.minimum(hit / positives, 1) * np.array([existence[h] for h in buffers // 2])
    false_alarms = (predicted - hit) / (len(scores) - positives)
    precision = hit / predicted

    zero, one = np.zeros((len(buffers), 1)), np.ones((len(buffers), 1))
    roc = np.trapezoid(np.hstack([zero, recall, one]), np.hstack([zero, false_alarms, one]), axis=1)
    pr = (np.diff(recall, axis=1, prepend=0) * precision).sum(axis=1)
    return roc, pr


def _fading(labels: Array, first: Array, last: Array, buffers: Array) -> tuple[Array, Array]:
    """The steps outside anomalies that a buffer reaches, (M,), and their widened labels, (W, M)."""
    near = np.flatnonzero(~labels)
    after, before = np.searchsorted(last, near), np.searchsorted(first, near)  # anomalies ended, begun, before a step
    far = len(labels) + int(buffers.max())  # out of every buffer
    ends, starts = np.concatenate([[-far, -far], last]), np.concatenate([first, [2 * far, 2 * far]])
    distances = [near - ends[after + 1], near - ends[after], starts[before] - near, starts[before + 1] - near]
    closest, second = np.sort(distances, axis=0)[:2]
    kept = closest <= buffers.max() // 2
    near, closest, second = near[kept], closest[kept], second[kept]
    half = (buffers // 2)[:, None]
    faded = np.sqrt(np.maximum(1 - closest / np.maximum(buffers, 1)[:, None], 0)) * (closest <= half)
    # Two buffers that overlap add up to 2 sqrt(1/2) or more, and a label is at most 1.
    return near, np.where(second <= half, 1.0, faded)


def _existence(scores: Array, first: Array, last: Array, half: int, threshold: Array) -> Array:
    """Share of anomalies, widened by `half` on both sides and joined where they meet, that each threshold hits."""
    apart = last[:-1] + half < first[1:] - half
    start = np.maximum(first[np.concatenate([[True], apart])] - half, 0)
    stop = last[np.concatenate([apart, [True]])] + half + 1
    peaks = np.sort([scores[a:b].max() for a, b in zip(start, stop, strict=True)])
    return 1 - np.searchsorted(peaks, threshold) / len(peaks)
