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
from anomark.report.results import ORACLE, Results, Score
from anomark.report.section import Drawing, Section
from anomark.report.shown import accent
from anomark.report.table import Cell, Column, Row, Table, number
from anomark.report.tables import machine_fields, protocol, score_cell
from anomark.statistics.false_alarms import ALPHA
from anomark.suite_records import MetricInfo


def build(results: Results) -> Section | None:
    if not alarm_metrics(results):
        return None
    table = alarm_table(results)
    if not table.rows:
        return None
    pair = _pair(results)
    drawn = pair is not None and bool(pd.to_numeric(table.data[pair[0].id], errors="coerce").notna().any())
    drawings = [Drawing("alarms", partial(alarm_dots, results, table.data), kind="wide")] if drawn else []
    return Section("alarms-section", "False alarms", lead(results, table.data), [*drawings, table])


def lead(results: Results, data: pd.DataFrame) -> str:
    """How often the promised rate of false alarms was exceeded by half and more."""
    rates = [m.id for m in alarm_metrics(results) if "held_out" in m.needs and not m.higher_is_better]
    found = pd.concat([pd.to_numeric(data[rate], errors="coerce").dropna() for rate in rates]) if rates else pd.Series()
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
    rate, recall = (pd.to_numeric(data[metric.id], errors="coerce") for metric in pair)
    modality = data["dataset"].map(lambda dataset: results.datasets[dataset].modality)
    shown = [name for name in results.modalities if rate[modality == name].notna().any()]
    figure, panels = plt.subplots(1, len(shown), figsize=(9.0, 3.2), sharey=True, squeeze=False)
    for name, axes in zip(shown, panels[0], strict=True):
        for row in data[modality == name].index:
            axes.plot(
                rate[row], recall[row], "o", color=accent(results, data["method"][row]), markersize=4.5, alpha=0.7
            )
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
    columns = [Column("Dataset", numeric=False), Column("Method", numeric=False)]
    columns += [Column(metric.label) for metric in alarms]
    measured = set(results.metrics[["dataset", "method", "metric"]].itertuples(index=False, name=None))
    rows, data = [], []
    for dataset, summary in results.datasets.items():
        held_out = f"{summary.n_valid} held-out {'windows' if summary.window else summary.level + 's'}"
        found = []
        for method, info in results.methods.items():
            if method == ORACLE or not results.score(dataset, method):
                continue
            cells = [Cell(results.label(dataset)), Cell(info.label, tone="quiet" if info.is_control else "")]
            record: dict[str, Any] = {"dataset": dataset, "method": method}
            missing = True
            for metric in alarms:
                score = results.score(dataset, method, metric.id)
                if (dataset, method, metric.id) not in measured:
                    score = Score("n/a", "trained on all normals")
                elif score.status == "undefined":
                    score = replace(
                        score, reason=f"a threshold of {ALPHA:.0%} takes {1 / ALPHA - 1:.0f} held-out normals"
                    )
                if "held_out" in metric.needs:
                    missing = missing and score.status == "n/a"
                cells.append(score_cell(score))
                record |= machine_fields(score, metric.id)
            cells[2] = replace(cells[2], note="trained on all normals" if missing else held_out)
            found.append((missing, -(results.score(dataset, method).mean or 0.0), cells, record))
        for missing, _, cells, record in sorted(found, key=lambda entry: entry[:2]):
            rows.append(Row(cells, dataset, summary.modality, record["method"]))
            data.append(record | {"held out": "" if missing else summary.n_valid, "nominal": ALPHA})
    caption = (
        f"At the threshold that {ALPHA:.0%} of new normals should reach, a conformal quantile of held-out normal "
        "scores: the share of normal labels called, false alarms, lower is better, and of anomalous ones, recall, "
        "higher is better; beside them both at the oracle threshold, which has the best F1 on the labels. Points of a "
        "series are merged from held-out windows as from test windows and depend on each other: there the nominal rate "
        f"is no promise, nor where the test part has drifted. {protocol(results, [*results.datasets])}"
    )
    frame = pd.DataFrame(data) if data else pd.DataFrame(columns=["dataset", "method"])
    notes = failure_notes(results, alarms)
    return Table("alarms", "False alarms at a threshold from held-out normals", caption, columns, rows, frame, notes)
