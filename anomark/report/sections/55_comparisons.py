"""Which differences between methods are more than chance: paired bootstrap and rank tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from anomark.report.beside import beside_table, own_methods
from anomark.report.comparisons import comparison_table, headers
from anomark.report.rank_tests import Field, fields, rank_table
from anomark.report.render.critical_difference import diagram, rank_map
from anomark.report.render.draw import INK, name_rows
from anomark.report.results import Results
from anomark.report.section import Drawing, Section, Text
from anomark.report.shown import accent
from anomark.report.table import Table, number, signed
from anomark.report.tables import protocol

#: Of the ranks of one field: the stem of the files, what draws it, and its width.
PICTURES: tuple[tuple[str, Callable[[Results, Field], tuple[Figure, str, str]], Literal["", "wide"]], ...] = (
    ("ranks", diagram, ""),
    ("rank-map", rank_map, "wide"),
)


#: Of more methods of its own, a run has no table each against the reference.
MOST_OWN = 3


def build(results: Results) -> list[Section]:
    return [*beside_reference(results), comparisons(results)]


def beside_reference(results: Results) -> list[Section]:
    """What this run computed beside reference results, and which of these do not stand here; nothing without any."""
    own = own_methods(results)
    why = [Text(sentence, warning=True) for sentence in results.suite.left_out]
    tables = [beside_table(results, method) for method in own[: MOST_OWN if len(own) <= MOST_OWN else 0]]
    if not own and not why:
        return []
    labels = results.names(own) if len(own) <= MOST_OWN else f"{len(own)} methods"
    lead = f"**{labels}** stand beside reference results, which this run did not compute." if own else ""
    return [Section("reference", "Beside the reference", lead, [*why, *tables])]


def comparisons(results: Results) -> Section:
    """Every difference that the predeclared bootstrap tests, and the ranks."""
    table, ranks = comparison_table(results, protocol(results, [*results.datasets])), rank_table(results)
    drawings = [
        Drawing(f"{stem}-{field.name.replace(', ', '-').replace(' ', '-')}", partial(draw, results, field), kind=kind)
        for field in fields(results)
        if field.large_enough
        for stem, draw, kind in PICTURES
    ]
    if table.rows:
        drawings = [Drawing("comparisons", partial(difference_lines, results, table.data), kind="wide"), *drawings]
    return Section("comparisons-section", "What is distinguishable", lead(table), [*drawings, table, ranks])


def difference_lines(results: Results, data: pd.DataFrame) -> tuple[Figure, str, str]:
    """Mean differences in AUROC with their intervals: a panel an opponent, a line a method of a modality."""
    count = data["datasets"].str.count(" ")
    widest = data[count == count.groupby(data["modality"]).transform("max")]
    against = {name: header for name, header in headers(results).items() if widest[name].notna().any()}
    figure, panels = plt.subplots(
        1, max(1, len(against)), figsize=(9.0, 0.8 + 0.2 * len(widest)), sharey=True, squeeze=False
    )
    for (name, header), axes in zip(against.items(), panels[0], strict=False):
        for y, row in enumerate(widest.to_dict("records")):
            colour = accent(results, row["method"])
            axes.plot((row[f"{name} low"], row[f"{name} high"]), (y, y), color=colour, linewidth=1.4)
            axes.plot(row[name], y, "o", color=colour, markersize=4.5)
        axes.axvline(0, color=INK, linewidth=0.6)
        axes.set_title(header, fontsize=8)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_formatter(lambda value, _: number(value, 2))
    pairs = widest[["method", "modality"]].itertuples(index=False)
    labels = [f"{results.methods[method].label}, {results.noun(modality)}" for method, modality in pairs]
    name_rows(panels[0, 0], labels)
    figure.supxlabel("difference in AUROC", fontsize=9)
    caption = (
        "Difference in AUROC, mean over the datasets of a modality, with its 95% interval; a line that crosses 0 can't "
        "be told from no difference. Missing: a method or its opponent has no score on some dataset. "
    )
    alt = "Differences in AUROC: " + "; ".join(
        f"{label} {header.lower()} {signed(row[name])}"
        for label, row in zip(labels, widest.to_dict("records"), strict=True)
        for name, header in against.items()
        if not pd.isna(row[name])
    )
    return figure, caption + protocol(results, [*results.datasets]), f"{alt}."


def lead(table: Table) -> str:
    """How many differences the paired bootstrap tells from none."""
    found = [cell for row in table.rows if not row.summary for cell in row.cells if cell.spread]
    if not found:
        return "No two methods can be compared."
    return (
        f"**{sum(cell.best for cell in found)} of {len(found)}** differences on single datasets are distinguishable "
        "from none (paired bootstrap, p < .05, not corrected for their number)."
    )
