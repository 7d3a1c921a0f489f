"""Area under the ROC curve: the probability that an anomalous sample scores higher than a normal one.

Ties count half, so a score that knows nothing has 0.5. The area does not depend on a threshold or on how rare
anomalies are. Cost: two sorts.
"""

from __future__ import annotations

from anomark.contracts import Array
from anomark.statistics.context import Context
from anomark.statistics.ranking import auroc

NAME = "Area under the ROC curve"
LABEL = "AUROC"
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
SOURCE = "Fawcett 2006, An introduction to ROC analysis, Pattern Recognition Letters 27"


def compute(labels: Array, scores: Array, context: Context) -> float:
    """AUROC of (N,) labels and scores, or of the steps of a series; NaN if one class is missing."""
    return auroc(labels, scores)
