"""False alarms and recall at a threshold that needs no labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from anomark.report.metrics import alarm_metrics, failure_notes
from anomark.report.results import ORACLE, Results, Score
from anomark.report.section import Section
from anomark.report.table import Cell, Column, Row, Table
from anomark.report.tables import machine_fields, protocol, score_cell
from anomark.statistics.false_alarms import ALPHA


def build(results: Results) -> Section | None:
    if not alarm_metrics(results):
        return None
    table = alarm_table(results)
    return Section("alarms-section", "False alarms", lead(results, table.data), [table]) if table.rows else None


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
