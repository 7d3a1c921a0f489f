"""The table for readers in a hurry: what the suite highlights, and what a user would pick instead."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from anomark.report.comparisons import strongest
from anomark.report.render.draw import GREEN, GREY, INK, PURPLE, name_rows, scale_auroc
from anomark.report.results import Results
from anomark.report.section import Drawing, Section
from anomark.report.shown import accent
from anomark.report.table import NONE, Cell, Column, Row, Table, number, words
from anomark.report.tables import REFERENCE, below_control, footnotes, partial_notes, protocol, score_cell


def build(results: Results) -> Section | None:
    table = headline_table(results)
    lead = headline_sentence(results) or f"The strongest of each kind on {len(results.datasets)} datasets."
    if not table.rows:
        return None
    drawing = Drawing("headline", partial(headline_dots, results, table.data), kind="wide")
    return Section("headline-section", "In one table", lead, [drawing, table])


#: Rows of the picture; the table has the further datasets.
MOST = 30


def headline_dots(results: Results, data: pd.DataFrame) -> tuple[Figure, str, str]:
    """A row a dataset: the first highlighted method and the strongest of each kind as marks on one line."""
    rows = data.head(MOST)
    first = [method for method in results.suite.highlight[:1] if method in results.methods]
    marks = {"strongest control": ("s", GREY), "strongest classical": ("^", GREEN), "strongest of all": ("D", PURPLE)}
    marks |= {method: ("o", accent(results, method)) for method in first}
    labels = {name: results.methods[name].label if name in results.methods else name for name in marks}
    figure, axes = plt.subplots(figsize=(7.0, 0.8 + 0.22 * len(rows)))
    places = range(len(rows))
    name_rows(axes, [results.label(dataset) for dataset in rows["dataset"]])
    axes.hlines(places, rows[[*marks]].min(axis=1), rows[[*marks]].max(axis=1), color=INK, linewidth=0.5, alpha=0.5)
    for name, (shape, colour) in marks.items():
        filled = colour if name in (*first, "strongest control") else "none"
        style: Any = {"markerfacecolor": filled, "markersize": 6, "markeredgewidth": 1.4}
        axes.plot(rows[name], places, shape, color=colour, label=labels[name], **style)
    axes.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)
    scale_auroc(axes)
    axes.set_xlabel("AUROC")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(marks), handletextpad=0.2, borderaxespad=0.2)
    caption = "AUROC of the first highlighted method beside the strongest of each kind on every dataset"
    caption += f", of which the first {MOST} are shown. " if len(data) > MOST else ". "
    alt = "Dots of AUROC by dataset: " + "; ".join(
        f"{results.label(row['dataset'])} "
        + ", ".join(f"{label} {number(row[name])}" for name, label in labels.items() if not pd.isna(row[name]))
        for row in rows.to_dict("records")
    )
    return figure, caption + protocol(results, [*results.datasets]), f"{alt}."


def headline_table(results: Results) -> Table:
    """AUROC: the published number of the first highlighted method, all of them, and the strongest of the rest."""
    shown = results.suite.highlight
    headers = [results.methods[method].label if method in results.methods else method for method in shown]
    headers = ["Published", *headers, "Strongest control", "Strongest classical", "Strongest of all"]
    rows = []
    for dataset, summary in results.datasets.items():
        published = results.published.get((dataset, shown[0])) if shown else None
        control, classical = strongest(results, dataset).values()
        chosen = {"strongest control": control, "strongest classical": classical}
        chosen["strongest of all"] = results.strongest(dataset, results.rivals)
        scores = {method: results.score(dataset, method) for method in shown}
        cells = [Cell(results.label(dataset), sort=results.label(dataset))]
        cells.append(Cell(number(published), sort=published) if published is not None else NONE)
        cells += [score_cell(s, below=below_control(results, dataset, method)) for method, s in scores.items()]
        cells += [_named(results, dataset, method) for method in chosen.values()]
        record = {"dataset": dataset, "published": published} | {method: s.mean for method, s in scores.items()}
        for name, method in chosen.items():
            record |= {name: results.score(dataset, method).mean if method else None, f"{name} is": method}
        rows.append(Row(cells, dataset, summary.modality, record=record))
    made = ", ".join(value[:10] for value in (results.suite.date, results.suite.commit) if value)
    caption = (
        f"AUROC, suite {results.suite.suite}{f' ({made})' if made else ''}. {protocol(results, [*results.datasets])} "
        "The strongest are those of each dataset as measured here, which favours them; variants are no rivals."
    )
    notes = footnotes(results, rows) + partial_notes(results, results.datasets)
    columns = words("Dataset") + [Column(header) for header in headers]
    return Table("headline", "Headline", caption, columns, rows, notes)


def headline_sentence(results: Results) -> str:
    """On how many datasets the first highlighted method is ahead of the strongest classical method and control."""
    first = next(iter(results.suite.highlight), "")
    if first not in results.methods:
        return ""
    parts = []
    for name in ("strongest classical method", "strongest control"):
        pairs = [
            (mean, results.score(dataset, rival).mean or 0.0)
            for dataset in results.datasets
            for mean in results.means(dataset, [first]).values()
            if (rival := strongest(results, dataset, first)[name])
        ]
        if pairs:
            parts.append(f"the {name} on **{sum(mean > other for mean, other in pairs)} of {len(pairs)}**")
    return f"{results.methods[first].label} is ahead of {' and of '.join(parts)} datasets." if parts else ""


def _named(results: Results, dataset: str, method: str | None) -> Cell:
    """A score under the name of its method."""
    if method is None:
        return Cell("none", tone="quiet")
    cell = score_cell(results.score(dataset, method), below=below_control(results, dataset, method))
    mark = REFERENCE if REFERENCE in cell.spread.split() else ""
    return replace(cell, spread=mark, note=results.methods[method].label)
