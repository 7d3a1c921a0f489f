"""What stands out by scores alone: what several methods together score highest, and how far a stretch of it reaches."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from anomark.contracts import Array

#: What the tables call all methods together.
CONSENSUS = "consensus"
#: So many samples or stretches are named of each method at most, and so many samples at least.
MOST, FEWEST = 10, 3
#: A stretch is named where its peak has this share of the height of the highest one at least.
LOWEST = 0.1


def consensus(scores: Mapping[str, Array]) -> Array:
    """The mean over methods of how high a score lies between the method's median, 0, and its highest, 1: (N,).

    What lies below the median counts as 0.
    """
    heights = []
    for values in scores.values():
        middle = np.median(values)
        heights.append(np.clip(values - middle, 0, None) / max(values.max() - middle, np.finfo(np.float64).tiny))
    return np.mean(heights, axis=0)


def highest(scores: Array, window: int | None = None) -> Array:
    """What scores highest, best first: its first and last place, both included, as int (n, 2).

    Args:
        scores: (N,) of samples, of which a fifth is named at most, but three in any case; or of the steps of a series,
            where `window` is the length of its windows. A stretch of a series reaches from its peak to half of the
            height above the median, but one window at most to either side, and another one begins half a window
            further on. Peaks below a tenth of the highest one are left out.
    """
    if window is None:
        count = min(MOST, max(FEWEST, len(scores) // 5))
        return np.repeat(np.argsort(-scores, kind="stable")[:count, None], 2, axis=1)
    middle, left = np.median(scores), np.array(scores, np.float64)
    lowest = middle + LOWEST * (left.max() - middle)
    found: list[tuple[int, int]] = []
    while len(found) < MOST and left.max() > lowest:
        peak = int(left.argmax())
        if scores[max(0, peak - 1) : peak + 2].max() > scores[peak]:  # the slope of one that is found
            left[peak] = -np.inf
            continue
        high = left >= (scores[peak] + middle) / 2
        before, after = high[max(0, peak - window) : peak][::-1], high[peak + 1 : peak + 1 + window]
        first, last = peak - int(np.cumprod(before).sum()), peak + int(np.cumprod(after).sum())
        found.append((first, last))
        left[max(0, first - window // 2) : last + window // 2 + 1] = -np.inf
    return np.array(found, int).reshape(-1, 2)
