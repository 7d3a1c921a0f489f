"""The paper's numbers beside ours, one cell a row, with a verdict on each."""

from __future__ import annotations

from typing import Any

import pandas as pd

from anomark.report.results import PAPER_COLUMNS, Results, published_modality
from anomark.report.table import Cell, Column, Row, Table, number, signed
from anomark.report.tables import protocol, spread

#: A measured mean this near to the published number reproduces it: a third of the gain over DDPM that the paper's
#: Table I claims. The interval over seeds decides nothing, since the less certain a number is, the more would lie
#: inside.
TOLERANCE = 0.010
#: Datasets of the paper whose set-up can't have been ours, whatever the two numbers are.
NOT_COMPARABLE = {
    "ucr-ECG200": "a classification set; which class is normal, and the split, are choices made here",
    "ucr-Wafer": "a classification set; which class is normal, and the split, are choices made here",
    "pems-bay": "there are no anomaly labels; the anomalies here are injected",
}
VERDICTS = ("reproduced", "lower", "higher", "no comparable set-up", "not measured")


def judge(results: Results, dataset: str, method: str) -> tuple[str, str]:
    """One of VERDICTS on a published number, and the reason where it can't be compared.

    The difference is rounded to the three digits that are printed, so that a reader can check the verdict.
    """
    score = results.score(dataset, method)
    if dataset in NOT_COMPARABLE:
        return "no comparable set-up", NOT_COMPARABLE[dataset]
    if score.mean is None:
        outside = results.suite.get("absent", {}).get(dataset, score.status)
        return "not measured", outside if score.status == "not in suite" else f"{score.status}: {score.reason}"
    difference = round(score.mean - results.published[dataset, method], 3)
    if abs(difference) <= TOLERANCE:
        return "reproduced", ""
    return ("lower" if difference < 0 else "higher"), ""


def published_table(results: Results) -> Table:
    """Every cell of the paper's Tables I and II: published, measured, difference, verdict."""
    columns = [Column("Dataset", numeric=False), Column("Method", numeric=False), Column("Published")]
    columns += [Column("Measured"), Column("Difference"), Column("Verdict", numeric=False)]
    rows, data = [], []
    for (dataset, method), published in results.published.items():
        modality, score = published_modality(dataset), results.score(dataset, method)
        difference = score.mean - published if score.mean is not None else None
        verdict, reason = judge(results, dataset, method)
        label = results.label(dataset) if dataset in results.datasets else dataset
        measured = Cell(score.status, title=score.reason, tone="quiet")
        if score.mean is not None:
            measured = Cell(number(score.mean), spread(score), sort=round(score.mean, 6))
        cells = [
            Cell(label, sort=label),
            Cell(PAPER_COLUMNS[modality][method]),
            Cell(number(published), sort=published),
            measured,
            Cell("–", tone="quiet") if difference is None else Cell(signed(difference), sort=round(difference, 6)),
            Cell(verdict, note=reason, best=verdict == "reproduced", sort=VERDICTS.index(verdict)),
        ]
        rows.append(Row(cells, dataset, modality, method))
        record: dict[str, Any] = {"dataset": dataset, "method": method, "published": published}
        record |= {"measured": score.mean, "ci95": score.ci95, "low": score.low, "high": score.high}
        record |= {"seeds": len(score.by_seed), "difference": difference, "verdict": verdict, "reason": reason}
        data.append(record)
    frame = pd.DataFrame(data)
    counts = frame["verdict"].value_counts()
    datasets = [d for d in dict.fromkeys(frame["dataset"]) if d in results.datasets]
    caption = (
        f"Tables I and II cell by cell: AUROC, higher is better. Reproduced: within {number(TOLERANCE)} of the "
        f"published number; the interval beside a mean covers seeds alone and doesn't enter. The paper gives no "
        f"training set-up or resolution, so that no cell repeats its experiment exactly. {protocol(results, datasets)}"
    )
    tally = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if verdict in counts)
    return Table(
        "published", "Published and measured", caption, columns, rows, frame, [f"{len(frame)} cells: {tally}."]
    )
