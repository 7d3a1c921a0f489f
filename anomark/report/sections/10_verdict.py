"""The first screen: what the numbers say in a sentence, and one picture for each modality."""

from __future__ import annotations

from functools import partial
from itertools import cycle

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from anomark.modality import load
from anomark.report.render.draw import DASHED, GREY, name_rows, scale_auroc
from anomark.report.results import Results
from anomark.report.section import Drawing, Section, Text
from anomark.report.shown import accent
from anomark.report.table import number
from anomark.report.tables import below_controls, protocol
from anomark.report.verdict import verdict

#: Methods in the picture of a modality; on a phone three pictures and the sentence above them fill one screen.
ROWS = 4


def build(results: Results) -> Section:
    drawings = [
        Drawing(f"overview-{modality}", partial(overview, results, modality), kind="overview")
        for modality in results.modalities
        if any(not results.methods[method].is_control for method in results.averages(modality))
    ]
    return Section("verdict", "Verdict", lead(results), [*drawings, Text(" ".join(verdict(results)))])


def lead(results: Results) -> str:
    """The best method of each modality, and how many results lie below a control."""
    best = []
    for modality in results.modalities:
        means = {m: score.mean or 0.0 for m, score in results.averages(modality).items() if m in results.rivals}
        if means:
            first = max(means, key=lambda m: means[m])
            label = results.methods[first].label
            best.append(f"{label} is best on {results.noun(modality)} (**{number(means[first])}**)")
    below, count = below_controls(results)
    winners = ", ".join(best) or "No method has a number on every dataset of a modality"
    return f"{winners}; **{below} of {count}** results lie below a control." if count else f"{winners}."


def overview(results: Results, modality: str) -> tuple[Figure, str, str]:
    """The best methods' mean AUROC as dots; the strongest control is a line that they should lie right of.

    The first highlighted method has a place even where it is not among the best.
    """
    scores, datasets = results.averages(modality), results.of_modality(modality)
    ranked = sorted(scores, key=lambda m: -(scores[m].mean or 0.0))
    controls = [m for m in ranked if results.methods[m].is_control]
    rivals = [m for m in ranked if m in results.rivals] or [m for m in ranked if m not in controls]
    first = [m for m in results.suite.highlight[:1] if m in rivals[ROWS:]]
    methods = rivals[: ROWS - len(first)] + first
    shapes = dict(zip(results.tracks, cycle("o^D"), strict=False))

    bar = next(iter(controls), None)
    lines = methods if bar is None else [*methods, bar]
    figure, axes = plt.subplots(figsize=(3.4, 0.5 + 0.17 * len(lines)))
    for y, method in enumerate(lines):
        score, colour = scores[method], accent(results, method)
        shape = "s" if method == bar else shapes[results.methods[method].track]
        axes.plot(score.ends, (y, y), color=colour, linewidth=1.2)
        axes.plot(score.mean or 0.0, y, shape, color=colour, markersize=5)
        axes.text(1.02, y, number(score.mean), va="center", transform=axes.get_yaxis_transform())
    labels = [results.methods[m].label + ", control" * (m == bar) for m in lines]
    name_rows(axes, labels)
    where = f"{len(datasets)} datasets" if len(datasets) > 1 else results.label(datasets[0])
    figure.suptitle(f"{load(modality).LABEL}: AUROC, {where}", x=0.01, ha="left", fontsize=9, fontweight="bold")
    if bar is not None:
        axes.axvline(scores[bar].mean or 0.0, color=GREY, linewidth=1.4, linestyle=DASHED, zorder=0)
    axes.margins(x=0.08)
    scale_auroc(axes, 4)
    named = {m: f"{results.methods[m].label} {number(scores[m].mean)}" for m in lines}
    names = ", ".join(results.label(dataset) for dataset in datasets)
    caption = f"Mean AUROC over {names}: the best methods of any track, variants aside"
    caption += ", and the first that the suite highlights" * bool(first)
    caption += "; line: 95% interval, or the range below three seeds. "
    marks = [f"{mark}: {track}" for track, mark in zip(shapes, ("Circle", "triangle", "diamond"), strict=False)]
    caption += f"{'; '.join(marks)}. " if len(marks) > 1 else ""
    caption += f"Dashed: the strongest control, {named[bar]}. " if bar is not None else ""
    alt = f"Mean AUROC on {results.noun(modality)}: {', '.join(named[m] for m in methods)}"
    alt += f"; strongest control {named[bar]}." if bar is not None else "."
    return figure, caption + protocol(results, datasets), alt
