"""A paper's tables as measured here: in the paper's own layout, and one published number a row with a verdict."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import replace
from typing import Any

import pandas as pd

from anomark.report.results import MethodInfo, Results, average
from anomark.report.table import Cell, Column, Row, Table, number, signed
from anomark.report.tables import (
    TIED,
    below_control,
    digits,
    footnotes,
    machine_fields,
    partial_notes,
    protocol,
    ranks,
    score_cell,
    spread,
    tied_with_best,
)
from anomark.suite.paper_tables import PaperTable
from anomark.suite.papers import Paper

REPRODUCED, LOWER, HIGHER = "reproduced", "lower", "higher"
INCOMPARABLE, NOT_MEASURED = "no comparable set-up", "not measured"
VERDICTS = (REPRODUCED, LOWER, HIGHER, INCOMPARABLE, NOT_MEASURED)
#: Marks a measured number that reproduces the published one.
MARK = "✓"


def file_name(results: Results, paper: Paper, table: str) -> str:
    """The stem of a table's files: the table's id, below the paper's where the suite has several papers."""
    return table if len(results.papers) == 1 else f"{paper.id}-{table}"


def heading(results: Results, paper: Paper, title: str) -> str:
    """The title of a table, with the paper's name before it where the suite has several papers."""
    return title if len(results.papers) == 1 else f"{paper.name}, {title}"


def judge(results: Results, paper: Paper, dataset: str, method: str) -> tuple[str, str]:
    """One of VERDICTS on a published number, and the reason where it can't be compared.

    The difference is rounded to the three digits that are printed, so that a reader can check the verdict.
    """
    score, printed = results.score(dataset, method), paper.numbers[dataset, method]
    if dataset in paper.not_comparable:
        return INCOMPARABLE, paper.not_comparable[dataset]
    if score.mean is None:
        outside = results.suite.absent.get(dataset, score.status)
        return NOT_MEASURED, outside if score.status == "not in suite" else f"{score.status}: {score.reason}"
    difference = round(score.mean - printed.value, 3)
    within_sd = paper.tolerance_sd is not None and printed.sd is not None
    if abs(difference) <= paper.tolerance or (
        within_sd and abs(score.mean - printed.value) <= (paper.tolerance_sd or 0) * (printed.sd or 0)
    ):
        return REPRODUCED, ""
    return (LOWER if difference < 0 else HIGHER), ""


def tolerance(paper: Paper) -> str:
    """How near a measured number has to be, for captions."""
    text = f"within {number(paper.tolerance)} of the published number"
    if paper.tolerance_sd is not None:
        text += f", or within {paper.tolerance_sd:g} of its standard deviations"
    return text


def tally_sentence(results: Results, paper: Paper) -> str:
    """How many of a paper's numbers are reproduced, of those that could be measured in a comparable set-up."""
    verdicts = Counter(judge(results, paper, *cell)[0] for cell in paper.numbers)
    compared = sum(verdicts[verdict] for verdict in (REPRODUCED, LOWER, HIGHER))
    rest = [f"{verdicts[verdict]} have {verdict}" for verdict in (INCOMPARABLE,) if verdicts[verdict]]
    rest += [f"{verdicts[verdict]} are {verdict}" for verdict in (NOT_MEASURED,) if verdicts[verdict]]
    outside = f" Of its {len(paper.numbers)} numbers, {' and '.join(rest)}." if rest else ""
    if not compared:
        return f"No published number is measured here in a comparable set-up.{outside}"
    return (
        f"**{verdicts[REPRODUCED]} of {compared}** published numbers are reproduced ({tolerance(paper)}); "
        f"{verdicts[LOWER]} measured ones are lower and {verdicts[HIGHER]} higher.{outside}"
    )


def difference_sentence(results: Results, paper: Paper) -> str:
    """The median and the largest difference between measured and published, of what could be compared."""
    differences = {
        (dataset, method): mean - printed.value
        for (dataset, method), printed in paper.numbers.items()
        if dataset not in paper.not_comparable and (mean := results.score(dataset, method).mean) is not None
    }
    if not differences:
        return "No published number is measured here in a comparable set-up."
    dataset, method = max(differences, key=lambda cell: abs(differences[cell]))
    return (
        f"Measured minus published AUROC is **{signed(statistics.median(differences.values()))}** in the median of "
        f"{len(differences)} numbers, and {signed(differences[dataset, method])} "
        f"where they are furthest apart ({results.methods[method].label} on {results.label(dataset)})."
    )


