"""Which differences exceed the draw of the test set and of the seeds: the predeclared paired bootstrap.

Each dataset keeps a method's mean AUROC on replicates of its test set, the same for all methods; a difference, and a
mean over datasets, is taken replicate by replicate (`anomark.statistics.bootstrap`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from anomark.report.results import Results
from anomark.report.table import NONE, Cell, Column, Row, Table, number, signed, words
from anomark.statistics.bootstrap import REPLICATES, Comparison, compare

#: The family of methods that take no gradient steps.
CLASSICAL = "classical"


def relative_change(
    results: Results, datasets: Sequence[str], method: str, full: str, measured: float
) -> Comparison | None:
    """A method's `measured` change of mean AUROC over `datasets`, in percent of another method's."""
    if any((dataset, name) not in results.replicates for dataset in datasets for name in (method, full)):
        return None
    drawn = [[results.replicates[dataset, name] for dataset in datasets] for name in (method, full)]
    of_method, of_full = np.array(drawn, dtype=np.float64).sum(axis=1)
    return compare(measured, 100 * (of_method / of_full - 1))


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


def baselines(results: Results) -> list[str]:
    """The methods that the suite's papers compare theirs with first."""
    return [method for method in dict.fromkeys(paper.baseline for paper in results.papers) if method in results.methods]


def strongest(results: Results, dataset: str, method: str = "") -> dict[str, str | None]:
    """What is strongest on a dataset, among the controls and among the classical methods other than `method`."""
    classical = [m.id for m in results.methods.values() if m.family == CLASSICAL and m.id != method]
    return {
        "strongest control": results.strongest(dataset, results.controls),
        "strongest classical method": results.strongest(dataset, classical),
    }


def headers(results: Results) -> dict[str, str]:
    """What the columns of the table are called: name in the CSV file -> header."""
    found = {baseline: f"Against {results.methods[baseline].label}" for baseline in baselines(results)}
    return found | {name: f"Against the {name}" for name in ("strongest control", "strongest classical method")}


def opponents(results: Results, dataset: str, method: str) -> dict[str, str | None]:
    """Whom a method is compared with on a dataset: name of the column in the CSV file -> method."""
    fixed = {baseline: baseline if baseline != method else None for baseline in baselines(results)}
    return fixed | strongest(results, dataset, method)


def comparison_table(results: Results, protocol: str) -> Table:
    """The papers' methods and the highlighted ones against each baseline and the strongest of what is cheap."""
    columns = words("Dataset", "Method") + [Column(header) for header in headers(results).values()]
    rows = []
    for modality in results.modalities:
        datasets = results.of_modality(modality)
        scopes = [([dataset], results.label(dataset), dataset) for dataset in datasets]
        if len(datasets) > 1:
            scopes.append((datasets, f"Mean of {len(datasets)} ({modality})", ""))
        named = dict.fromkeys([*results.paper_methods(modality), *results.suite.highlight])
        methods = [method for method in named if method in results.methods]
        for (scope, label, dataset), method in product(scopes, methods):
            cells = [Cell(label, sort=label), Cell(results.methods[method].label)]
            record: dict[str, Any] = {"modality": modality, "datasets": " ".join(scope), "method": method}
            against = pd.DataFrame([opponents(results, dataset, method) for dataset in scope])
            for name, chosen in against.items():
                known = list(chosen.dropna())
                pairs = [(dataset, method, opponent) for dataset, opponent in zip(scope, known, strict=False)]
                result = difference(results, pairs) if len(known) == len(scope) else None
                alone = name not in results.methods and len(set(known)) == 1
                cells.append(_cell(result, results.methods[known[0]].label if result and alone else ""))
                record |= _fields(str(name), result) | {f"{name} is": " ".join(dict.fromkeys(known))}
            if any(cell.sort is not None for cell in cells[2:]):
                rows.append(Row(cells, dataset, modality, method, record, summary=not dataset))
    caption = (
        f"Difference in AUROC with its 95% interval and two-sided p: paired bootstrap, {REPLICATES} replicates of test "
        "units (images, windows and clips within each class, recordings where known, blocks of two windows of a "
        "series) and of seeds. Bold: p < .05, not corrected for the number of comparisons. Opponents are the strongest "
        f"of each dataset as measured here, which favours them. {protocol}"
    )
    notes = [] if rows else ["This suite has nothing to compare."]
    return Table("comparisons", "Comparisons", caption, columns, rows, notes, ("modality", "datasets", "method"))


def interval(comparison: Comparison, form: Callable[[float], str]) -> str:
    """[low, high] p=.012"""
    p = "p<.001" if comparison.p < 0.001 else f"p={number(comparison.p)}"
    return f"[{form(comparison.low)}, {form(comparison.high)}] {p}"


def _cell(result: Comparison | None, against: str) -> Cell:
    if result is None:
        return replace(NONE, title="one of the two has no score")
    text, beside = signed(result.difference), interval(result, signed)
    return Cell(text, beside, against, round(result.difference, 6), best=result.distinguishable)


def _fields(name: str, result: Comparison | None) -> dict[str, Any]:
    values = (result.difference, result.low, result.high, result.p) if result else [None] * 4
    return dict(zip((name, f"{name} low", f"{name} high", f"{name} p"), values, strict=True))
