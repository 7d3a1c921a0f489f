"""Which of the suite's metrics stand in which table, decided from what they say of themselves."""

from __future__ import annotations

from collections.abc import Sequence

from anomark.report.results import Results
from anomark.statistics.context import PIXEL
from anomark.suite_records import MetricInfo

#: The metric of the headline, by which methods are ranked.
HEADLINE = "auroc"


def alarm_metrics(results: Results) -> list[MetricInfo]:
    """Numbers at a threshold from held-out normals, and what the same files say beside them."""
    files = {metric.base for metric in results.metrics_info.values() if "held_out" in metric.needs}
    return [metric for metric in results.metrics_info.values() if metric.base in files]


def reading_metrics(results: Results) -> list[MetricInfo]:
    """Other protocols for the same scores: metrics that are made for some levels of labels only."""
    return [metric for metric in _others(results) if metric.levels and PIXEL not in metric.levels]


def further_metrics(results: Results) -> list[MetricInfo]:
    """What stands beside the headline's metric in the leaderboard: metrics of every level, then those of pixels."""
    rest = [metric for metric in _others(results) if not metric.levels or PIXEL in metric.levels]
    return sorted(rest, key=lambda metric: PIXEL in metric.levels)


def _others(results: Results) -> list[MetricInfo]:
    alarms = alarm_metrics(results)
    return [metric for metric in results.metrics_info.values() if metric.id != HEADLINE and metric not in alarms]


def metric_notes(metrics: Sequence[MetricInfo]) -> str:
    """For a caption: what a reader must know of these metrics, each note once, and which are better when lower."""
    notes: dict[str, list[str]] = {}
    for metric in metrics:
        if metric.note:
            notes.setdefault(metric.note, []).append(metric.label)
    if lower := [metric.label for metric in metrics if not metric.higher_is_better]:
        notes["lower is better"] = lower
    return " ".join(f"{', '.join(labels)}: {note}." for note, labels in notes.items())


def failure_notes(results: Results, metrics: Sequence[MetricInfo]) -> list[str]:
    """One note for each metric that raised on a dataset instead of giving a number."""
    return [
        f"{metric.label} failed on {results.label(dataset)}: {reason}."
        for metric in metrics
        for dataset, summary in results.datasets.items()
        if (reason := summary.failed_metrics.get(metric.id))
    ]
