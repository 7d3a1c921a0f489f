"""False alarms and recall at a threshold that needs no labels."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from anomark.modality import load
from anomark.report.metrics import alarm_metrics, failure_notes
from anomark.report.render.draw import DOTTED
from anomark.report.results import ORACLE, Results
from anomark.report.score import Score
from anomark.report.section import Drawing, Section
from anomark.report.shown import accent
from anomark.report.table import Cell, Column, Row, Table, number, words
from anomark.report.tables import footnotes, machine_fields, protocol, score_cell
from anomark.statistics.false_alarms import ALPHA
from anomark.suite_records import MetricInfo

#: Why a method has no number at a threshold.
TOO_FEW = f"a threshold of {ALPHA:.0%} takes {1 / ALPHA - 1:.0f} held-out normals"


def build(results: Results) -> Section | None:
    if not alarm_metrics(results) or not (table := alarm_table(results)).rows:
        return None
    pair = _pair(results)
    rates = _numbers(table.data, pair[0]) if pair else pd.Series(dtype=float)
    drawings = [Drawing("alarms", partial(alarm_dots, results, table.data), kind="wide")] if rates.notna().any() else []
    return Section("alarms-section", "False alarms", lead(rates.dropna()), [*drawings, table])


def _numbers(data: pd.DataFrame, metric: MetricInfo) -> pd.Series:
    """A metric of every row, missing where a status stands in its place."""
    return pd.to_numeric(data[metric.id], errors="coerce")


def lead(found: pd.Series) -> str:
    """How often the promised rate of false alarms was exceeded by half and more."""
    if found.empty:
        return "No method of this suite has a threshold from held-out normal samples."
    over = int((found > 1.5 * ALPHA).sum())
    return (
        f"At a threshold that should give {ALPHA:.0%} false alarms, **{over} of {len(found)}** results have more than "
        f"{1.5 * ALPHA:.1%}; the median is **{found.median():.1%}**."
    )


def _pair(results: Results) -> tuple[MetricInfo, MetricInfo] | None:
    """The rate of false alarms and the recall at a threshold from held-out normals."""
    found = [metric for metric in alarm_metrics(results) if "held_out" in metric.needs]
    rates = [metric for metric in found if not metric.higher_is_better]
    recalls = [metric for metric in found if metric.higher_is_better]
    return (rates[0], recalls[0]) if rates and recalls else None


def alarm_dots(results: Results, data: pd.DataFrame) -> tuple[Figure, str, str]:
    """Recall over false alarms: a panel a modality, a mark a method on a dataset."""
    pair = _pair(results)
    assert pair is not None
    rate, recall = (_numbers(data, metric) for metric in pair)
    modality = data["dataset"].map(lambda dataset: results.datasets[dataset].modality)
    shown = [name for name in results.modalities if rate[modality == name].notna().any()]
    figure, panels = plt.subplots(1, len(shown), figsize=(9.0, 3.2), sharey=True, squeeze=False)
    for name, axes in zip(shown, panels[0], strict=True):
        for row in data[modality == name].index:
            colour = accent(results, data["method"][row])
            axes.plot(rate[row], recall[row], "o", color=colour, markersize=4.5, alpha=0.7)
        axes.axvline(ALPHA, **DOTTED)
        axes.set_xlim(left=0, right=max(2 * ALPHA, 1.05 * float(rate.max())))
        axes.set(title=load(name).LABEL, xlabel=pair[0].label, ylim=(-0.04, 1.04))
        axes.xaxis.set_major_formatter(lambda value, _: number(value, 2))
        axes.yaxis.set_major_formatter(lambda value, _: number(value, 1))
    panels[0, 0].set_ylabel(pair[1].label)
    caption = (
        "Each mark is a method on a dataset, at the threshold from its held-out normal samples; dotted: the "
        f"{ALPHA:.0%} of false alarms that it should give. Up and left is better. Grey: controls. "
    )
    alt = f"{pair[1].label} over {pair[0].label.lower()} of {int(rate.notna().sum())} results."
    return figure, caption + protocol(results, [*results.datasets]), alt


def alarm_table(results: Results) -> Table:
    """False-alarm rate and recall of every method at a threshold without labels, beside those at the oracle's."""
    alarms = alarm_metrics(results)
    columns = words("Dataset", "Method") + [Column(metric.label) for metric in alarms]
    measured = set(results.metrics[["dataset", "method", "metric"]].itertuples(index=False, name=None))
    rows = []
    for dataset, summary in results.datasets.items():
        held_out = f"{summary.n_valid} held-out {'windows' if summary.window else summary.level + 's'}"
        found = []
        for method, info in results.methods.items():
            if method == ORACLE or not results.score(dataset, method):
                continue
            cells = [Cell(results.label(dataset)), Cell(info.label, tone="quiet" if info.is_control else "")]
            record: dict[str, Any] = {"dataset": dataset, "method": method}
            needed = [metric.id for metric in alarms if "held_out" in metric.needs]
            missing = not any((dataset, method, metric) in measured for metric in needed)
            for metric in alarms:
                score = results.score(dataset, method, metric.id)
                if (dataset, method, metric.id) not in measured:
                    score = Score("n/a", "trained on all normals")
                elif score.status == "undefined":
                    score = replace(score, reason=TOO_FEW)
                cells.append(score_cell(score))
                record |= machine_fields(score, metric.id)
            cells[2] = replace(cells[2], note="trained on all normals" if missing else held_out)
            record |= {"held out": "" if missing else summary.n_valid, "nominal": ALPHA}
            quality = results.score(dataset, method).mean or 0.0
            found.append((missing, -quality, Row(cells, dataset, summary.modality, method, record)))
        rows += [row for *_, row in sorted(found, key=lambda entry: entry[:2])]
    caption = (
        f"At the threshold that {ALPHA:.0%} of new normals should reach, a conformal quantile of held-out normal "
        "scores: the share of normal labels called, false alarms, lower is better, and of anomalous ones, recall, "
        "higher is better; beside them both at the oracle threshold, which has the best F1 on the labels. Points of a "
        "series are merged from held-out windows as from test windows and depend on each other: there the nominal rate "
        f"is no promise, nor where the test part has drifted. {protocol(results, [*results.datasets])}"
    )
    title = "False alarms at a threshold from held-out normals"
    return Table("alarms", title, caption, columns, rows, footnotes(results, rows) + failure_notes(results, alarms))
