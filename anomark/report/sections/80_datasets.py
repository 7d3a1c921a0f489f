"""Each dataset: what it is, how well every method does on it, and examples of its samples."""

from __future__ import annotations

from functools import partial
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from anomark.report.render.draw import DASHED, DOTTED, GREY, INK, LINES, name_rows
from anomark.report.render.examples import example_drawings
from anomark.report.results import NO_LABELS, ORACLE, Results
from anomark.report.section import Drawing, Facts, Part, Section, Text
from anomark.report.shown import MAX_BARS, MAX_CURVES, accent, colours, shown
from anomark.report.table import number
from anomark.report.tables import below_control, protocol
from anomark.statistics.ranking import precision_recall

GROUP = "Datasets"
TRAINING_COLUMNS = 5


def build(results: Results) -> list[Section]:
    told = {dataset: (lead(results, dataset), parts(results, dataset)) for dataset in results.prepared}
    told |= {dataset: (f"This dataset was refused: {reason}", []) for dataset, reason in results.refused.items()}
    return [
        Section(dataset, results.label(dataset), text, found, GROUP, dataset, results.summaries[dataset].modality)
        for dataset, (text, found) in told.items()
    ]


def parts(results: Results, dataset: str) -> list[Part]:
    """What a reader must know before anything else, what the data are, and the pictures."""
    summary = results.prepared[dataset]
    drawings: list[Drawing] = []
    if summary.labelled:
        drawings.append(Drawing(f"{dataset}-auroc", partial(auroc_bars, results, dataset), dataset, "half"))
    if (results.roc["dataset"] == dataset).any():
        drawings.append(Drawing(f"{dataset}-curves", partial(ranking_curves, results, dataset), dataset, "wide"))
    drawings += example_drawings(results, dataset)
    if trained(results, dataset):
        drawings.append(Drawing(f"{dataset}-training", partial(training_curves, results, dataset), dataset, "wide"))
    notes = [Text(note, warning=True) for note in (*summary.notes, *summary.warnings)]
    return [*notes, Facts(facts(results, dataset)), *drawings]


def lead(results: Results, dataset: str) -> str:
    """The best method, and how many lie below the strongest control."""
    if not results.prepared[dataset].labelled:
        return "There are no labels, so there is no AUROC; the section “Without labels” says what stands out."
    means = results.means(dataset, [method for method, info in results.methods.items() if not info.is_control])
    if not means:
        return "No method has a number here."
    best = results.strongest(dataset, results.rivals) or max(means)
    text = f"The best method is {results.methods[best].label} (**{number(means[best])}**)"
    if (control := results.best_control(dataset)) is None:
        return f"{text}."
    below = sum(below_control(results, dataset, method) for method in means)
    strongest = f"{results.methods[control[0]].label} ({number(control[1])})"
    return f"{text}; **{below} of {len(means)}** methods lie below the strongest control, {strongest}."


def facts(results: Results, dataset: str) -> list[tuple[str, str]]:
    """What a dataset's section says about the data."""
    summary = results.prepared[dataset]
    low, high = summary.random_band
    labelled = summary.labelled
    rows = [
        ("Level", summary.level),
        ("Train", f"{summary.n_train:,} {'normal ' * labelled}{'windows' if summary.window else summary.level + 's'}"),
        (
            "Test",
            f"{summary.n_labels:,} {summary.level}s, {f'{summary.n_anomalous:,} anomalous' if labelled else NO_LABELS}",
        ),
        ("Sample", " × ".join(str(side) for side in summary.shape)),
    ]
    rows += [("Window", f"{summary.window} steps, stride {summary.stride}")] if summary.window else []
    rows += [("Random, 95%", f"{number(low)}–{number(high)}")] if labelled else []
    rows += [("Normal class", summary.normal_class)]
    rows += [("Licence", summary.licence), ("Source", summary.source), ("Citation", summary.citation)]
    return [(label, text) for label, text in rows if text]


def auroc_bars(results: Results, dataset: str) -> tuple[Figure, str, str]:
    """Mean AUROC as bars that grow from chance, with interval or range, published number and random band."""
    scores = {m: s for m in results.methods if (s := results.score(dataset, m)).status not in ("n/a", "not in suite")}
    order = sorted(
        shown(results, dataset, list(scores), MAX_BARS),
        key=lambda m: (results.methods[m].is_control, -(mean if (mean := scores[m].mean) is not None else -1)),
    )
    figure, axes = plt.subplots(figsize=(5.0, 0.75 + 0.25 * len(order)))
    low, high = results.datasets[dataset].random_band
    axes.axvspan(low, high, color=GREY, alpha=0.18, linewidth=0)
    axes.axvline(0.5, color=INK, linewidth=0.6)
    left = min([0.4, low, *(bottom for m in order if (bottom := scores[m].low) is not None)])
    for y, method in enumerate(order):
        score, control = scores[method], results.methods[method].is_control
        if score.mean is None:
            axes.text(0.508, y, score.status, va="center", fontstyle="italic", color=GREY)
            continue
        alpha = 0.55 if control else 0.9
        axes.barh(y, score.mean - 0.5, left=0.5, height=0.62, color=accent(results, method), alpha=alpha)
        axes.plot(score.ends, (y, y), color=INK, linewidth=1.1, solid_capstyle="butt")
        published = results.published.get((dataset, method))
        if published is not None:
            axes.plot(published, y, marker="D", markersize=4.5, markerfacecolor="none", markeredgecolor=INK)
        axes.text(1.015, y, number(score.mean), va="center", transform=axes.get_yaxis_transform())
    name_rows(axes, [results.methods[m].label for m in order])
    axes.set_xlim(max(0.0, left - 0.02), 1.0)
    axes.xaxis.set_major_formatter(lambda value, _: number(value, 1))
    axes.set_xlabel("AUROC")
    has_published = any((dataset, m) in results.published for m in order)
    caption = "AUROC, from chance (.5) outwards; line: 95% CI over seeds, or the range below three seeds; grey band: "
    caption += "95% of random scores; grey bars: controls" + ("; diamond: published." if has_published else ".")
    if left_out := len(scores.keys() - {ORACLE}) - len(order):
        caption += " Shown are the methods of the suite's papers, the best others and the best control; "
        caption += f"the leaderboard has {left_out} more."
    best = next((m for m in order if scores[m]), None)
    alt = f"Bar chart of AUROC on {results.label(dataset)} for {len(order)} methods and controls"
    alt += f"; highest of them {results.methods[best].label}, {number(scores[best].mean)}." if best else "."
    return figure, f"{caption} {protocol(results, [dataset])}", alt


