"""What the tables of the report share: ranks, cells, captions and footnotes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from anomark.report.comparisons import difference
from anomark.report.results import Results
from anomark.report.score import NO_LABELS, SEEDS_FOR_INTERVAL, Score
from anomark.report.table import Cell, Row, number, signed

#: No number, and nothing went wrong.
EXPECTED = ("not in suite", "n/a", "incomplete", "undefined", NO_LABELS)
TIED = "≈"
TIED_NOTE = f"{TIED} not distinguishable from the best method of its track (paired bootstrap, p ≥ .05)."
REFERENCE = "r"
FOOTNOTE = "† below the strongest control of its dataset (the oracle aside)."


# -- ranking -----------------------------------------------------------------------------------------------------------


def ranks(results: Results, dataset: str) -> dict[str, int]:
    """Rank of each method that has a score, from 1, within its track; equal to three digits, equal in rank.

    Variants have none.
    """
    means = {method: round(mean, 3) for method, mean in results.means(dataset, results.rivals).items()}
    track = {method: results.methods[method].track for method in means}
    return {m: 1 + sum(means[o] > mean for o in means if track[o] == track[m]) for m, mean in means.items()}


def tied_with_best(results: Results, dataset: str, method: str, rank: dict[str, int]) -> bool:
    """Whether a method behind the best of its track cannot be told from it by the paired bootstrap."""
    if rank.get(method, 1) == 1:
        return False
    track = results.methods[method].track
    best = next(other for other, place in rank.items() if place == 1 and results.methods[other].track == track)
    test = difference(results, [(dataset, best, method)])
    return test is not None and not test.distinguishable


def below_control(results: Results, dataset: str, method: str) -> bool:
    """Whether a method's mean AUROC is lower than the strongest control's."""
    mean, bar = results.score(dataset, method).mean, results.best_control(dataset)
    info = results.methods.get(method)
    return mean is not None and bar is not None and info is not None and not info.is_control and mean < bar[1]


def below_controls(results: Results) -> tuple[int, int]:
    """How many results of methods lie below the strongest control of their dataset, and of how many."""
    methods = [method.id for method in results.methods.values() if not method.is_control]
    found = [(dataset, method) for dataset in results.datasets for method in results.means(dataset, methods)]
    return sum(below_control(results, *pair) for pair in found), len(found)


# -- cells and captions ------------------------------------------------------------------------------------------------


def spread(score: Score, digits: int = 3) -> str:
    """± the interval's half width; the range of two seeds; nothing for one seed or a deterministic method."""
    text = ""
    if score.ci95 is not None:
        text = f"± {number(score.ci95, digits)}"
    elif len(score.by_seed) > 1 and not score.deterministic:
        text = f"({number(score.low, digits)}–{number(score.high, digits)})"
    if 0 < len(score.by_seed) < score.seeds and not score.deterministic:
        text += f" {len(score.by_seed)}/{score.seeds} seeds"
    return text.strip()


def score_cell(
    score: Score,
    published: float | None = None,
    best: bool = False,
    below: bool = False,
    tied: bool = False,
    digits: int = 3,
) -> Cell:
    note = ""
    if published is not None:
        note = number(published) + (f" {signed(score.mean - published)}" if score.mean is not None else "")
    if score.mean is None:
        tone = "quiet" if score.status in EXPECTED else "status"
        return Cell(score.status, note=note, title=score.reason, tone=tone)
    marks = (spread(score, digits), TIED if tied else "", REFERENCE if score.reference else "")
    title = score.reason or (f"reference result, commit {score.reference[:10]}" if score.reference else "")
    return Cell(
        number(score.mean, digits), " ".join(filter(None, marks)), note, round(score.mean, 6), title, best, below
    )


def ranked_cell(results: Results, dataset: str, method: str, rank: dict[str, int], published: float | None) -> Cell:
    """A method's AUROC, with the marks of the best of its track, of those like it, and of those below a control."""
    best, below = rank.get(method) == 1, below_control(results, dataset, method)
    tied = tied_with_best(results, dataset, method, rank)
    return score_cell(results.score(dataset, method), published, best, below, tied)


def interval_phrase(results: Results) -> str:
    """How the numbers of a table are spread over seeds, for its caption."""
    if results.seeds >= SEEDS_FOR_INTERVAL:
        return f"mean ± 95% CI over {results.seeds} seeds (Student t)"
    return f"mean and range over {results.seeds} seeds" if results.seeds == 2 else "one seed"


def protocol(results: Results, datasets: Sequence[str]) -> str:
    """Level, seeds, split and f in one line: what a number must never stand without."""
    summaries = [results.summaries[dataset] for dataset in datasets]
    levels = sorted({summary.level for summary in summaries}) or ["none"]
    splits = sorted({choice for summary in summaries for choice in summary.choices if "split" in choice.lower()})
    known = all(summary.labelled for summary in summaries)
    fitted = "normal data only" if known else "the training part, which nobody says is normal"
    networks = sorted({str(summary.f or "none") for summary in summaries}) or ["none"]
    return (
        f"Level: {', '.join(levels)}; {interval_phrase(results)}, deterministic methods once; "
        f"split: fitted on {fitted}, scored on all test data{''.join(f', {s}' for s in splits)}; "
        f"f: {', '.join(networks)}."
    )


def machine_fields(score: Score, column: str, published: float | None = None, paper: bool = False) -> dict[str, Any]:
    """The machine-readable columns of one score: a number, or the status in its place."""
    fields: dict[str, Any] = {
        column: digits(score.mean) or score.status,
        f"{column} ci95": digits(score.ci95),
        f"{column} low": digits(score.low),
        f"{column} high": digits(score.high),
        f"{column} seeds": len(score.by_seed),
    }
    if paper:
        difference = score.mean - published if score.mean is not None and published is not None else None
        fields |= {f"{column} published": digits(published), f"{column} difference": digits(difference)}
    return fields


def digits(value: float | None) -> str:
    """A number as CSV files have it, empty where there is none."""
    return "" if value is None else f"{value:.6f}"


def reference_note(results: Results) -> str:
    """What the mark of a reference result means, and which commits it stands for."""
    commits = ", ".join(commit[:10] for commit in results.commits(results.outcomes))
    return (
        f"{REFERENCE} a reference result of commit {commits}, which this run did not compute; its costs are those of "
        "another machine."
    )


def footnotes(results: Results, rows: Sequence[Row]) -> list[str]:
    """What the marks in these rows mean."""
    cells = [cell for row in rows for cell in row.cells]
    marked = {
        FOOTNOTE: any(cell.below_control for cell in cells),
        TIED_NOTE: any(TIED in cell.spread for cell in cells),
        reference_note(results): any(REFERENCE in cell.spread.split() for cell in cells),
    }
    return [note for note, used in marked.items() if used]


def partial_notes(results: Results, datasets: Iterable[str]) -> list[str]:
    """One note for each dataset of which only a part was there: its number stands for that part alone."""
    return [
        f"{results.summaries[dataset].label}: {note}."
        for dataset in datasets
        for note in results.summaries[dataset].notes
        if note.startswith("partial")
    ]
