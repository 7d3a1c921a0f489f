"""Pictures of example signals with the scores that methods gave them."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from anomark.contracts import Array
from anomark.report.render.draw import BLUE, INK, ORANGE, VERMILLION, bare, name_time
from anomark.report.render.injections import hatch, kinds
from anomark.report.render.stored import MAX_COLUMNS, case, chosen, decimate, having, marks, runs, score_label
from anomark.report.results import Results
from anomark.report.shown import MAX_TRACKS, colours, shown
from anomark.report.tables import protocol


def series_tracks(results: Results, dataset: str, stored: dict[str, Array]) -> tuple[Figure, str, str]:
    """The test series above the merged scores of some methods; labelled anomalies are bands through all panels."""
    series, labels, times = stored["signal"], marks(stored), stored.get("times")
    methods = shown(results, dataset, having(stored, "score:"), MAX_TRACKS)
    palette = colours(results, methods)
    heights, size = [1.6, *[1.0] * len(methods)], (9.0, 1.5 + 0.85 * len(methods))
    figure, panels = plt.subplots(len(heights), 1, sharex=True, figsize=size, height_ratios=heights, squeeze=False)
    bands = [(start, stop, ORANGE) for start, stop in runs(labels)]
    if kind_colours := kinds(stored):
        bands = [
            (int(first), int(last) + 1, kind_colours[kind])
            for first, last, kind in zip(stored["first"], stored["last"], stored["kind"].tolist(), strict=True)
        ]
        hatch(panels[0, 0], stored["left_out"], np.arange(len(labels)))
        patches = [Patch(color=colour, alpha=0.28) for colour in kind_colours.values()]
        names = [kind.replace("_", " ") for kind in kind_colours]
        figure.legend(patches, names, loc="outside upper right", ncols=len(names), fontsize=8)
    for axes, method in zip(panels[:, 0], [None, *methods], strict=True):
        for start, stop, colour in bands:
            end = max(stop, start + len(labels) // MAX_COLUMNS)
            left, right = (start, end) if times is None else times[[start, min(end, len(times) - 1)]]
            axes.axvspan(left, right, color=colour, alpha=0.28, linewidth=0)
        values = series[:, 0] if method is None else stored[f"score:{method}"]
        time, envelope = decimate(values, MAX_COLUMNS)
        at = time if times is None else times[time]
        axes.plot(at, envelope, color=INK if method is None else palette[method], linewidth=0.7)
        bare(axes, "signal" if method is None else score_label(results, dataset, method))
        axes.margins(x=0.005)
    name_time(panels[-1, 0], times)
    channels = f" (channel 1 of {series.shape[1]})" if series.shape[1] > 1 else ""
    caption = f"The test series{channels} and the point scores of the first seed; "
    caption += "bands: injected anomalies by kind; hatched: steps left out of scoring." if kind_colours else ""
    told = "labelled anomalies" if "labels" in stored else "what all methods together score highest"
    caption += "" if kind_colours else f"orange bands: {told}."
    caption += f" {protocol(results, [dataset])}"
    alt = f"{results.label(dataset)}: {len(bands)} bands ({told}) over {len(labels)} steps, with the scores of "
    return figure, caption, f"{alt}{results.names(methods) or 'no method'}."


def window_examples(results: Results, dataset: str, stored: dict[str, Array]) -> tuple[Figure, str, str]:
    """The best, the median and the worst test window or clip of each class, with the scores they received."""
    methods = shown(results, dataset, having(stored, "score:"), MAX_TRACKS)
    columns = min(3, len(stored["case"]))
    rows = -(-len(stored["case"]) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(9.0, 1.9 * rows), sharex=True, sharey=True, squeeze=False)
    for index, axes in enumerate(panels.flat):
        if index >= len(stored["case"]):
            axes.set_visible(False)
            continue
        time, envelope = decimate(stored["samples"][index, 0], MAX_COLUMNS // columns)
        loud = stored["label"][index] if "label" in stored else stored["case"][index].startswith("place")
        axes.plot(time, envelope, color=VERMILLION if loud else BLUE, linewidth=0.9)
        bare(axes, case(stored, index))
        lines = [f"{results.methods[m].label}  {stored[f'score:{m}'][index]:.3g}" for m in methods]
        axes.set_xlabel("\n".join(lines), fontsize=7, loc="left", labelpad=2)
    caption = f"{chosen(results, stored)} Below each its scores, whose scales differ between methods. "
    alt = f"{len(stored['case'])} examples of {results.label(dataset)}: "
    alt += f"{', '.join(case(stored, index) for index in range(len(stored['case'])))}."
    return figure, caption + protocol(results, [dataset]), alt
