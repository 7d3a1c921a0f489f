"""A paper's tables as measured here: in the paper's own layout, and one published number a row with a verdict."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from anomark.report.render.draw import BLUE, DOTTED, ORANGE, VERMILLION
from anomark.report.results import Results
from anomark.report.score import average
from anomark.report.table import NONE, Cell, Column, Row, Table, number, signed, words
from anomark.report.tables import (
    digits,
    footnotes,
    machine_fields,
    partial_notes,
    protocol,
    ranked_cell,
    ranks,
    score_cell,
    spread,
)
from anomark.statistics.plateau import TOLERANCE, last_doubling
from anomark.suite.paper_tables import PaperTable
from anomark.suite.papers import Paper

REPRODUCED, LOWER, HIGHER = "reproduced", "lower", "higher"
INCOMPARABLE, NOT_MEASURED = "no comparable set-up", "not measured"
VERDICTS = (REPRODUCED, LOWER, HIGHER, INCOMPARABLE, NOT_MEASURED)
#: Of the verdicts on numbers that could be compared.
COLOURS = {REPRODUCED: BLUE, LOWER: VERMILLION, HIGHER: ORANGE}
#: Marks a measured number that reproduces the published one.
MARK = "✓"
#: What stands where no method or control has a number.
NOBODY = Cell("none", tone="quiet")


def file_name(results: Results, paper: Paper, table: str) -> str:
    """The stem of a table's files: the table's id, below the paper's where the suite has several papers."""
    return table if len(results.papers) == 1 else f"{paper.id}-{table}"


def heading(results: Results, paper: Paper, title: str) -> str:
    """The title of a table, with the paper's name before it where the suite has several papers."""
    return title if len(results.papers) == 1 else f"{paper.name}, {title}"


