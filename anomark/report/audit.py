"""The published tables against themselves and against the text around them, computed from the printed digits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import product

import numpy as np
import pandas as pd

from anomark.report.results import PAPER_COLUMNS, Results, published_modality
from anomark.report.table import Cell, Column, Row, Table, number, percent
from anomark.report.tables import ABLATIONS

TABLE = {"image": "Table I", "series": "Table II"}
#: Half of the last digit that the tables print.
HALF = 0.0005


@dataclass(frozen=True)
class Finding:
    """One statement of the paper and what its own numbers give.

    verdict
        "agrees": equal to the digits stated; "within rounding": only unrounded numbers at the edge of what the tables
        print would give it; "differs"; "" where nothing was stated that could.
    """

    subject: str
    stated: str
    where: str
    found: str
    verdict: str = ""


def audit_table(results: Results) -> Table:
    """Every finding; nothing in it depends on what was measured."""
    findings = [*gains(results), *full_model(results), *drops(results), *claimed_drops(results)]
    findings += [*orders(results), *without_result(results), *facts(results)]
    columns = [Column(header, numeric=False) for header in ("Subject", "Stated", "Where", "Found", "Verdict")]
    rows = [
        Row(
            [
                Cell(f.subject),
                Cell(f.stated or "–"),
                Cell(f.where),
                Cell(f.found),
                Cell(f.verdict, best=f.verdict == "differs"),
            ]
        )
        for f in findings
    ]
    caption = (
        "The paper's numbers (reports/published/) against themselves and against its text; computed from the printed "
        "digits, without anything measured here. Gains and drops are relative, as the paper's; agrees: equal at the "
        "digits stated; within rounding: only at the edge of what the printed digits allow."
    )
    return Table("audit", "Audit", caption, columns, rows, pd.DataFrame([asdict(f) for f in findings]))


def compare_stated(stated: float, unit: float, value: float, slack: float) -> str:
    """`value`, uncertain by `slack`, against a statement rounded to `unit`."""
    away = abs(value - stated)
    if away <= unit / 2:
        return "agrees"
    return "within rounding" if away < unit / 2 + slack - 1e-9 else "differs"


def relative(value: float, base: float) -> tuple[float, float]:
    """Change in percent of `base`, and how far the rounding of both can move it."""
    high, low = (value + HALF) / (base - HALF), (value - HALF) / (base + HALF)
    return 100 * (value / base - 1), 50 * (high - low)


def column(results: Results, modality: str, method: str) -> pd.Series:
    """One method's column of Table I or II, by dataset."""
    values = {
        d: value for (d, m), value in results.published.items() if m == method and published_modality(d) == modality
    }
    return pd.Series(values)


def gains(results: Results) -> list[Finding]:
    """Mean gain over DDPM, against the text; and how little it varies."""
    findings = []
    for claim in results.claims[results.claims["kind"] == "gain"].to_dict("records"):
        ours, ddpm = (column(results, claim["subject"], method) for method in ("wavediff", "ddpm"))
        table, points = TABLE[claim["subject"]], 100 * (ours - ddpm)
        change, slack = relative(ours.mean(), ddpm.mean())
        verdict = compare_stated(float(claim["stated"].rstrip("%")), 0.1, change, slack)
        found = f"{change:.1f}%, or {points.mean():.2f} points"
        findings.append(Finding(f"Mean gain over DDPM, {table}", claim["stated"], claim["where"], found, verdict))
        found = f"{points.min():.1f} to {points.max():.1f} points on all {len(points)} datasets"
        findings.append(Finding(f"Gain over DDPM by dataset, {table}", "", table, found))
    return findings


def full_model(results: Results) -> list[Finding]:
    """Table III's full model should be the mean of the method's column in Tables I and II."""
    findings = []
    for modality, table in TABLE.items():
        stated = results.published_ablation["wavediff"][modality]
        mean = column(results, modality, "wavediff").mean()
        verdict = compare_stated(float(stated), 2 * HALF, mean, HALF)
        found = f"{number(mean, 4)}, the mean of {table}"
        findings.append(Finding(f"AUROC of the full model, {modality}", stated, "Table III", found, verdict))
    return findings


def drops(results: Results) -> list[Finding]:
    """Table III's drops against its own AUROC."""
    findings = []
    for method, modality in product(results.published_ablation, TABLE):
        row, full = results.published_ablation[method], results.published_ablation["wavediff"]
        if stated := row[f"drop_{modality}"]:
            change, slack = relative(float(row[modality]), float(full[modality]))
            verdict = compare_stated(float(stated.rstrip("%")), 0.1, change, slack)
            subject = f"Drop, {ABLATIONS[method]}, {modality}"
            points = 100 * (float(row[modality]) - float(full[modality]))
            found = f"{percent(change, 2)}, or {number(points, 1)} points"
            findings.append(Finding(subject, percent(float(stated.rstrip("%"))), "Table III", found, verdict))
    return findings


def claimed_drops(results: Results) -> list[Finding]:
    """A drop that the text gives one dataset and Table III the mean of all."""
    findings = []
    for claim in results.claims[results.claims["kind"] == "drop"].to_dict("records"):
        same = [
            f"{ABLATIONS[method]}, mean of all {modality} sets"
            for method, modality in product(results.published_ablation, TABLE)
            if results.published_ablation[method][f"drop_{modality}"] == claim["stated"]
        ]
        found = f"Table III's {'; '.join(same)}" if same else "not in Table III"
        stated = percent(float(claim["stated"].rstrip("%")))
        findings.append(
            Finding(f"Drop on {claim['subject']}", stated, claim["where"], found, "differs" if same else "")
        )
    return findings


def orders(results: Results) -> list[Finding]:
    """How many different orders of the datasets the methods show, and of the methods the datasets."""
    findings = []
    for modality, table in TABLE.items():
        values = pd.DataFrame({m: column(results, modality, m) for m in PAPER_COLUMNS[modality]})
        for frame, what, judges in ((values, "datasets", "methods"), (values.T, "methods", "datasets")):
            count = len(np.unique(frame.rank().to_numpy(), axis=1).T)
            alike = "all alike" if count == 1 else f"{count} different orders"
            found = f"{frame.shape[1]} {judges} order the {frame.shape[0]} {what}: {alike}"
            findings.append(Finding(f"Order of the {what}, {table}", "", table, found))
    return findings


def without_result(results: Results) -> list[Finding]:
    """Datasets that the text names and no table has."""
    reported = {dataset for dataset, _ in results.published}
    return [
        Finding(claim["subject"], claim["stated"], claim["where"], "no result in Tables I and II", "differs")
        for claim in results.claims[results.claims["kind"] == "named"].to_dict("records")
        if claim["subject"] not in reported
    ]


def facts(results: Results) -> list[Finding]:
    """What no arithmetic shows: facts on the datasets, and what is not given."""
    return [
        Finding(claim["subject"], claim["stated"], claim["where"], claim["fact"])
        for claim in results.claims[results.claims["kind"] == "fact"].to_dict("records")
    ]