def published_table(results: Results, paper: Paper) -> Table:
    """Every published number of a paper: published, measured, difference, verdict."""
    columns = [Column("Dataset", numeric=False), Column("Method", numeric=False), Column("Published")]
    columns += [Column("Measured"), Column("Difference"), Column("Verdict", numeric=False)]
    rows, data = [], []
    for table in paper.tables:
        for (dataset, method), printed in table.numbers.items():
            score = results.score(dataset, method)
            difference = score.mean - printed.value if score.mean is not None else None
            verdict, reason = judge(results, paper, dataset, method)
            label = results.label(dataset) if dataset in results.summaries else dataset
            around = f"± {number(printed.sd)}" if printed.sd is not None else ""
            measured = Cell(score.status, title=score.reason, tone="quiet")
            if score.mean is not None:
                measured = Cell(number(score.mean), spread(score), sort=round(score.mean, 6))
            cells = [
                Cell(label, sort=label),
                Cell(table.columns[method]),
                Cell(number(printed.value), around, sort=printed.value),
                measured,
                Cell("–", tone="quiet") if difference is None else Cell(signed(difference), sort=round(difference, 6)),
                Cell(verdict, note=reason, best=verdict == REPRODUCED, sort=VERDICTS.index(verdict)),
            ]
            rows.append(Row(cells, dataset, table.modality, method))
            record: dict[str, Any] = {"dataset": dataset, "method": method, "published": printed.value}
            record |= {"published sd": printed.sd} if printed.sd is not None else {}
            record |= {"measured": score.mean, "ci95": score.ci95, "low": score.low, "high": score.high}
            record |= {"seeds": len(score.by_seed), "difference": difference, "verdict": verdict, "reason": reason}
            data.append(record)
    frame = pd.DataFrame(data, columns=None if data else ["dataset", "method", "published", "measured", "verdict"])
    datasets = [d for d in dict.fromkeys(frame["dataset"]) if d in results.summaries and d not in results.refused]
    titles = " and ".join(table.title for table in paper.tables if table.numbers)
    caption = (
        f"{titles} cell by cell: AUROC, higher is better. Reproduced: {tolerance(paper)}; the interval beside a mean "
        f"covers seeds alone and doesn't enter. {paper.protocol} {protocol(results, datasets)}"
    )
    counts = frame["verdict"].value_counts()
    tally = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if verdict in counts)
    title = heading(results, paper, "Published and measured")
    return Table(
        file_name(results, paper, "published"), title, caption, columns, rows, frame, [f"{len(frame)} cells: {tally}."]
    )


def paper_table(results: Results, paper: Paper, table: PaperTable) -> Table:
    """AUROC as the paper lays it out: a row for each of its datasets, a column for each of its methods.

    Beside them stand the best of the suite's other methods and the controls; below them, in rows of their own, the
    suite's further datasets of the modality, and the mean over all rows.
    """
    own, further = rows_of(results, paper, table)
    datasets, columns_of = [*own, *further], table.columns
    others = [method for method in results.methods.values() if not method.is_control and method.id not in columns_of]
    controls = [method for method in results.methods.values() if method.is_control]
    rivals = [method for method in others if method.is_rival]
    tracks = list(dict.fromkeys(method.track for method in rivals))

    columns = [Column("Dataset", numeric=False), Column("Level", numeric=False)]
    columns += [Column(label, note=_track_note(results, paper, method)) for method, label in columns_of.items()]
    columns += [Column("Best other", note=track if len(tracks) > 1 else "") for track in tracks]
    columns += [Column("Best control"), Column("Random", note="95% band")]

    rows, data = [], []
    for dataset in datasets:
        summary, rank = results.summaries[dataset], ranks(results, dataset)
        cells = [Cell(results.label(dataset), sort=results.label(dataset)), Cell(summary.level)]
        for method in columns_of:
            printed = table.numbers.get((dataset, method))
            below, best = below_control(results, dataset, method), rank.get(method) == 1
            tied = tied_with_best(results, dataset, method, rank)
            score = results.score(dataset, method)
            cell = score_cell(score, printed.value if printed else None, best, below, tied)
            if printed and judge(results, paper, dataset, method)[0] == REPRODUCED:
                cell = replace(cell, note=f"{cell.note} {MARK}")
            cells.append(cell)
        cells += [_best_other(results, dataset, [m for m in rivals if m.track == track], rank) for track in tracks]
        control = results.best_control(dataset)
        cells.append(
            Cell(number(control[1]), note=results.methods[control[0]].label, sort=control[1])
            if control
            else Cell("none", tone="quiet")
        )
        low, high = summary.random_band
        cells.append(Cell(f"{number(low)}–{number(high)}", sort=low, tone="quiet"))
        rows.append(Row(cells, dataset, table.modality, rule=bool(own) and dataset in further[:1]))

        record: dict[str, Any] = {"dataset": dataset, "level": summary.level}
        for method in [*columns_of, *(m.id for m in others), *(m.id for m in controls)]:
            printed = table.numbers.get((dataset, method))
            record |= machine_fields(
                results.score(dataset, method), method, printed.value if printed else None, paper=method in columns_of
            )
        data.append(record | {"random low": digits(low), "random high": digits(high)})

    if len(datasets) > 1:
        rows.append(_mean_row(results, table, datasets, len(columns)))
    caption = f"{table.caption}, higher is better. {protocol(results, datasets)} Bold: best method of its track, "
    caption += "variants aside"
    if table.numbers:
        caption += f"; small print: published number and measured − published, {MARK} {tolerance(paper)}"
    frame = pd.DataFrame(data) if data else pd.DataFrame(columns=["dataset", "level", *columns_of])
    return Table(
        file_name(results, paper, table.id),
        heading(results, paper, table.title),
        f"{caption}.",
        columns,
        rows,
        frame,
        _notes(results, table, datasets, rows),
    )


