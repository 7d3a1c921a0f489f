"""Pictures of anomalies that a recipe put into a series: what they look like, and which of them are found."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from anomark.contracts import Array
from anomark.report.render.draw import DOTTED, GREEN, GREY, INK, ORANGE, PURPLE, SKY, bare
from anomark.report.results import Results
from anomark.report.shown import MAX_CURVES, colours, shown
from anomark.report.table import number

#: Colours of the kinds, in the recipe's order.
KIND_COLOURS = (ORANGE, GREEN, PURPLE, SKY)


def kinds(stored: dict[str, Array]) -> dict[str, str]:
    """Kind of event -> its colour; empty for a series whose anomalies are its owner's."""
    names = dict.fromkeys(stored["kind"].tolist()) if "kind" in stored else {}
    return dict(zip(names, KIND_COLOURS, strict=False))


def hatch(axes: Any, left_out: Array, steps: Array) -> None:
    """Mark steps (n,) that are not scored, at the places `steps` (n,) of the axis."""
    style: Any = {"facecolor": "none", "edgecolor": GREY, "hatch": "/////", "linewidth": 0, "alpha": 0.7}
    axes.fill_between(steps, 0, 1, where=left_out, transform=axes.get_xaxis_transform(), **style)


def severity_curves(results: Results, dataset: str, stored: dict[str, Array]) -> tuple[Figure, str, str]:
    """AUROC over the amplitude of the injected events and by their kind; each method has one line and mark."""
    table = pd.read_csv(results.evaluation / dataset / "severity.csv")
    methods = shown(results, dataset, list(table["method"].unique()), MAX_CURVES)
    labels = {method: results.methods[method].label for method in methods}
    palette = colours(results, methods)
    figure, (curve, dots) = plt.subplots(1, 2, figsize=(9.0, 3.2), sharey=True)
    means = table.groupby(["method", "by", "group", "amplitude", "events"], sort=False)["auroc"].mean().reset_index()
    for axes, by in ((curve, "amplitude"), (dots, "kind")):
        groups = means[means["by"] == by].drop_duplicates("group").reset_index(drop=True)
        places = groups["amplitude"] if by == "amplitude" else pd.Series(range(len(groups)), dtype=float)
        place = dict(zip(groups["group"], places, strict=True))
        for index, (method, label) in enumerate(labels.items()):
            rows = means[(means["by"] == by) & (means["method"] == method)]
            x = rows["group"].map(place) + (0.12 * (index - (len(labels) - 1) / 2) if by == "kind" else 0)
            style = "" if by == "kind" else "--" if palette[method] == GREY else "-"  # controls are grey
            axes.plot(x, rows["auroc"], marker="o", markersize=4, linestyle=style, color=palette[method], label=label)
        axes.axhline(0.5, **DOTTED)
        if by == "kind":
            names = [str(group).replace("_", " ") for group in groups["group"]]
            axes.set_xticks(places, [f"{n}\n{count} events" for n, count in zip(names, groups["events"], strict=True)])
            axes.set_xlim(-0.6, len(groups) - 0.4)
        else:
            axes.set_xscale("log")
            axes.set_xticks(places, [f"{value:.3g}" for value in places])
            axes.minorticks_off()
            axes.set_xlabel("median amplitude of the events, MAD of the training part")
    curve.set_ylabel("AUROC")
    curve.yaxis.set_major_formatter(lambda value, _: number(value, 1))
    legend: Any = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.02), "handlelength": 1.6}
    dots.legend(*curve.get_legend_handles_labels(), **legend)
    ranges = table[table["by"] == "amplitude"]["group"].unique()
    caption = (
        "Severity of the injected anomalies: AUROC of their steps against all normal steps, means over seeds. Left by "
        f"amplitude, in ranges of equally many events ({', '.join(ranges)} MAD); right by kind; dotted: a random score."
    )
    alt = f"AUROC on {results.label(dataset)} by amplitude and by kind of injected anomaly: {results.names(methods)}."
    return figure, caption, alt


def event_examples(results: Results, dataset: str, stored: dict[str, Array]) -> tuple[Figure, str, str]:
    """One injected event of each kind, its amplitude the kind's median, in one of the channels that it changes."""
    of_kind = kinds(stored)
    figure, panels = plt.subplots(1, len(of_kind), figsize=(9.0, 2.1), squeeze=False)
    for axes, (kind, colour) in zip(panels[0], of_kind.items(), strict=True):
        events = np.flatnonzero(stored["kind"] == kind)
        event = events[np.argsort(stored["amplitude"][events], kind="stable")[len(events) // 2]]
        first, last, channel = (int(stored[key][event]) for key in ("first", "last", "channel"))
        around = 2 * (last - first + 1)
        steps = np.arange(max(first - around, 0), min(last + around + 1, len(stored["signal"])))
        axes.axvspan(0, last - first, color=colour, alpha=0.35, linewidth=0)
        hatch(axes, stored["left_out"][steps], steps - first)
        axes.plot(steps - first, stored["signal"][steps, channel], color=INK, linewidth=0.9)
        bare(axes, f"{kind.replace('_', ' ')}, {stored['amplitude'][event]:.3g} MAD")
        axes.set_xlabel("steps from its start")
    caption = (
        "Injected anomalies: of each kind the event of median amplitude, in the first channel that it changes "
        "(standardised; each panel its own scale). Band: the event; hatched: steps left out of scoring."
    )
    names = ", ".join(of_kind).replace("_", " ")
    return figure, caption, f"One injected event of each kind in {results.label(dataset)}: {names}."
