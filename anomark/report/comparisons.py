"""Which differences exceed the draw of the test set and of the seeds: the predeclared paired bootstrap.

Each dataset keeps a method's mean AUROC on replicates of its test set, the same for all methods; a difference, and a
mean over datasets, is taken replicate by replicate (`anomark.statistics.bootstrap`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from anomark.report.results import ORACLE, Results
from anomark.report.table import Cell, Column, Row, Table, number, signed
from anomark.statistics.bootstrap import REPLICATES, Comparison, compare

#: The family of methods that take no gradient steps.
CLASSICAL = "classical"


def relative_change(
    results: Results, datasets: Sequence[str], method: str, full: str, measured: float
) -> Comparison | None:
    """A method's `measured` change of mean AUROC over `datasets`, in percent of another method's."""
    sums = []
    for name in (method, full):
        drawn = [values for d in datasets if (values := results.replicates.get((d, name))) is not None]
        if len(drawn) < len(datasets):
            return None
        sums.append(np.sum(drawn, axis=0, dtype=np.float64))
    return compare(measured, 100 * (np.asarray(sums[0]) / np.asarray(sums[1]) - 1))


def difference(results: Results, pairs: Sequence[tuple[str, str, str]]) -> Comparison | None:
    """Mean difference in AUROC over (dataset, method, opponent); None where one of them has no score."""
    measured, drawn = [], []
    for dataset, method, opponent in pairs:
        mean, other = results.score(dataset, method).mean, results.score(dataset, opponent).mean
        a, b = (results.replicates.get((dataset, m)) for m in (method, opponent))
        if mean is None or other is None or a is None or b is None:
            return None
        measured.append(mean - other)
        drawn.append(a.astype(np.float64) - b)
    return compare(float(np.mean(measured)), np.mean(drawn, axis=0)) if measured else None


def strongest(results: Results, dataset: str, candidates: Sequence[str]) -> str | None:
    means = {m: mean for m in candidates if (mean := results.score(dataset, m).mean) is not None}
    return max(means, key=lambda method: means[method]) if means else None


def strongest_control(results: Results, dataset: str, method: str = "") -> str | None:
    """The control with the highest mean AUROC on a dataset, the oracle aside."""
    return strongest(results, dataset, [m.id for m in results.methods.values() if m.is_control and m.id != ORACLE])


def strongest_classical(results: Results, dataset: str, method: str = "") -> str | None:
    """The classical method with the highest mean AUROC on a dataset, other than `method`."""
    classical = [m.id for m in results.methods.values() if m.family == CLASSICAL and m.id != method]
    return strongest(results, dataset, classical)


Opponent = Callable[[Results, str, str], str | None]


def opponents(results: Results) -> dict[str, tuple[str, Opponent]]:
    """Whom methods are compared with: name of the column in the CSV file -> header, and who it is on a dataset.

    These are the baseline of each paper, the strongest control and the strongest classical method.
    """
    found: dict[str, tuple[str, Opponent]] = {}
    for baseline in dict.fromkeys(paper.baseline for paper in results.papers):
        if baseline in results.methods:
            found[baseline] = f"Against {results.methods[baseline].label}", _fixed(baseline)
    found["strongest control"] = "Against the strongest control", strongest_control
    found["strongest classical method"] = "Against the strongest classical method", strongest_classical
    return found


def _fixed(opponent: str) -> Opponent:
    return lambda results, dataset, method: opponent if method != opponent else None


def comparison_table(results: Results, protocol: str) -> Table:
    """The papers' methods and the highlighted ones against each baseline and the strongest of what is cheap."""
    against_all = opponents(results)
    columns = [Column("Dataset", numeric=False), Column("Method", numeric=False)]
    columns += [Column(header) for header, _ in against_all.values()]
    rows, data = [], []
    for modality in results.modalities:
        datasets = results.of_modality(modality)
        scopes = [([dataset], results.label(dataset), dataset) for dataset in datasets]
        if len(datasets) > 1:
            scopes.append((datasets, f"Mean of {len(datasets)} ({modality})", ""))
        named = dict.fromkeys([*results.paper_methods(modality), *results.highlight])
        methods = [method for method in named if method in results.methods]
        for scope, label, dataset in scopes:
            for method in methods:
                cells = []
                record: dict[str, Any] = {"modality": modality, "datasets": " ".join(scope), "method": method}
                for name, (_, choose) in against_all.items():
                    known = [o for d in scope if (o := choose(results, d, method)) is not None]
                    pairs = list(zip(scope, [method] * len(scope), known, strict=False))
                    result = difference(results, pairs) if len(known) == len(scope) else None
                    against = results.methods[known[0]].label if result and len(set(known)) == 1 else ""
                    cells.append(_cell(result, "" if name in results.methods else against))
                    record |= _fields(name, result) | {f"{name} is": " ".join(dict.fromkeys(known))}
                if any(cell.sort is not None for cell in cells):
                    head = [Cell(label, sort=label), Cell(results.methods[method].label)]
                    rows.append(Row([*head, *cells], dataset, modality, method, summary=not dataset))
                    data.append(record)
    caption = (
        f"Difference in AUROC with its 95% interval and two-sided p: paired bootstrap, {REPLICATES} replicates of test "
        "units (images, windows and clips within each class, recordings where known, blocks of two windows of a "
        "series) and of seeds. Bold: p < .05, not corrected for the number of comparisons. Opponents are the strongest "
        f"of each dataset as measured here, which favours them. {protocol}"
    )
    notes = [] if rows else ["This suite has nothing to compare."]
    frame = pd.DataFrame(data) if data else pd.DataFrame(columns=["modality", "datasets", "method"])
    return Table("comparisons", "Comparisons", caption, columns, rows, frame, notes)


def interval(comparison: Comparison, form: Callable[[float], str]) -> str:
    """[low, high] p=.012"""
    p = "p<.001" if comparison.p < 0.001 else f"p={number(comparison.p)}"
    return f"[{form(comparison.low)}, {form(comparison.high)}] {p}"


def _cell(result: Comparison | None, against: str) -> Cell:
    if result is None:
        return Cell("–", tone="quiet", title="one of the two has no score")
    text = signed(result.difference)
    return Cell(text, interval(result, signed), against, round(result.difference, 6), best=result.distinguishable)


def _fields(name: str, result: Comparison | None) -> dict[str, Any]:
    values = (result.difference, result.low, result.high, result.p) if result else [None] * 4
    return dict(zip((name, f"{name} low", f"{name} high", f"{name} p"), values, strict=True))