def judge(results: Results, paper: Paper, dataset: str, method: str) -> tuple[str, str]:
    """One of VERDICTS on a published number, and the reason where it can't be compared or is known to differ.

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
    return (LOWER if difference < 0 else HIGHER), paper.why(dataset, method)


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
    rest = [f"{verdicts[v]} {verb} {v}" for verb, v in (("have", INCOMPARABLE), ("are", NOT_MEASURED)) if verdicts[v]]
    outside = f" Of its {len(paper.numbers)} numbers, {' and '.join(rest)}." if rest else ""
    if not compared:
        return f"No published number is measured here in a comparable set-up.{outside}"
    return (
        f"**{verdicts[REPRODUCED]} of {compared}** published numbers are reproduced ({tolerance(paper)}); "
        f"{verdicts[LOWER]} measured ones are lower and {verdicts[HIGHER]} higher.{outside}"
    )


def difference_sentence(results: Results, paper: Paper) -> str:
    """The median and the largest difference between measured and published, of what could be compared."""
    comparable = {cell: n.value for cell, n in paper.numbers.items() if cell[0] not in paper.not_comparable}
    differences = results.differences(comparable)
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
    columns = [*words("Dataset", "Method"), Column("Published"), Column("Measured"), Column("Difference")]
    watched = not results.anytime.empty
    columns += words("Verdict", *["Training"] * watched)
    rows = []
    for table in paper.tables:
        for (dataset, method), printed in table.numbers.items():
            score = results.score(dataset, method)
            verdict, reason = judge(results, paper, dataset, method)
            label = results.label(dataset) if dataset in results.summaries else dataset
            around = f"± {number(printed.sd)}" if printed.sd is not None else ""
            cells = [Cell(label, sort=label), Cell(table.columns[method])]
            cells.append(Cell(number(printed.value), around, sort=printed.value))
            difference = None
            if score.mean is None:
                cells += [Cell(score.status, title=score.reason, tone="quiet"), NONE]
            else:
                difference = score.mean - printed.value
                cells.append(Cell(number(score.mean), spread(score), sort=round(score.mean, 6)))
                cells.append(Cell(signed(difference), sort=round(difference, 6)))
            cells.append(Cell(verdict, note=reason, best=verdict == REPRODUCED, sort=VERDICTS.index(verdict)))
            course = results.course(dataset, method)["auroc"]
            training = last_doubling(*course[-2:]) if len(course) else ""
            cells += [Cell(training) if training else NONE] * watched
            record: dict[str, Any] = {"dataset": dataset, "method": method, "published": printed.value}
            record |= {"published sd": printed.sd} if printed.sd is not None else {}
            record |= {"measured": score.mean, "ci95": score.ci95, "low": score.low, "high": score.high}
            record |= {"seeds": len(score.by_seed), "difference": difference, "verdict": verdict, "reason": reason}
            record |= {"training": training} if watched else {}
            rows.append(Row(cells, dataset, table.modality, method, record))
    evaluated = results.summaries.keys() - results.refused.keys()
    datasets = [dataset for dataset in dict.fromkeys(row.dataset for row in rows) if dataset in evaluated]
    titles = " and ".join(table.title for table in paper.tables if table.numbers)
    caption = (
        f"{titles} cell by cell: AUROC, higher is better. Reproduced: {tolerance(paper)}; the interval beside a mean "
        f"covers seeds alone and doesn't enter. {paper.protocol} {protocol(results, datasets)}"
    )
    if watched:
        caption += (
            f" Training: at its plateau where the last doubling of the steps moved AUROC by less than {TOLERANCE:g}."
        )
    counts = Counter(row.record["verdict"] for row in rows)
    tally = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if verdict in counts)
    name, title = file_name(results, paper, "published"), heading(results, paper, "Published and measured")
    return Table(name, title, caption, columns, rows, [f"{len(rows)} cells: {tally}."])


def scatter(results: Results, paper: Paper) -> tuple[Figure, str, str]:
    """Published against measured AUROC, a dot for each number of the paper that could be compared."""
    verdicts = {cell: judge(results, paper, *cell)[0] for cell in paper.numbers}
    figure, axes = plt.subplots(figsize=(4.2, 4.2))
    low = 1.0
    for verdict, colour in COLOURS.items():
        cells = [cell for cell, found in verdicts.items() if found == verdict]
        x, y = [paper.numbers[cell].value for cell in cells], [results.score(*cell).mean or 0.0 for cell in cells]
        axes.plot(x, y, "o", color=colour, markersize=3, alpha=0.7, label=f"{verdict} ({len(cells)})")
        low = min([low, *x, *y])
    axes.plot([low, 1], [low, 1], **DOTTED)
    axes.set(xlabel="Published AUROC", ylabel="Measured AUROC", aspect="equal")
    axes.legend(loc="upper left")
    caption = (
        "Published and measured AUROC, a dot for each dataset and method; on the dotted line they are equal. "
        f"Reproduced: {tolerance(paper)}."
    )
    count = ", ".join(f"{list(verdicts.values()).count(verdict)} are {verdict}" for verdict in COLOURS)
    return figure, caption, f"Scatter plot of published against measured AUROC: {count}."


def printed_table(results: Results, paper: Paper, table: PaperTable) -> Table:
    """A table of the paper with nothing measured beside it, in the paper's order of rows and columns."""
    methods = list(dict.fromkeys(method for row in table.alone.values() for method in row))
    rows = []
    for label, row in table.alone.items():
        cells = [Cell(label, sort=label)]
        record: dict[str, Any] = {"dataset": label}
        for method in methods:
            if (printed := row.get(method)) is None:
                cells.append(NONE)
                continue
            around = f"± {number(printed.sd)}" if printed.sd is not None else ""
            cells.append(Cell(number(printed.value), around, sort=printed.value))
            record |= {method: printed.value, f"{method} sd": printed.sd}
        rows.append(Row(cells, modality=table.modality, record=record))
    columns = [*words("Dataset"), *(Column(method) for method in methods)]
    caption = f"{table.caption}, higher is better, as the paper prints it. {table.printed_alone}"
    name, title = file_name(results, paper, table.id), heading(results, paper, table.title)
    return Table(name, title, caption, columns, rows)