def ranking_curves(results: Results, dataset: str) -> tuple[Figure, str, str]:
    """ROC and precision-recall curves of the first seed; the legend is sorted by the mean AUROC over seeds."""
    table = results.roc[results.roc["dataset"] == dataset]
    methods = shown(results, dataset, list(table["method"].unique()), MAX_CURVES)
    methods.sort(key=lambda m: -(results.score(dataset, m).mean or 0.0))
    palette = colours(results, methods)
    summary = results.datasets[dataset]
    anomalous = summary.n_anomalous / summary.n_labels
    areas = [metric for metric in ("auroc", "ap") if metric in results.metrics_info]  # under the two curves
    names = ", ".join(results.metrics_info[metric].label for metric in areas)
    figure, (roc, pr) = plt.subplots(1, 2, figsize=(9.0, 3.2))
    roc.plot([0, 1], [0, 1], **DOTTED)
    pr.axhline(anomalous, **DOTTED)
    for method in methods:
        rows = table[table["method"] == method]
        curve = rows[rows["seed"].fillna(0) == rows["seed"].fillna(0).min()]
        means = [number(results.score(dataset, method, metric).mean) for metric in areas]
        dashed = DASHED if results.methods[method].is_control else "-"
        line: Any = {"color": palette[method], "linewidth": 1.6, "linestyle": dashed}
        roc.plot(curve["fpr"], curve["tpr"], **line, label=f"{results.methods[method].label} {', '.join(means)}")
        pr.plot(*precision_recall(curve["fpr"].to_numpy(), curve["tpr"].to_numpy(), anomalous), **line)
    for axes in (roc, pr):
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks([0, 0.5, 1], ["0", ".5", "1"])
    roc.set(xlabel="False positive rate", ylabel="True positive rate")
    pr.set(xlabel="Recall", ylabel="Precision")
    legend: Any = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.02), "handlelength": 1.6, "alignment": "left"}
    pr.legend(*roc.get_legend_handles_labels(), title=names, **legend)
    left_out = table["method"].nunique() - len(methods) - int((table["method"] == ORACLE).any())
    caption = "ROC and precision-recall curves of the first seed; beside each name "
    caption += f"the mean over seeds of {names}; dotted: a random score"
    caption += f"; {left_out} further methods are left out. " if left_out > 0 else ". "
    alt = f"ROC and precision-recall curves on {results.label(dataset)}: {results.names(methods)}."
    return figure, caption + protocol(results, [dataset]), alt


def trained(results: Results, dataset: str) -> list[str]:
    """The methods of a dataset that have training curves, variants aside."""
    found = set(results.training.loc[results.training["dataset"] == dataset, "method"])
    return [method.id for method in results.methods.values() if method.id in found and not method.is_variant]


def training_curves(results: Results, dataset: str) -> tuple[Figure, str, str]:
    """Loss over gradient steps, a panel a method, a line a loss: methods minimise different things."""
    methods = trained(results, dataset)
    table = results.training[results.training["dataset"] == dataset]
    rows = -(-len(methods) // TRAINING_COLUMNS)
    figure, panels = plt.subplots(rows, TRAINING_COLUMNS, figsize=(9.0, 0.2 + 1.45 * rows), squeeze=False)
    for axes in panels.flat[len(methods) :]:
        axes.set_visible(False)
    for method, axes in zip(methods, panels.flat, strict=False):
        means = table[table["method"] == method].groupby(["loop", "part", "step"], as_index=False)["loss"].mean()
        lines = [line for _, line in means.groupby(["loop", "part"], sort=False)]
        for line, colour in zip(lines, cycle(LINES), strict=False):
            label = f"{line['loop'].iloc[0]} {line['part'].iloc[0] + 1}"
            axes.plot(line["step"], line["loss"], color=colour, linewidth=1.0, label=label)
        if 0 < 10 * means["loss"].min() < means["loss"].max():
            axes.set_yscale("log")
            axes.minorticks_off()
        axes.set_title(results.methods[method].label, fontsize=8, pad=2)
        axes.tick_params(labelsize=6.5)
        if len(lines) > 1:
            axes.legend(fontsize=6, handlelength=1.0, borderpad=0.0, labelspacing=0.2)
    for axes in panels.flat[max(0, len(methods) - TRAINING_COLUMNS) : len(methods)]:
        axes.set_xlabel("gradient step", fontsize=7)
    caption = (
        "Training loss, mean over seeds; each point is the mean of a fiftieth of the steps. Losses differ between "
        "methods; where a method minimises several, a line each; logarithmic where they fall far. Variants are left "
        f"out. {protocol(results, [dataset])}"
    )
    alt = f"Training loss over gradient steps on {results.label(dataset)}: {results.names(methods)}."
    return figure, caption, alt
