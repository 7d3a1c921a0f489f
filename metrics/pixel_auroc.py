"""Area under the ROC curve over the pixels of all test images: how well anomaly maps rank defective pixels.

Large defects have more pixels and count more than small ones. A map that knows nothing has 0.5. Cost: two sorts.
"""

from __future__ import annotations

from anomark.contracts import Array
from anomark.statistics.context import Context
from anomark.statistics.ranking import auroc

NAME = "Area under the ROC curve over pixels"
LABEL = "Pixel AUROC"
LEVELS = ("pixel",)
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
SOURCE = "Bergmann et al. 2021, The MVTec anomaly detection dataset, IJCV 129, section 5.1"


def compute(labels: Array, scores: Array, context: Context) -> float:
    """AUROC of the pixels of masks and maps (N, H, W); NaN if one class is missing."""
    return auroc(labels.ravel(), scores.ravel())
