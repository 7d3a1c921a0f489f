"""Area under the ROC curve of anomaly maps by their largest 5%, in place of the method's own score.

A method whose score is the mean of its whole map can be read otherwise without training it again: a small anomaly
fills a small part of the map. On development data neither reading is better throughout. Cost: two sorts.
"""

from __future__ import annotations

import numpy as np

from anomark.contracts import Array
from anomark.statistics.context import Context
from anomark.statistics.ranking import auroc

NAME = "Area under the ROC curve of the mean of the largest 5% of each sample's anomaly map"
LABEL = "AUROC, top 5%"
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
SOURCE = "Fawcett 2006, An introduction to ROC analysis, Pattern Recognition Letters 27"
NOTE = "of the anomaly map, in place of the method's own score"
NEEDS = ("largest",)


def compute(labels: Array, scores: Array, context: Context) -> float:
    """AUROC of `context.largest`, which labels (N,) or (T,) belong to; NaN if one class is missing."""
    return auroc(labels, np.asarray(context.largest))
