"""The highest F1 that any threshold reaches: the harmonic mean of precision and recall at the best threshold.

The threshold is chosen on the labels (an oracle threshold), so no user could reach this value. Calling every sample
anomalous has F1 2 a / (1 + a), where a is the share of anomalous samples: the highest F1 is never lower. Cost: one
sort.
"""

from __future__ import annotations

from anomark.contracts import Array
from anomark.statistics.context import Context
from anomark.statistics.ranking import f1_max

NAME = "F1 at the best threshold"
LABEL = "Best F1"
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
SOURCE = "van Rijsbergen 1979, Information Retrieval, chapter 7"
NOTE = "the threshold is chosen on the labels"


def compute(labels: Array, scores: Array, context: Context) -> float:
    """Best F1 of (N,) labels and scores, or of the steps of a series; NaN if one class is missing."""
    return f1_max(labels, scores)
