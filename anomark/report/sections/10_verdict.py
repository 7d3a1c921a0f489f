"""The first screen: what the numbers say in a sentence, and one picture for each modality."""

from __future__ import annotations

from functools import partial
from itertools import cycle

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from anomark.modality import load
from anomark.report.render.draw import DASHED, GREY
from anomark.report.results import ORACLE, Results, Score, average
from anomark.report.section import Drawing, Section, Text
from anomark.report.shown import accent
from anomark.report.table import number
from anomark.report.tables import below_control, protocol
from anomark.report.verdict import verdict

#: Methods in the picture of a modality; on a phone three pictures and the sentence above them fill one screen.
ROWS = 4


def build(results: Results) -> Section:
    drawings = [
        Drawing(f"overview-{modality}", partial(overview, results, modality), kind="overview")
        for modality in results.modalities
        if any(not results.methods[method].is_control for method in means(results, modality))
    ]
    return Section("verdict", "Verdict", lead(results), [*drawings, Text(" ".join(verdict(results)))])


def lead(results: Results) -> str:
    """The best method of each modality, and how many results lie below a control."""
    best = []
    for modality in results.modalities:
        rivals = {m: score for m, score in means(results, modality).items() if results.methods[m].is_rival}
        if rivals:
            first = max(rivals, key=lambda m: rivals[m].mean or 0.0)
            label, mean = results.methods[first].label, number(rivals[first].mean)
            best.append(f"{label} is best on {results.noun(modality)} (**{mean}**)")
    pairs = [
        (dataset, method.id)
        for dataset in results.datasets
        for method in results.methods.values()
        if not method.is_control and results.score(dataset, method.id)
    ]
    below = sum(below_control(results, dataset, method) for dataset, method in pairs)
    winners = ", ".join(best) or "No method has a number on every dataset of a modality"
    return f"{winners}; **{below} of {len(pairs)}** results lie below a control." if pairs else f"{winners}."


def means(results: Results, modality: str) -> dict[str, Score]:
    """Mean AUROC over the datasets of a modality, of each method and control that has all of them."""
    return {
        method: score
        for method in results.methods
        if method != ORACLE and (score := average(results.score(d, method) for d in results.of_modality(modality)))
    }


def overview(results: Results, modality: str) -> tuple[Figure, str, str]:
    """The best methods' mean AUROC as dots; the strongest control is a line that they should lie right of.

    The first highlighted method has a place even where it is not among the best.
    """
    scores = means(results, modality)
    controls = [method for method in scores if results.methods[method].is_control]
    rivals = sorted((m for m in scores if results.methods[m].is_rival), key=lambda m: -(scores[m].mean or 0.0))
    rivals = rivals or sorted(set(scores) - set(controls), key=lambda m: -(scores[m].mean or 0.0))
    first = [m for m in results.highlight[:1] if m in rivals[ROWS:]]
    methods = rivals[: ROWS - len(first)] + first
    tracks = dict.fromkeys(info.track for info in results.methods.values() if not info.is_control)
    shapes = dict(zip(tracks, cycle("o^D"), strict=False))
    datasets = results.of_modality(modality)

    bar = max(controls, key=lambda m: scores[m].mean or 0.0) if controls else None
    lines = methods if bar is None else [*methods, bar]
    figure, axes = plt.subplots(figsize=(3.4, 0.5 + 0.17 * len(lines)))
    for y, method in enumerate(lines):
        score, colour = scores[method], accent(results, method)
        shape = "s" if method == bar else shapes[results.methods[method].track]
        axes.plot(score.ends, (y, y), color=colour, linewidth=1.2)
        axes.plot(score.mean or 0.0, y, shape, color=colour, markersize=5)
        axes.text(1.02, y, number(score.mean), va="center", transform=axes.get_yaxis_transform())
    labels = [results.methods[m].label + ", control" * (m == bar) for m in lines]
    axes.set_yticks(range(len(lines)), labels)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    where = f"{len(datasets)} datasets" if len(datasets) > 1 else results.label(datasets[0])
    figure.suptitle(f"{load(modality).LABEL}: AUROC, {where}", x=0.01, ha="left", fontsize=9, fontweight="bold")
    if bar is not None:
        axes.axvline(scores[bar].mean or 0.0, color=GREY, linewidth=1.4, linestyle=DASHED, zorder=0)
    axes.margins(x=0.08)
    axes.xaxis.set_major_formatter(lambda value, _: number(value, 2))
    axes.xaxis.set_major_locator(plt.MaxNLocator(4))
    names = ", ".join(results.label(dataset) for dataset in datasets)
    caption = f"Mean AUROC over {names}: the best methods of any track, variants aside"
    caption += ", and the first that the suite highlights" * bool(first)
    caption += "; line: 95% interval, or the range below three seeds. "
    marks = [f"{mark}: {track}" for track, mark in zip(shapes, ("Circle", "triangle", "diamond"), strict=False)]
    caption += f"{'; '.join(marks)}. " if len(marks) > 1 else ""
    if bar is not None:
        caption += f"Dashed: the strongest control, {results.methods[bar].label} {number(scores[bar].mean)}. "
    alt = f"Mean AUROC on {results.noun(modality)}: "
    alt += ", ".join(f"{results.methods[m].label} {number(scores[m].mean)}" for m in methods)
    alt += f"; strongest control {results.methods[bar].label} {number(scores[bar].mean)}." if bar is not None else "."
    return figure, caption + protocol(results, datasets), alt
