"""Area under the per-region-overlap curve: how well anomaly maps find whole defects, large and small alike.

Each defect counts the same, however many pixels it has. Cost: one sort of the normal pixels.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from anomark.contracts import Array
from anomark.statistics.context import Context

NAME = "Area under the per-region-overlap curve"
LABEL = "AUPRO"
LEVELS = ("pixel",)
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
SOURCE = "Bergmann et al. 2021, The MVTec anomaly detection dataset, IJCV 129, section 5.1.3"
NOTE = "up to 30% false positives"

#: Pixels that touch at an edge or a corner belong to one region; images are never joined.
_NEIGHBOURS = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])


def compute(labels: Array, scores: Array, context: Context) -> float:
    """AUPRO of masks and maps (N, H, W) up to 30% false positives; NaN if no pixel is anomalous or none normal."""
    return aupro(labels, scores)


def aupro(masks: Array, maps: Array, limit: float = 0.3) -> float:
    """Area under the per-region-overlap curve up to a false-positive rate, divided by that rate (AUPRO).

    PRO is the share of a defect's pixels above the threshold, averaged over the defects (8-connected regions of the
    masks); it is drawn over the share of normal pixels of all images that are above it too. Points of equal score are
    joined by a line. Range [0, 1], higher is better; `limit` / 2 for a random map.

    Args:
        masks: bool (N, H, W), the defects.
        maps: (N, H, W), higher = more anomalous.
        limit: largest false-positive rate, in (0, 1].

    Returns:
        NaN where no pixel is anomalous or none is normal.
    """
    masks = np.asarray(masks, dtype=bool)
    if masks.all() or not masks.any():
        return float("nan")
    region = ndimage.label(masks, _NEIGHBOURS)[0][masks] - 1
    scores = np.asarray(maps)[masks]
    order = np.argsort(scores)  # neighbours in value are neighbours in memory for the searches below
    region, scores = region[order], scores[order]

    # A defect's pixel is found from the false-positive rate `above` on, in a ramp up to `reached` where normal pixels
    # share its score; what of that lies left of the limit is its part of the area.
    normal = np.sort(np.asarray(maps)[~masks])
    above, reached = (1 - np.searchsorted(normal, scores, side) / len(normal) for side in ("right", "left"))
    beyond, within = np.maximum(limit - reached, 0), np.maximum(limit - above, 0)
    ramp = reached - above
    # Mean height of the ramp over its part left of the limit, times that part's width.
    on_ramp = np.divide((within - beyond) ** 2, 2 * ramp, out=np.zeros_like(ramp), where=ramp > 0)
    return float((np.bincount(region, (beyond + on_ramp) / limit) / np.bincount(region)).mean())
