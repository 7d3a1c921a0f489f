"""A paper's tables against themselves and against the text around them, computed from the printed digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from anomark.report.papers.published import file_name, heading
from anomark.report.results import Results
from anomark.report.table import Cell, Row, Table, number, percent, words
from anomark.suite.claims import Drop, Drops, Fact, Gain, Mean, Named, Order
from anomark.suite.paper_tables import Printed
from anomark.suite.papers import Paper


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


def audit_table(results: Results, paper: Paper) -> Table:
    """What becomes of every claim of a paper; nothing in it depends on what was measured."""
    rows = []
    for found in audit(paper):
        cells = [Cell(found.subject), Cell(found.stated or "–"), Cell(found.where), Cell(found.found)]
        rows.append(Row([*cells, Cell(found.verdict, best=found.verdict == "differs")], record=asdict(found)))
    caption = (
        f"The paper's numbers (papers/{paper.id}/) against themselves and against its text; computed from the printed "
        "digits, without anything measured here. Gains and drops are relative unless they say points; agrees: equal at "
        "the digits stated; within rounding: only at the edge of what the printed digits allow."
    )
    columns = words("Subject", "Stated", "Where", "Found", "Verdict")
    return Table(file_name(results, paper, "audit"), heading(results, paper, "Audit"), caption, columns, rows)


def audit(paper: Paper) -> list[Finding]:
    """The findings on a paper's claims, in its order."""
    return [finding for claim in paper.claims for finding in CHECKS[type(claim)](paper, claim)]


def audit_sentence(paper: Paper) -> str:
    """How many of a paper's statements its own numbers bear out."""
    judged = [finding for finding in audit(paper) if finding.verdict]
    differ = sum(finding.verdict == "differs" for finding in judged)
    if not judged:
        return "No statement of the paper can be checked by its own numbers."
    return f"**{differ} of {len(judged)}** statements that the paper's own numbers can check differ from them."


def compare_stated(stated: Printed, value: float, slack: float) -> str:
    """`value`, uncertain by `slack`, against a statement that was rounded to its last digit."""
    away = abs(value - stated.value)
    if away <= stated.half:
        return "agrees"
    return "within rounding" if away < stated.half + slack - 1e-9 else "differs"


def relative(value: float, base: float, half: float) -> tuple[float, float]:
    """Change in percent of `base`, and how far it moves where each of the two is `half` off."""
    high, low = (value + half) / (base - half), (value - half) / (base + half)
    return 100 * (value / base - 1), 50 * (high - low)


def gain(paper: Paper, claim: Gain) -> list[Finding]:
    """The mean gain of one method over another, against the text; and how little it varies."""
    table, over = paper.table(claim.table), claim.over or paper.baseline or ""
    a, b = table.column(claim.method or paper.ours), table.column(over)
    common = [dataset for dataset in a if dataset in b]
    ours, base = (pd.Series({dataset: column[dataset] for dataset in common}) for column in (a, b))
    half = max(printed.half for printed in table.numbers.values())
    name, points = f"over {table.columns[over]}", 100 * (ours - base)
    change, slack = relative(ours.mean(), base.mean(), half)
    stated = Printed.read(claim.stated)
    if claim.measure == "relative":
        verdict, found = compare_stated(stated, change, slack), f"{change:.1f}%, or {points.mean():.2f} points"
    else:
        verdict = compare_stated(stated, points.mean(), 200 * half)
        found = f"{points.mean():.2f} points, or {change:.1f}%"
    varies = f"{points.min():.1f} to {points.max():.1f} points on all {len(points)} datasets"
    return [
        Finding(f"Mean gain {name}, {table.title}", claim.stated, claim.where, found, verdict),
        Finding(f"Gain {name} by dataset, {table.title}", "", table.title, varies),
    ]


def mean(paper: Paper, claim: Mean) -> list[Finding]:
    """The full model of an ablation against the mean of its column in a table."""
    ablation, table = paper.ablation(claim.ablation), paper.table(claim.table)
    stated = ablation.auroc[ablation.full, claim.modality]
    average = pd.Series(table.column(ablation.full)).mean()
    verdict = compare_stated(stated, average, max(printed.half for printed in table.numbers.values()))
    found = f"{number(average, 4)}, the mean of {table.title}"
    return [Finding(f"AUROC of the full model, {claim.modality}", stated.text, ablation.title, found, verdict)]


def drops(paper: Paper, claim: Drops) -> list[Finding]:
    """The printed drops of an ablation against its own AUROC."""
    ablation, findings = paper.ablation(claim.ablation), []
    for (method, label), modality in product(ablation.labels.items(), ablation.columns):
        if stated := ablation.drops.get((method, modality)):
            value, full = (ablation.auroc[name, modality] for name in (method, ablation.full))
            change, slack = relative(value.value, full.value, value.half)
            verdict, points = compare_stated(stated, change, slack), 100 * (value.value - full.value)
            found = f"{percent(change, 2)}, or {number(points, 1)} points"
            subject = f"Drop, {label}, {modality}"
            findings.append(Finding(subject, percent(stated.value), ablation.title, found, verdict))
    return findings


def drop(paper: Paper, claim: Drop) -> list[Finding]:
    """A drop that the text gives one dataset, and an ablation table perhaps the mean of all."""
    ablation = paper.ablation(claim.ablation)
    same = [
        f"{label}, mean of all {modality} sets"
        for (method, label), modality in product(ablation.labels.items(), ablation.columns)
        if (printed := ablation.drops.get((method, modality))) and printed.text == claim.stated
    ]
    found = f"{ablation.title}'s {'; '.join(same)}" if same else f"not in {ablation.title}"
    stated = percent(Printed.read(claim.stated).value)
    return [Finding(f"Drop on {claim.dataset}", stated, claim.where, found, "differs" if same else "")]


def order(paper: Paper, claim: Order) -> list[Finding]:
    """How many different orders of the datasets the methods show, and of the methods the datasets."""
    table, findings = paper.table(claim.table), []
    values = pd.DataFrame({method: table.column(method) for method in table.columns}).dropna()
    for frame, what, judges in ((values, "datasets", "methods"), (values.T, "methods", "datasets")):
        count = len(np.unique(frame.rank().to_numpy(), axis=1).T)
        alike = "all alike" if count == 1 else f"{count} different orders"
        found = f"{frame.shape[1]} {judges} order the {frame.shape[0]} {what}: {alike}"
        findings.append(Finding(f"Order of the {what}, {table.title}", "", table.title, found))
    return findings


def named(paper: Paper, claim: Named) -> list[Finding]:
    """A dataset that the text names, where no table has it."""
    if any(claim.subject == dataset for dataset, _ in paper.numbers):
        return []
    titles = " and ".join(table.title.removeprefix("Table ") for table in paper.tables if table.numbers)
    return [Finding(claim.subject, claim.stated, claim.where, f"no result in Tables {titles}", "differs")]


def fact(paper: Paper, claim: Fact) -> list[Finding]:
    """What no arithmetic shows: a fact on a dataset, or what is not given."""
    return [Finding(claim.subject, claim.stated, claim.where, claim.found)]


CHECKS: dict[type, Callable[[Paper, Any], list[Finding]]] = {
    Gain: gain,
    Mean: mean,
    Drops: drops,
    Drop: drop,
    Order: order,
    Named: named,
    Fact: fact,
}
