"""False-alarm rate and recall at one threshold: what a user who sets a threshold would live with.

The false-alarm rate is the share of normal labels that are called anomalous, recall the share of anomalous ones. Both
are given at two thresholds. The first needs no label: it is the quantile of scores of held-out normals that a new
normal reaches with a probability of at most 5%. The second has the best F1 on the labels (an oracle threshold), and
shows what the threshold could have been. Cost: one sort.
"""

from __future__ import annotations

from anomark.contracts import Array
from anomark.statistics.context import Context
from anomark.statistics.false_alarms import alarms, conformal_threshold
from anomark.statistics.ranking import best_threshold

NAME = "False alarms and recall at a threshold"
LABEL = "False alarms"
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
SOURCE = "Bates et al. 2023, Testing for outliers with conformal p-values, Annals of Statistics 51"
OUTPUTS = {
    "false_alarm_rate_held_out": {"LABEL": "False alarms", "HIGHER_IS_BETTER": False, "NEEDS": ("held_out",)},
    "recall_held_out": {"LABEL": "Recall", "NEEDS": ("held_out",)},
    "false_alarm_rate_oracle": {"LABEL": "False alarms, oracle threshold", "HIGHER_IS_BETTER": False},
    "recall_oracle": {"LABEL": "Recall, oracle threshold"},
}


def compute(labels: Array, scores: Array, context: Context) -> dict[str, float]:
    """Both rates at both thresholds; at the first one only where there are scores of held-out normals.

    NaN where one class is missing, or where there are too few held-out normals for a threshold.
    """
    thresholds = {"oracle": best_threshold(labels, scores)[1]}
    if context.held_out is not None:
        thresholds["held_out"] = conformal_threshold(context.held_out)
    rates: dict[str, float] = {}
    for chosen, threshold in thresholds.items():
        rates[f"false_alarm_rate_{chosen}"], rates[f"recall_{chosen}"] = alarms(labels, scores, threshold)
    return rates