def rows_of(results: Results, paper: Paper, table: PaperTable) -> tuple[list[str], list[str]]:
    """The datasets of a table that the suite has, and the suite's further ones of the modality.

    A variant of a dataset has a row where the paper's table is mapped to it, and nowhere else. The further ones stand
    below the paper's first table of the modality alone.
    """
    here = results.of_modality(table.modality)
    alike = paper.tables_of(table.modality)
    named = {dataset for other in alike for dataset in other.datasets.values()}
    known = results.summaries.keys() - results.refused.keys()
    own = [dataset for dataset in table.datasets.values() if dataset in known]
    return own, [dataset for dataset in here if dataset not in named] if table is alike[0] else []


def _notes(results: Results, table: PaperTable, datasets: list[str], rows: list[Row]) -> list[str]:
    notes = [] if datasets else [f"This suite has no {table.modality} dataset."]
    notes += footnotes(rows) + partial_notes(results, datasets)
    reasons: dict[str, list[str]] = {}
    for dataset, reason in table.not_comparable.items():
        if dataset in datasets:
            reasons.setdefault(reason, []).append(results.label(dataset))
    notes += [f"No set-up comparable with the paper's for {', '.join(d)}: {why}." for why, d in reasons.items()]
    if absent := [dataset for dataset in table.datasets.values() if dataset not in datasets]:
        notes.append(f"Rows of the paper that this suite does not have: {', '.join(absent)}.")
    if table.further:
        notes.append(f"Columns of the paper that this project does not have: {', '.join(table.further)}.")
    return notes


def _track_note(results: Results, paper: Paper, method: str) -> str:
    """The track, named under a method's header where the paper's methods do not share one."""
    named = {name for table in paper.tables for name in table.columns}
    tracks = {info.track for info in results.methods.values() if info.id in named}
    return results.methods[method].track if len(tracks) > 1 and method in results.methods else ""


def _best_other(results: Results, dataset: str, methods: list[MethodInfo], rank: dict[str, int]) -> Cell:
    scores = {method.id: results.score(dataset, method.id) for method in methods}
    means = {method: score.mean for method, score in scores.items() if score.mean is not None}
    if not means:
        return Cell("none", tone="quiet", title="no other method of this track has a score here")
    best = max(means, key=lambda method: means[method])
    return Cell(
        number(means[best]),
        f"{spread(scores[best])} {TIED if tied_with_best(results, dataset, best, rank) else ''}".strip(),
        results.methods[best].label,
        means[best],
        best=rank.get(best) == 1,
        below_control=below_control(results, dataset, best),
    )


def _mean_row(results: Results, table: PaperTable, datasets: list[str], width: int) -> Row:
    """Means over the rows; compared with the paper's mean only where the rows are the paper's."""
    cells = [Cell("Mean"), Cell("")]
    for method in table.columns:
        published = table.column(method)
        mean = average(results.score(dataset, method) for dataset in datasets)
        complete = published.keys() == set(datasets)
        cells.append(score_cell(mean, sum(published.values()) / len(published) if complete else None))
    cells += [Cell("")] * (width - len(cells))
    return Row(cells, modality=table.modality, summary=True)
