"""Area under the ROC curve after the score was smoothed: how much of it depends on the width of the labels.

The scores of steps are averaged over half a window, one, and two windows. Labels of some collections are far wider than
the anomaly itself, and there any score gains by smoothing. A method whose lead vanishes at another width matches the
labels' width better, and no more.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from anomark.contracts import Array
from anomark.statistics.context import Context
from anomark.statistics.ranking import auroc

NAME = "Area under the ROC curve of smoothed scores"
LABEL = "Smoothed AUROC"
LEVELS = ("point",)
RANGE = (0.0, None)  # perfect scores stay below 1, because smoothing blurs the ends of an anomaly
HIGHER_IS_BETTER = True
SOURCE = "this suite's own control; the area as in Fawcett 2006"
NEEDS = ("window",)
NOTE = "moving averages of the scores"
OUTPUTS = {
    "auroc_smoothed_half": {"LABEL": "AUROC, smoothed over L/2"},
    "auroc_smoothed_one": {"LABEL": "AUROC, smoothed over L"},
    "auroc_smoothed_two": {"LABEL": "AUROC, smoothed over 2 L"},
}
WIDTHS = {"auroc_smoothed_half": 0.5, "auroc_smoothed_one": 1, "auroc_smoothed_two": 2}  # in windows


def compute(labels: Array, scores: Array, context: Context) -> dict[str, float]:
    """AUROC of the steps (T,) after moving averages of three widths; NaN if one class is missing."""
    assert context.window is not None
    scores = np.asarray(scores, dtype=np.float64)
    return {
        name: auroc(labels, uniform_filter1d(scores, max(1, round(width * context.window)), mode="nearest"))
        for name, width in WIDTHS.items()
    }
