"""Point-adjusted F1: an anomaly counts as found as a whole if a single one of its points is.

Range [0, 1], higher is better. A random score does well on long anomalies (Kim et al. 2022, "Towards a rigorous
evaluation of time-series anomaly detection", AAAI), so it stands beside the random control's own only.
Source: Xu et al. 2018 ("Donut"), section 4.2. Cost: one sort.
"""

from __future__ import annotations

import numpy as np

from anomark.contracts import Array
from anomark.statistics.events import events
from anomark.statistics.ranking import f1_max


def point_adjusted_f1(labels: Array, scores: Array) -> float:
    """F1 at the best of all thresholds (oracle threshold) after adjustment; NaN if one class is missing.

    At any threshold the adjusted calls are those of a score that has each anomaly's highest value at all its points.
    """
    adjusted = np.array(scores, dtype=np.float64)
    for first, stop in zip(*events(labels), strict=True):
        adjusted[first:stop] = adjusted[first:stop].max()
    return f1_max(labels, adjusted)