def paper_table(results: Results, paper: Paper, table: PaperTable) -> Table:
    """AUROC as the paper lays it out: a row for each of its datasets, a column for each of its methods.

    Beside them stand the best of the suite's other methods and the controls; below them, in rows of their own, the
    suite's further datasets of the modality, and the mean over all rows.
    """
    own, further = rows_of(results, paper, table)
    datasets, columns_of = [*own, *further], table.columns
    printed = {cell: found.value for cell, found in table.numbers.items()}
    others = [method for method in results.methods if method not in columns_of]
    rivals = [method for method in others if method in results.rivals]
    tracks = list(dict.fromkeys(results.methods[method].track for method in rivals))

    columns = words("Dataset", "Level")
    columns += [Column(label, note=_track_note(results, paper, method)) for method, label in columns_of.items()]
    columns += [Column("Best other", note=track if len(tracks) > 1 else "") for track in tracks]
    columns += [Column("Best control"), Column("Random", note="95% band")]

    rows = []
    for dataset in datasets:
        summary, rank = results.summaries[dataset], ranks(results, dataset)
        low, high = summary.random_band
        cells = [Cell(results.label(dataset), sort=results.label(dataset)), Cell(summary.level)]
        record: dict[str, Any] = {"dataset": dataset, "level": summary.level}
        for method in columns_of:
            cell = ranked_cell(results, dataset, method, rank, printed.get((dataset, method)))
            reproduced = (dataset, method) in printed and judge(results, paper, dataset, method)[0] == REPRODUCED
            cells.append(replace(cell, note=f"{cell.note} {MARK}") if reproduced else cell)
        for track in tracks:
            methods = [method for method in rivals if results.methods[method].track == track]
            cells.append(_best_other(results, dataset, methods, rank))
        control, bar = results.best_control(dataset) or ("", 0.0)
        beside = Cell(number(bar), note=results.methods[control].label, sort=bar) if control else NOBODY
        cells += [beside, Cell(f"{number(low)}–{number(high)}", sort=low, tone="quiet")]
        for method in [*columns_of, *others]:
            score, published = results.score(dataset, method), printed.get((dataset, method))
            record |= machine_fields(score, method, published, paper=method in columns_of)
        record |= {"random low": digits(low), "random high": digits(high)}
        rule = bool(own) and dataset in further[:1]
        rows.append(Row(cells, dataset, table.modality, record=record, rule=rule))

    if len(datasets) > 1:
        rows.append(_mean_row(results, table, datasets, len(columns)))
    caption = f"{table.caption}, higher is better. {protocol(results, datasets)} Bold: best method of its track, "
    caption += "variants aside"
    if table.numbers:
        caption += f"; small print: published number and measured − published, {MARK} {tolerance(paper)}"
    name, title = file_name(results, paper, table.id), heading(results, paper, table.title)
    notes, fields = _notes(results, paper, table, datasets, rows), ("dataset", "level", *columns_of)
    return Table(name, title, f"{caption}.", columns, rows, notes, fields)


def rows_of(results: Results, paper: Paper, table: PaperTable) -> tuple[list[str], list[str]]:
    """The datasets of a table that the suite has, and the suite's further ones of the modality.

    A variant of a dataset has a row where the paper's table is mapped to it, and nowhere else. The further ones stand
    below the paper's first table of the modality alone.
    """
    alike = paper.tables_of(table.modality)
    named = {dataset for other in alike for dataset in other.datasets.values()}
    known = results.summaries.keys() - results.refused.keys()
    own = [dataset for dataset in table.datasets.values() if dataset in known]
    return own, [d for d in results.of_modality(table.modality) if d not in named and table is alike[0]]


def _notes(results: Results, paper: Paper, table: PaperTable, datasets: list[str], rows: list[Row]) -> list[str]:
    notes = [] if datasets else [f"This suite has no {table.modality} dataset."]
    notes += footnotes(results, rows) + partial_notes(results, datasets)
    reasons: dict[str, list[str]] = {}
    for dataset, reason in table.not_comparable.items():
        if dataset in datasets:
            reasons.setdefault(reason, []).append(results.label(dataset))
    notes += [f"No set-up comparable with the paper's for {', '.join(d)}: {why}." for why, d in reasons.items()]
    if absent := [dataset for dataset in table.datasets.values() if dataset not in datasets]:
        notes.append(f"Rows of the paper that this suite does not have: {', '.join(absent)}.")
    reasons = {}
    for column in table.further:
        reasons.setdefault(paper.left_out.get(column, ""), []).append(column)
    notes += [
        f"Columns of the paper that this project does not have: {', '.join(columns)}. {why}".rstrip()
        for why, columns in reasons.items()
    ]
    return notes


def _track_note(results: Results, paper: Paper, method: str) -> str:
    """The track, named under a method's header where the paper's methods do not share one."""
    named = {name for table in paper.tables for name in table.columns}
    tracks = {info.track for info in results.methods.values() if info.id in named}
    return results.methods[method].track if len(tracks) > 1 and method in results.methods else ""


def _best_other(results: Results, dataset: str, methods: list[str], rank: dict[str, int]) -> Cell:
    best = results.strongest(dataset, methods)
    if best is None:
        return replace(NOBODY, title="no other method of this track has a score here")
    cell = ranked_cell(results, dataset, best, rank, None)
    return replace(cell, note=results.methods[best].label, sort=results.score(dataset, best).mean, title="")


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
