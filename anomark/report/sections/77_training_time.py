"""What more training is worth: AUROC over training time, and which methods have reached their plateau."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from anomark.report.render.draw import DASHED, GREY, INK, freeze
from anomark.report.results import Results
from anomark.report.section import Drawing, Section
from anomark.report.shown import MAX_CURVES, colours, shown
from anomark.report.table import Cell, Column, Row, Table, number, signed, words
from anomark.report.tables import digits, protocol
from anomark.statistics.plateau import FALLING, PLATEAU, RISING, TOLERANCE, last_doubling

#: The mark at the end of a line.
ENDS = {PLATEAU: "o", RISING: "^", FALLING: "v"}
#: Methods that train faster stand here, in seconds.
FASTEST = 0.01
#: Names of the best untrained methods that a picture has room for, and the height of a line of them, in points.
NAMED, LINE = 3, 10.0


def build(results: Results) -> Section | None:
    """A picture for each dataset and one table; None where no method was scored before its end."""
    if results.anytime.empty:
        return None
    table = doublings(results)
    pictures = [
        Drawing(f"{dataset}-training-time", partial(front, results, dataset), dataset, "half")
        for dataset in results.datasets
        if trained(results, dataset)
    ]
    return Section("training-time-section", "Training time", lead(table), [*pictures, table])


def lead(table: Table) -> str:
    """How many results are at their plateau."""
    counts = Counter(row.record["verdict"] for row in table.rows)
    told = f"**{counts[PLATEAU]} of {len(table.rows)}** trained results are at their plateau"
    return f"{told}: the last doubling of the steps moved them by less than {number(TOLERANCE, 2)}. " + (
        f"{counts[RISING]} are still rising and {counts[FALLING]} are falling."
    )


def trained(results: Results, dataset: str) -> list[str]:
    """The methods that were scored at several points of their training, in the suite's order."""
    return [method for method in results.methods if len(results.course(dataset, method))]


def untrained(results: Results, dataset: str) -> dict[str, tuple[float, float]]:
    """(seconds of the fit, mean AUROC) of the methods that were not, variants and controls aside, best first."""
    found = {}
    for method in results.rivals:
        mean, seconds = results.score(dataset, method).mean, results.cost(dataset, method, "fit_seconds")
        if mean is not None and seconds is not None and not len(results.course(dataset, method)):
            found[method] = (max(seconds, FASTEST), mean)
    return dict(sorted(found.items(), key=lambda item: -item[1][1]))


def front(results: Results, dataset: str) -> tuple[Figure, str, str]:
    """AUROC over the core-seconds of training: a line for each trained method, a mark for each of the others."""
    available = [method for method in trained(results, dataset) if not results.methods[method].is_variant]
    methods = shown(results, dataset, available or trained(results, dataset), MAX_CURVES)
    palette, others = colours(results, methods), untrained(results, dataset)
    figure, axes = plt.subplots(figsize=(5.0, 3.6))
    if others:
        axes.plot(*zip(*others.values(), strict=True), "s", color=GREY, markersize=3.5, markeredgewidth=0)
    if bar := results.best_control(dataset):
        axes.axhline(bar[1], color=GREY, linewidth=0.8, linestyle=DASHED, zorder=0)
    ends = {}
    for method in methods:
        course = results.course(dataset, method)
        seconds, auroc = course["core_seconds"].clip(lower=FASTEST).to_numpy(), course["auroc"].to_numpy()
        line: Any = {"color": palette[method], "zorder": 3 if method in results.suite.highlight else 2}
        axes.plot(seconds, auroc, **line, linewidth=1.6, marker=".", markersize=4)
        axes.plot(seconds[-1], auroc[-1], ENDS[last_doubling(*auroc[-2:])], **line, markersize=6.5)
        ends[method] = (seconds[-1], auroc[-1])
    axes.set_xscale("log")
    axes.margins(x=0.04, y=0.08)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.xaxis.minorticks_off()
    shortest, longest = axes.get_xlim()
    if longest < 100 * shortest:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_locator(plt.MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _: number(value, 2))
    axes.set(xlabel="training, core-seconds", ylabel="AUROC")
    # Room for the names right of the panel, whose place has to be fixed before they are set.
    figure.get_layout_engine().set(rect=(0, 0, 0.77, 1))  # type: ignore[union-attr, call-arg]
    freeze(figure)
    right = {results.methods[m].label: (y, palette[m]) for m, (_, y) in ends.items()}
    if bar:
        right[results.methods[bar[0]].label] = (bar[1], GREY)
    name_heights(axes, right)
    name_best(axes, {results.methods[m].label: others[m] for m in list(others)[:NAMED]})
    caption = (
        "AUROC over training time, means over seeds: one run of a method, scored after ever twice as many steps. End "
        f"of a line: a dot where the last doubling moved it by less than {number(TOLERANCE, 2)}, else a triangle that "
        f"points where it moved. Squares: methods without gradient steps, by the seconds of their fit, at least "
        f"{FASTEST:g}; dashed: the strongest control. "
    )
    if left_out := len(available) - len(methods):
        caption += f"{left_out} further trained methods are in the table. "
    told = ", ".join(
        f"{results.methods[m].label} from {number(course['auroc'].iloc[0])} to {number(course['auroc'].iloc[-1])}"
        for m in methods
        if len(course := results.course(dataset, m))
    )
    alt = f"AUROC over training time on {results.label(dataset)}: {told}."
    return figure, caption + protocol(results, [dataset]), alt


