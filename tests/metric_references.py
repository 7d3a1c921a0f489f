"""The metrics by their definitions, one pair, threshold, region or anomaly at a time: slow, and easy to check."""

from __future__ import annotations

import math

import numpy as np
from skimage.measure import label


def auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Share of pairs of an anomalous and a normal row that are ranked right, ties half."""
    gap = scores[labels == 1][:, None] - scores[labels == 0][None]
    return float((gap > 0).mean() + 0.5 * (gap == 0).mean())


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Over falling thresholds, recall gained times precision."""
    total, recall = 0.0, 0.0
    for threshold in np.unique(scores)[::-1]:
        called = scores >= threshold
        reached = labels[called].sum() / labels.sum()
        total += (reached - recall) * labels[called].mean()
        recall = reached
    return float(total)


def f1_max(labels: np.ndarray, scores: np.ndarray) -> float:
    called = [scores >= threshold for threshold in np.unique(scores)]
    return float(max(2 * (labels * c).sum() / (labels.sum() + c.sum()) for c in called))


def aupro(masks: np.ndarray, maps: np.ndarray, limit: float) -> float:
    regions = []
    for mask, map_ in zip(masks, maps, strict=True):
        numbered = label(mask, connectivity=2)
        regions += [map_[numbered == k] for k in range(1, numbered.max() + 1)]
    thresholds = np.unique(maps)[::-1]
    fpr = np.array([0.0, *((maps[~masks] >= t).mean() for t in thresholds)])
    pro = np.array([0.0, *(np.mean([(region >= t).mean() for region in regions]) for t in thresholds)])
    at = np.append(fpr[fpr < limit], limit)
    # np.interp would take the wrong end of a vertical step at 0, so the points left of the limit are kept as they are.
    last = (fpr < limit).sum()
    share = (limit - fpr[last - 1]) / (fpr[last] - fpr[last - 1])
    heights = np.append(pro[:last], pro[last - 1] + share * (pro[last] - pro[last - 1]))
    return float(np.trapezoid(heights, at)) / limit


def runs(binary: np.ndarray) -> list[tuple[int, int]]:
    """First step of each run of ones and the step behind it."""
    found: list[tuple[int, int]] = []
    for t in map(int, np.flatnonzero(binary)):
        if found and found[-1][1] == t:
            found[-1] = (found[-1][0], t + 1)
        else:
            found.append((t, t + 1))
    return found


def range_auc(labels: np.ndarray, scores: np.ndarray, buffer: int) -> tuple[float, float]:
    """ROC and PR area with anomalies widened by one buffer: a slice of VUS."""
    n, half = len(labels), buffer // 2
    widened = labels.astype(float)
    for first, stop in runs(labels):
        for d in range(1, half + 1):
            for t in (first - d, stop - 1 + d):
                if 0 <= t < n:
                    widened[t] += np.sqrt(1 - d / buffer)
    widened = np.minimum(widened, 1)
    joined: list[list[int]] = []
    for first, stop in runs(labels):
        if joined and first - half < joined[-1][1]:
            joined[-1][1] = stop + half
        else:
            joined.append([first - half, stop + half])
    curve, area = [(0.0, 0.0)], 0.0
    for threshold in np.sort(scores)[::-1][np.linspace(0, n - 1, 250).astype(int)]:
        predicted = scores >= threshold
        positives = labels.sum() + (widened * predicted)[labels == 0].sum() / 2
        hit = (widened * predicted).sum()
        existence = np.mean([predicted[max(a, 0) : b].any() for a, b in joined])
        recall = min(hit / positives, 1) * existence
        area += (recall - curve[-1][1]) * hit / predicted.sum()
        curve.append(((predicted.sum() - hit) / (n - positives), recall))
    x, y = np.array([*curve, (1.0, 1.0)]).T
    return float(np.trapezoid(y, x)), area


def affiliation(labels: np.ndarray, called: np.ndarray) -> tuple[float, float]:
    """Precision and recall."""
    anomalies, steps = runs(labels), len(labels)
    precisions, recalls = [], []
    for k, (first, stop) in enumerate(anomalies):
        low = (anomalies[k - 1][1] + first) / 2 if k else 0.0
        high = (stop + anomalies[k + 1][0]) / 2 if k + 1 < len(anomalies) else float(steps)
        mine = [(max(a, low), min(b, high)) for a, b in runs(called) if min(b, high) > max(a, low)]

        def farther(x: float, y: tuple[float, float], low: float = low, high: float = high) -> float:
            """Share of the zone that is at least as far from the interval y as x is."""
            d = max(y[0] - x, x - y[1], 0)
            return 1 - (min(high, y[1] + d) - max(low, y[0] - d)) / (high - low) if d else 1.0

        # The integrands are linear between multiples of 1/4.
        grid = (np.arange(8 * steps) + 0.5) / 8
        inside = [x for x in grid if any(a < x < b for a, b in mine)]
        if inside:
            precisions.append(np.mean([farther(x, (first, stop)) for x in inside]))
        recall = []
        for y in grid[(grid > first) & (grid < stop)]:
            d = min((max(a - y, y - b, 0) for a, b in mine), default=math.inf)
            recall.append(1 - (min(high, y + d) - max(low, y - d)) / (high - low))
        recalls.append(np.mean(recall))
    return float(np.mean(precisions)) if precisions else math.nan, float(np.mean(recalls))
