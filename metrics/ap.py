"""Average precision: the area under the precision-recall curve, summed in steps of recall.

A score that knows nothing has about the share of anomalous samples, so values of datasets with different shares do
not compare. Cost: one sort.
"""

from __future__ import annotations

from anomark.contracts import Array
from anomark.statistics.context import Context
from anomark.statistics.ranking import average_precision

NAME = "Average precision"
LABEL = "AP"
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
SOURCE = "Davis and Goadrich 2006, The relationship between precision-recall and ROC curves, ICML"


def compute(labels: Array, scores: Array, context: Context) -> float:
    """Average precision of (N,) labels and scores, or of the steps of a series; NaN if one class is missing."""
    return average_precision(labels, scores)
