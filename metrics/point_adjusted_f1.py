"""Point-adjusted F1: an anomaly counts as found as a whole if a single one of its points is found.

A random score does well on long anomalies, as Kim et al. 2022 show ("Towards a rigorous evaluation of time-series
anomaly detection", AAAI). So the value is printed beside the one of the random control. Cost: one sort.
"""

from __future__ import annotations

import numpy as np

from anomark.contracts import Array
from anomark.statistics.context import Context
from anomark.statistics.events import events
from anomark.statistics.ranking import f1_max

NAME = "Point-adjusted F1"
LABEL = "Point-adjusted F1"
LEVELS = ("point",)
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
FLATTERING = True
SOURCE = "Xu et al. 2018, Unsupervised anomaly detection via variational auto-encoder (Donut), WWW, section 4.2"
NOTE = "at the best threshold, which is chosen on the labels"


def compute(labels: Array, scores: Array, context: Context) -> float:
    """F1 of the steps (T,) at the best of all thresholds after adjustment; NaN if one class is missing.

    At any threshold the adjusted calls are those of a score that has each anomaly's highest value at all its points.
    """
    adjusted = np.array(scores, dtype=np.float64)
    for first, stop in zip(*events(labels), strict=True):
        adjusted[first:stop] = adjusted[first:stop].max()
    return f1_max(labels, adjusted)