def name_heights(axes: Axes, names: dict[str, tuple[float, str]]) -> None:
    """Write names right of the panel at their heights, in their colours, moved apart where they would overlap."""
    order = sorted(names, key=lambda name: names[name][0])
    wanted = [float(axes.transData.transform((1.0, names[name][0]))[1]) for name in order]
    line = LINE * axes.figure.dpi / 72
    for name, height in zip(order, spread_out(wanted, line, axes.bbox.y0, axes.bbox.y1), strict=True):
        y = axes.transAxes.inverted().transform((0, height))[1]
        value, colour = names[name]
        place: Any = {"transform": axes.transAxes, "va": "center", "fontsize": 8, "clip_on": False}
        axes.text(1.02, y, f"{name} {number(value)}", color=colour, **place)


def spread_out(heights: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Rising heights near the given rising ones, at least so far apart, and between low and high if there is room."""
    placed: list[float] = []
    for height in heights:
        placed.append(max([height, low, *(placed[-1:] and [placed[-1] + apart])]))
    ceiling = max(high, low + apart * (len(placed) - 1))
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - apart
    return placed


def name_best(axes: Axes, marks: dict[str, tuple[float, float]]) -> None:
    """Name marks inside the panel, best first; one that would stand upon another name is left out."""
    taken: list[Any] = []
    for name, place in marks.items():
        right = axes.transData.transform(place)[0] > axes.bbox.x0 + axes.bbox.width / 2
        align: Any = {"ha": "right" if right else "left", "va": "bottom"}
        offset: Any = {"xytext": (-3 if right else 3, 2), "textcoords": "offset points"}
        text = axes.annotate(name, place, **offset, **align, fontsize=7, color=INK, annotation_clip=False)
        if (box := text.get_window_extent()).count_overlaps(taken):
            text.remove()
        else:
            taken.append(box)


def doublings(results: Results) -> Table:
    """What the last doubling of its steps did to each trained method on each dataset."""
    rows = []
    for dataset, summary in results.datasets.items():
        for method in trained(results, dataset):
            half, full = results.course(dataset, method).tail(2).to_dict("records")
            verdict = last_doubling(half["auroc"], full["auroc"])
            change = full["auroc"] - half["auroc"]
            cells = [Cell(results.label(dataset)), Cell(results.methods[method].label)]
            cells += [Cell(f"{p['steps']:,.0f}", sort=p["steps"]) for p in (half, full)]
            cells += [Cell(f"{p['core_seconds']:,.1f}", sort=p["core_seconds"]) for p in (half, full)]
            cells += [Cell(number(p["auroc"]), sort=round(p["auroc"], 6)) for p in (half, full)]
            cells += [Cell(signed(change), sort=round(change, 6)), Cell(verdict, tone="quiet" * (verdict == PLATEAU))]
            record: dict[str, Any] = {"dataset": dataset, "method": method}
            for name, point in (("half", half), ("full", full)):
                record |= {f"{name} {column}": digits(value) for column, value in point.items()}
            record |= {"change": digits(change), "verdict": verdict}
            rows.append(Row(cells, dataset, summary.modality, method, record))
    headers = [f"{what}, {when}" for what in ("Steps", "Core-seconds", "AUROC") for when in ("half", "full")]
    columns = [*words("Dataset", "Method"), *(Column(header) for header in [*headers, "Change"]), *words("Verdict")]
    caption = (
        "One run after half and after all of its steps, means over seeds; core-seconds are those of the fit. At its "
        f"plateau: the mean AUROC moved by less than {number(TOLERANCE, 2)}. The state after half of the steps is that "
        f"of a run with half the budget. {protocol(results, list(results.datasets))}"
    )
    return Table("training-time", "Half and all of the training", caption, columns, rows)
