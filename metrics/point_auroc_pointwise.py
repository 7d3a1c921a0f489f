"""Area under the ROC curve of each step's own error, where the headline merges one score per window.

The errors are merged over the windows that cover a step, as window scores are. The value shows how much of the
AUROC depends on how windows become points. Cost: two sorts.
"""

from __future__ import annotations

import numpy as np

from anomark.contracts import Array
from anomark.statistics.context import Context
from anomark.statistics.ranking import auroc

NAME = "Area under the ROC curve of each step's own error"
LABEL = "Pointwise AUROC"
LEVELS = ("point",)
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
SOURCE = "Fawcett 2006, An introduction to ROC analysis, Pattern Recognition Letters 27"
NEEDS = ("pointwise",)


def compute(labels: Array, scores: Array, context: Context) -> float:
    """AUROC of the steps (T,) by `context.pointwise`; the window scores are not read. NaN if one class is missing."""
    return auroc(labels, np.asarray(context.pointwise))
