"""Every method and control on every dataset, best first, and what quality costs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from anomark.report.metrics import failure_notes, further_metrics, metric_notes
from anomark.report.render.draw import BLUE, GREY, freeze
from anomark.report.results import ORACLE, Results
from anomark.report.section import Drawing, Section
from anomark.report.shown import accent
from anomark.report.table import NONE, Cell, Column, Row, Table, number, words
from anomark.report.tables import (
    TIED,
    digits,
    footnotes,
    machine_fields,
    partial_notes,
    protocol,
    ranked_cell,
    ranks,
    score_cell,
)

#: What a method costs: column of outcomes.csv -> header, format, and factor from the file's unit to the header's.
COSTS = {
    "fit_seconds": ("Fit, s", "{:.1f}", 1.0),
    "seconds_per_sample": ("Per sample, ms", "{:.2f}", 1000.0),
    "network_calls": ("Calls", "{:,.0f}", 1.0),
    "flops_per_sample": ("MFLOP per sample", "{:,.1f}", 1e-6),
    "parameters": ("Parameters", "{:,.0f}", 1.0),
    "peak_memory_mb": ("Peak, MB", "{:,.0f}", 1.0),
}
#: Columns of outcomes.csv over which AUROC is drawn: what an axis says, and its unit in seconds.
COST_AXES = {"seconds_per_sample": ("scoring, ms a sample", 1000.0), "fit_seconds": ("training, s", 1.0)}
#: Cheaper ones stand here, in the axis' unit: a constant score would take half of the panel.
CHEAPEST = 0.01
#: Where a name may stand beside its mark, best first.
BESIDE = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))


def build(results: Results) -> Section | None:
    table = leaderboard(results)
    if not table.rows:
        return None
    priced = any(len(cost_points(results, modality)) for modality in results.modalities)
    pictures = [Drawing("cost", partial(cost_curves, results), kind="wide")] if priced else []
    return Section("board", "Leaderboard", lead(results), [*pictures, table])


def lead(results: Results) -> str:
    """Which methods are first most often, in any track."""
    firsts: Counter[str] = Counter()
    for dataset in results.datasets:
        means = {method: round(mean, 3) for method, mean in results.means(dataset, results.rivals).items()}
        firsts.update(method for method, mean in means.items() if mean == max(means.values()))
    if not firsts:
        return "No method has a number on any dataset."
    named = ", ".join(f"{results.methods[method].label} on **{count}**" for method, count in firsts.most_common(3))
    count = len(results.datasets)
    return f"Of {count} dataset{'s' * (count != 1)} the best method is {named}, whatever its track."


def cost_points(results: Results, modality: str) -> pd.DataFrame:
    """AUROC and costs of each method and control, means over the modality's datasets; those with all of them only.

    Variants, the oracle, and what has no number on one of the datasets are left out.
    """
    datasets = results.of_modality(modality)
    means = {method: score.mean for method, score in results.averages(modality).items()}
    points = pd.DataFrame({"auroc": means}, dtype=float).drop([m for m in means if results.methods[m].is_variant])
    for column in COST_AXES:
        costs = [[results.cost(dataset, method, column) for dataset in datasets] for method in points.index]
        points[column] = [np.array(values, dtype=float).mean() for values in costs]
    return points.dropna()


def frontier(cost: pd.Series, auroc: pd.Series) -> list[str]:
    """The methods that no other one beats in AUROC at the same or a lower cost, cheapest first."""
    order = pd.DataFrame({"cost": cost, "auroc": -auroc.astype(float)}).sort_values(["cost", "auroc"])
    best = -order["auroc"].shift(fill_value=np.inf).cummin()
    return list(order.index[-order["auroc"] > best])


def cost_curves(results: Results) -> tuple[Figure, str, str]:
    """Mean AUROC over what a score and what training costs: a row a modality, a mark a method."""
    tables = {modality: cost_points(results, modality) for modality in results.modalities}
    tables = {modality: table for modality, table in tables.items() if len(table)}
    shapes = dict(zip(results.tracks, cycle("o^D"), strict=False))
    figure, panels = plt.subplots(
        len(tables), len(COST_AXES), figsize=(9.0, 0.4 + 3.4 * len(tables)), sharey="row", squeeze=False
    )
    alt, named = "AUROC over cost. ", []
    for (modality, table), row in zip(tables.items(), panels, strict=True):
        infos = {method: results.methods[method] for method in table.index}
        ranked = table[[not info.is_control for info in infos.values()]]
        for (column, (label, scale)), axes in zip(COST_AXES.items(), row, strict=True):
            x = (table[column] * scale).clip(lower=CHEAPEST)
            best = frontier(x[ranked.index], ranked["auroc"])
            axes.step(x[best], table["auroc"][best], where="post", color=GREY, linewidth=0.8, zorder=1)
            for method, info in infos.items():
                shape = "s" if info.is_control else shapes[info.track]
                axes.plot(x[method], table["auroc"][method], shape, color=accent(results, method), markersize=5)
            axes.set_xscale("log")
            axes.margins(0.12, 0.1)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.minorticks_off()
            axes.yaxis.set_major_formatter(lambda value, _: number(value, 2))
            axes.set(xlabel=label)
            # Names in order of interest: the featured methods, then the best.
            order = sorted(infos, key=lambda m: (m not in results.featured(modality), -table["auroc"][m]))
            named.append((axes, {infos[m].label: (x[m], table["auroc"][m]) for m in order}))
        noun = results.noun(modality)
        row[0].set_ylabel(f"mean AUROC, {noun}")
        alt += f"{noun.capitalize()}: the best method for the cost of a score, cheapest first, is "
        cheap = frontier(ranked["seconds_per_sample"], ranked["auroc"])
        alt += ", ".join(f"{infos[m].label} {number(table['auroc'][m])}" for m in cheap) + ". "
    marks = {track: (shape, BLUE) for track, shape in shapes.items()} | {"control": ("s", GREY)}
    handles = [Line2D([], [], marker=shape, color=colour, linestyle="") for shape, colour in marks.values()]
    figure.legend(handles, list(marks), loc="outside upper left", ncols=len(marks), handletextpad=0.2)
    freeze(figure)
    for axes, marked in named:
        _name_marks(axes, marked)
    caption = (
        "What quality costs: AUROC and seconds of this run's machine, means over the datasets of a modality. Line: the "
        f"best method at that cost or less; costs below {CHEAPEST:g} stand at {CHEAPEST:g}; names where there is room. "
        "Left out: variants, and what has no number on every dataset. "
    )
    return figure, caption + protocol(results, list(results.datasets)), alt.strip()


def _name_marks(axes: Any, marks: dict[str, tuple[float, float]]) -> None:
    """Write each name beside its mark, first come, first served; what would overlap everywhere is left out.

    The panel must have its final place.
    """
    panel, points = axes.bbox, axes.transData.transform(list(marks.values()))
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in points]
    for name, place in marks.items():
        for dx, dy in BESIDE:
            aligned = {"ha": ("center", "left", "right")[dx], "va": ("center", "bottom", "top")[dy]}
            offset = {"xytext": (6 * dx, 4 * dy), "textcoords": "offset points"}
            text = axes.annotate(name, place, **offset, **aligned, fontsize=7.5, annotation_clip=False)
            box = text.get_window_extent()
            inside = panel.x0 <= box.x0 and box.x1 <= panel.x1 and panel.y0 <= box.y0 and box.y1 <= panel.y1
            if inside and not box.count_overlaps(taken):
                taken.append(box)
                break
            text.remove()


def leaderboard(results: Results) -> Table:
    """Every method and control on every dataset, best first, with its metrics and what it cost."""
    further = further_metrics(results)
    headers = ["Rank", "AUROC", *(metric.label for metric in further), *(header for header, *_ in COSTS.values())]
    columns = words("Dataset", "Method", "Track") + [Column(header) for header in headers]
    rows = []
    for dataset, summary in results.datasets.items():
        rank = ranks(results, dataset)
        scores = {method: results.score(dataset, method) for method in results.methods}
        order = sorted(scores, key=lambda method: (not scores[method], method == ORACLE, -(scores[method].mean or 0.0)))
        for method in order:
            info, score = results.methods[method], scores[method]
            if score.status == "not in suite":
                continue

            track = "control" if info.is_control else info.track
            published = results.published.get((dataset, method))
            auroc = ranked_cell(results, dataset, method, rank, published)
            cells = [Cell(results.label(dataset), note=summary.level)]
            cells += [Cell(info.label, note=info.id if info.id != info.label else ""), Cell(track, tone="quiet")]
            cells += [Cell(str(rank[method]), sort=rank[method]) if method in rank else NONE, auroc]
            record: dict[str, Any] = {"dataset": dataset, "modality": summary.modality, "level": summary.level}
            record["method"] = method
            record |= {"kind": info.kind, "track": track, "rank": rank.get(method, "")}
            record |= machine_fields(score, "auroc", published, paper=True)
            for metric in further:
                value = results.score(dataset, method, metric.id)
                cells.append(score_cell(value, digits=metric.digits) if value else replace(NONE, title=value.reason))
                record |= {metric.id: digits(value.mean), f"{metric.id} ci95": digits(value.ci95)}
            record |= {"below control": auroc.below_control, "tied with best": TIED in auroc.spread}
            record |= {"status": score.status, "reason": score.reason}
            for key, (_, form, factor) in COSTS.items():
                cost = results.cost(dataset, method, key)
                cells.append(NONE if cost is None else Cell(form.format(cost * factor), sort=cost))
                record[key] = digits(cost)
            rows.append(Row(cells, dataset, summary.modality, method, record))
    caption = (
        f"Every method and control on every dataset by AUROC, higher is better. "
        f"{protocol(results, list(results.datasets))} "
        f"Ranks run within one dataset and track; controls, variants and the oracle are not ranked. "
        f"{metric_notes(further)} "
        f"Small print: published number and measured − published."
    )
    # A metric that nothing in the suite has, and a cost that nothing recorded, take no room.
    kept = [i for i in range(len(columns)) if any(row.cells[i].text != "–" for row in rows)]
    columns = [columns[i] for i in kept]
    rows = [replace(row, cells=[row.cells[i] for i in kept]) for row in rows]
    notes = footnotes(results, rows) + partial_notes(results, results.datasets) + failure_notes(results, further)
    if ORACLE in results.methods:
        notes.append("The oracle reads the labels: it checks the harness.")
    return Table("leaderboard", "Leaderboard", caption, columns, rows, notes)
