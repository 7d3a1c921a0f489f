"""Ranks as pictures: a heat map, dataset by dataset, and the critical-difference diagram of their averages.

The diagram has average ranks on a line, and bars below it over methods that Nemenyi's test can't tell apart.

Source: Demsar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, 2006, section 3.2.4, figure 1.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import rankdata

from anomark.report.rank_tests import Field, p_value
from anomark.report.render.draw import name_rows
from anomark.report.results import Results
from anomark.statistics.ranks import cliques

#: Heights in the diagram, in units of one line of text.
BAR_STEP = 0.45


def diagram(results: Results, field: Field) -> tuple[Figure, str, str]:
    """Best method on the left; the better half is named on the left, the worse half on the right."""
    ranks, critical, k = field.friedman.ranks, field.critical_difference, len(field.methods)
    ink = plt.rcParams["text.color"]
    groups = cliques(ranks, critical)
    order = np.argsort(ranks, kind="stable")
    left = order[: (k + 1) // 2]
    first_line = 0.8 + BAR_STEP * len(groups)
    depth = first_line + len(left)
    figure, axes = plt.subplots(figsize=(7.0, 0.9 + 0.22 * depth))
    axes.set(xlim=(1 - 0.45 * k, k + 0.45 * k), ylim=(depth - 0.4, -2.4))
    axes.axis("off")
    axes.plot((1, k), (0, 0), color=ink, linewidth=0.8)
    for tick in range(1, k + 1):
        axes.plot((tick, tick), (0, -0.25), color=ink, linewidth=0.8)
        axes.text(tick, -0.35, str(tick), ha="center", va="bottom", fontsize=8)
    end = 1 + critical
    axes.plot((1, end), (-1.75, -1.75), color=ink, linewidth=0.8, marker="|", markersize=5)
    axes.text((1 + end) / 2, -1.85, f"critical difference {critical:.2f}", ha="center", va="bottom", fontsize=8)
    for line, (best, worst) in enumerate(groups):
        y = 0.45 + BAR_STEP * line
        axes.plot((best - 0.005 * k, worst + 0.005 * k), (y, y), color=ink, linewidth=3, solid_capstyle="butt")
    for place, index in enumerate(order):
        on_left = place < len(left)
        y = first_line + (place if on_left else k - 1 - place)
        edge, rank = (1 - 0.03 * k if on_left else 1.03 * k), float(ranks[index])
        axes.plot((rank, rank, edge), (0, y, y), color=ink, linewidth=0.8)
        text = [results.methods[field.methods[index]].label, f"{rank:.2f}"][:: 1 if on_left else -1]
        beside, side = (edge - 0.01 * k, "right") if on_left else (edge + 0.01 * k, "left")
        axes.text(beside, y, "  ".join(text), ha=side, va="center", fontsize=8)
    n, test = len(field.datasets), field.friedman

    caption = (
        f"{field.name}: average ranks of {k} methods over {n} datasets, 1 the best; a bar joins methods that differ by "
        f"less than Nemenyi's critical difference at 5%. Friedman's test that all are equal: {p_value(test.p)}."
    )
    ranked = ", ".join(f"{results.methods[field.methods[i]].label} {ranks[i]:.2f}" for i in order)
    return figure, caption, f"Critical-difference diagram, {field.name}: {ranked}."


def rank_map(results: Results, field: Field) -> tuple[Figure, str, str]:
    """The rank of every method on every dataset, dark where it is the best; methods in the order of their averages."""
    order = np.argsort(field.friedman.ranks, kind="stable")
    ranks = rankdata(-field.scores, axis=1)[:, order]
    n, k = ranks.shape
    methods = [results.methods[field.methods[i]].label for i in order]
    figure, axes = plt.subplots(figsize=(max(7.0, 2.4 + 0.34 * k), 1.5 + 0.26 * n))
    axes.imshow(ranks, cmap="YlGnBu_r", vmin=1, vmax=k, aspect="auto", interpolation="nearest")
    for (y, x), rank in np.ndenumerate(ranks):
        # Not the report's ink, which turns pale on a dark page: these letters stand on cells of their own.
        ink = "white" if rank <= 1 + 0.5 * (k - 1) else "black"
        axes.text(x, y, f"{rank:g}", ha="center", va="center", fontsize=7, color=ink)
    name_rows(axes, [results.label(dataset) for dataset in field.datasets])
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_xticks(range(k), methods, rotation=45, ha="right", rotation_mode="anchor")
    axes.spines["bottom"].set_visible(False)
    caption = (
        f"{field.name}: the rank of each method on each dataset, by AUROC to three digits; 1 is the best, ties share "
        "the mean of their ranks. Methods stand in the order of their average ranks."
    )
    best = "; ".join(
        f"{results.label(dataset)} {methods[int(np.argmin(row))]}"
        for dataset, row in zip(field.datasets, ranks, strict=True)
    )
    return figure, caption, f"Heat map of ranks, {field.name}. Best on each dataset: {best}."
