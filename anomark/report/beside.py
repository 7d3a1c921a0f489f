"""One method beside the reference results of its suite: its own number, theirs, and which differences are chance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from anomark.report.comparisons import difference, interval
from anomark.report.results import Results
from anomark.report.table import NONE, Cell, Column, Row, Table, signed, words
from anomark.report.tables import protocol, reference_note, score_cell
from anomark.statistics.bootstrap import REPLICATES


def own_methods(results: Results) -> list[str]:
    """The methods that this run computed on a dataset where reference results stand beside."""
    there = [dataset for dataset in results.datasets if _reference(results, dataset)]
    return [
        method
        for method, info in results.methods.items()
        if not info.is_control and any(_own(results, dataset, method) for dataset in there)
    ]


def _own(results: Results, dataset: str, method: str) -> bool:
    score = results.score(dataset, method)
    return bool(score) and not score.reference


def _reference(results: Results, dataset: str) -> list[str]:
    """The methods of which a reference result stands here."""
    return [m for m in results.methods if (score := results.score(dataset, m)) and score.reference]


def beside_table(results: Results, method: str) -> Table:
    """A method's AUROC in the first row; below it each reference method's, and the method's AUROC minus it."""
    datasets = [d for d in results.datasets if _own(results, d, method) and _reference(results, d)]
    columns = words("Method", "Track") + [
        Column(results.label(d), dataset=d, modality=results.summaries[d].modality) for d in datasets
    ]
    others = list(dict.fromkeys(m for d in datasets for m in _reference(results, d)))
    sizes = {m: [mean for d in datasets if (mean := results.score(d, m).mean) is not None] for m in others}
    others.sort(key=lambda m: (-len(sizes[m]), -sum(sizes[m])))
    info = results.methods[method]
    own = [Cell(info.label), Cell(info.track, tone="quiet"), *(score_cell(results.score(d, method)) for d in datasets)]
    first = {"method": method} | {d: results.score(d, method).mean for d in datasets}
    rows = [Row(own, method=method, record=first)]
    for other in others:
        about = results.methods[other]
        cells = [Cell(about.label), Cell("control" if about.is_control else about.track, tone="quiet")]
        record: dict[str, Any] = {"method": other}
        for dataset in datasets:
            score, tested = results.score(dataset, other), difference(results, [(dataset, method, other)])
            cell = score_cell(score) if score else replace(NONE, title=score.reason)
            note = f"{signed(tested.difference)} {interval(tested, signed)}" if tested else ""
            cells.append(replace(cell, note=note, best=tested is not None and tested.distinguishable))
            record |= {dataset: score.mean}
            if tested:
                names = (f"{dataset} difference", f"{dataset} low", f"{dataset} high", f"{dataset} p")
                record |= dict(zip(names, (tested.difference, tested.low, tested.high, tested.p), strict=True))
        rows.append(Row(cells, method=other, record=record, rule=other == others[0]))
    caption = (
        f"AUROC of {info.label}, then that of each reference result, best mean first. Small print: {info.label} minus "
        f"the method of the row, with its 95% interval and two-sided p of the paired bootstrap on the stored scores "
        f"({REPLICATES} replicates); bold: p < .05, not corrected for their number. {protocol(results, datasets)}"
    )
    notes = [reference_note(results)] if others else []
    return Table(f"beside-{method}", f"{info.label} beside the reference", caption, columns, rows, notes)
