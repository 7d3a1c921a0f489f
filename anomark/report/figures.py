"""The report's pictures: AUROC as bars, curves and over cost, maps, series with their scores, swept settings.

Every picture is written as SVG, PNG and PDF; equal input gives equal bytes. Lines and letters are drawn in one ink,
which the page replaces by its own text colour, so that an inline SVG is readable on light and on dark ground.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pywt
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import Bbox

from anomark.contracts import Array
from anomark.evaluation.settings import OWN
from anomark.report.ablations import changes
from anomark.report.critical_difference import diagram
from anomark.report.injections import event_examples, hatch, kinds, severity_curves
from anomark.report.published import file_name
from anomark.report.rank_tests import fields
from anomark.report.results import ORACLE, Results, average
from anomark.report.sensitivity import AXES, protocol_curve
from anomark.report.table import number
from anomark.report.tables import protocol
from anomark.statistics.ranking import precision_recall
from anomark.suite.paper_tables import Ablation

INK = "#1f2328"
# Okabe & Ito's palette, safe for colour-blind readers; its yellow is too pale for lines and is left out.
VERMILLION, BLUE, GREEN, ORANGE, SKY, PURPLE = "#d55e00", "#0072b2", "#009e73", "#e69f00", "#56b4e9", "#cc79a7"
GREY = "#8a8f96"
#: A method keeps its colour in every picture; the suite's further methods share what is left.
COLOURS = {
    "wavediff": VERMILLION,
    "ddpm": BLUE,
    "vae": GREEN,
    "anogan": ORANGE,
    "transformer_ad": ORANGE,
    "patch_svdd": SKY,
    "autoformer": SKY,
}
#: Colours of lines that stand for datasets.
LINES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
BEGINNINGS = ("T′", "T", "noise")
#: How many bars, curves, maps and score tracks one picture holds before it stops being readable.
MAX_BARS, MAX_CURVES, MAX_MAPS, MAX_TRACKS = 14, 7, 6, 5
TRAINING_COLUMNS = 5
#: Of a scalogram: wavelet, scales, columns, and windows of a long series that it shows.
WAVELET, SCALES, MAX_TIMES, WINDOWS = "cmor1.5-1.0", 48, 600, 4
#: Columns of outcomes.csv over which AUROC is drawn: what an axis says, and its unit in seconds.
COST_AXES = {"seconds_per_sample": ("scoring, ms a sample", 1000.0), "fit_seconds": ("training, s", 1.0)}
#: Cheaper ones stand here, in the axis' unit: a constant score would take half of the panel.
CHEAPEST = 0.01
#: Where a name may stand beside its mark, best first.
BESIDE = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
#: A series is drawn with at most this many columns, each showing the lowest and the highest value in it.
MAX_COLUMNS = 900

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # TrueType: publishers refuse matplotlib's own Type 3
    "figure.dpi": 100,
}


@dataclass(frozen=True)
class Picture:
    """One figure on disk; `name` is the stem of its .svg, .png and .pdf."""

    name: str
    dataset: str
    kind: str
    caption: str
    alt: str
    folder: Path

    @property
    def svg(self) -> Path:
        return self.folder / f"{self.name}.svg"

    @property
    def png(self) -> Path:
        return self.folder / f"{self.name}.png"

    @property
    def pdf(self) -> Path:
        return self.folder / f"{self.name}.pdf"


def draw_figures(results: Results, folder: Path) -> list[Picture]:
    """Draw every picture that the results have data for into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    with plt.rc_context(STYLE):
        for name, dataset, kind, figure, caption, alt in _figures(results):
            if "Level: " not in caption:  # no picture without the protocol of its numbers
                caption += f" {protocol(results, [dataset] if dataset else [*results.datasets])}"
            picture = Picture(name, dataset, kind, caption, alt, folder)
            _save(figure, picture)
            plt.close(figure)
            pictures.append(picture)
    return pictures


def _figures(results: Results) -> Iterator[tuple[str, str, str, Figure, str, str]]:
    for dataset, summary in results.datasets.items():
        yield f"{dataset}-auroc", dataset, "bars", *auroc_bars(results, dataset)
        if (results.roc["dataset"] == dataset).any():
            yield f"{dataset}-curves", dataset, "wide", *ranking_curves(results, dataset)
        examples = load_examples(results, dataset)
        if summary["modality"] == "image" and examples:
            yield f"{dataset}-gallery", dataset, "wide", *gallery(results, dataset, examples)
        elif examples:
            draw = series_tracks if summary["level"] == "point" else window_examples
            yield f"{dataset}-series", dataset, "wide", *draw(results, dataset, examples)
            if kinds(examples):
                name = results.label(dataset)
                yield f"{dataset}-injections", dataset, "wide", *event_examples(examples, name)
                yield f"{dataset}-severity", dataset, "wide", *severity(results, dataset)
            yield f"{dataset}-scalogram", dataset, "wide", *scalograms(results, dataset, examples)
        if trained(results, dataset):
            yield f"{dataset}-training", dataset, "wide", *training_curves(results, dataset)
    for paper in results.papers:
        for ablation in paper.ablations:
            if any(changes(results, ablation, modality) for modality in ablation.columns):
                yield file_name(results, paper, "ablation"), "", "ablation", *ablation_bars(results, ablation)
    if any(len(cost_points(results, modality)) for modality in results.modalities):
        yield "cost", "", "cost", *cost_curves(results)
    for field in fields(results):
        if field.large_enough:
            yield f"ranks-{field.name.replace(', ', '-').replace(' ', '-')}", "", "ranks", *diagram(results, field)
    for method in results.sweep.dropna(subset=["auroc"])["method"].unique():
        yield f"sweep-{method}", "", "sweep", *setting_curves(results, method)
    for base in results.variants:
        if base in results.datasets and any(len(protocol_curve(results, base, axis)) for axis in AXES):
            yield f"{base}-protocol", base, "protocol", *protocol_curves(results, base)


def load_examples(results: Results, dataset: str) -> dict[str, Array]:
    """What `evaluate` stored of a dataset to be drawn: arrays by name, none where it stored nothing."""
    path = results.evaluation / dataset / "examples.npz"
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _freeze(figure: Figure) -> None:
    """Lay the panels out once and round their places: the layout solver's last bits differ from run to run."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position([round(side, 5) for side in axes.get_position(original=True).bounds])  # type: ignore[arg-type]


def _save(figure: Figure, picture: Picture) -> None:
    _freeze(figure)
    # One salt a picture: several SVGs share a page, and their clip paths must not share names.
    with plt.rc_context({"svg.hashsalt": picture.name}):
        figure.savefig(picture.svg, metadata={"Date": None, "Creator": None}, transparent=True)
    figure.savefig(picture.png, metadata={"Software": None}, dpi=160, facecolor="white")
    figure.savefig(picture.pdf, metadata={"CreationDate": None, "Creator": None, "Producer": None})
    # Group names ("axes_1") would repeat on the page; nothing refers to them. Paths need no trailing blanks.
    text = re.sub(
        r' id="(?:figure|axes|patch|text|line2d|xtick|ytick|legend|matplotlib\.axis|[A-Z]\w+)_\d+"| id="image\w+"',
        "",
        picture.svg.read_text(),
    )
    picture.svg.write_text(re.sub(r"[ ]+$", "", text, flags=re.MULTILINE))


# -- which methods a picture shows -------------------------------------------------------------------------------------


def shown(results: Results, dataset: str, available: list[str], limit: int) -> list[str]:
    """At most `limit` >= 3: the paper's methods in its order, the best of the others, the best of the controls.

    Where there is not room for all, one other method and one control keep theirs, and variants come last.
    """

    def quality(method: str) -> float:
        mean = results.score(dataset, method).mean
        return -1.0 if mean is None else mean

    paper = [method for method in results.paper_methods(results.datasets[dataset]["modality"]) if method in available]
    rest = sorted((m for m in available if m not in paper and m in results.methods), key=quality, reverse=True)
    others = [m for m in rest if not results.methods[m].is_control]
    others.sort(key=lambda m: results.methods[m].is_variant)
    controls = [m for m in rest if results.methods[m].is_control and m != ORACLE]
    # The highlighted methods stay when there is not room for all.
    keep = sorted(paper, key=lambda m: (m not in results.highlight, -quality(m)))
    keep = keep[: limit - bool(others) - bool(controls)]
    chosen = ([m for m in paper if m in keep] + others)[: limit - bool(controls)]
    return (chosen + controls)[:limit]


def colours(results: Results, methods: list[str]) -> dict[str, str]:
    spare = [colour for colour in (PURPLE, INK, ORANGE, SKY) if colour not in {COLOURS.get(m) for m in methods}]
    taken = dict(COLOURS)
    for method in methods:
        if method not in taken:
            taken[method] = GREY if results.methods[method].is_control or not spare else spare.pop(0)
    return {method: taken[method] for method in methods}


# -- bars and curves ---------------------------------------------------------------------------------------------------


def auroc_bars(results: Results, dataset: str) -> tuple[Figure, str, str]:
    """Mean AUROC as bars that grow from chance, with interval or range, published number and random band."""
    scores = {m: s for m in results.methods if (s := results.score(dataset, m)).status not in ("n/a", "not in suite")}
    order = sorted(
        shown(results, dataset, list(scores), MAX_BARS),
        key=lambda m: (results.methods[m].is_control, -(mean if (mean := scores[m].mean) is not None else -1)),
    )
    figure, axes = plt.subplots(figsize=(5.0, 0.75 + 0.25 * len(order)))
    low, high = results.datasets[dataset]["random_band"]
    axes.axvspan(low, high, color=GREY, alpha=0.18, linewidth=0)
    axes.axvline(0.5, color=INK, linewidth=0.6)
    left = min([0.4, low, *(bottom for m in order if (bottom := scores[m].low) is not None)])
    for y, method in enumerate(order):
        score, control = scores[method], results.methods[method].is_control
        if score.mean is None:
            axes.text(0.508, y, score.status, va="center", fontstyle="italic", color=GREY)
            continue
        colour = GREY if control else VERMILLION if method in results.highlight[:1] else BLUE
        axes.barh(y, score.mean - 0.5, left=0.5, height=0.62, color=colour, alpha=0.55 if control else 0.9)
        ends = (score.mean, score.mean)
        if score.ci95 is not None:
            ends = (score.mean - score.ci95, score.mean + score.ci95)
        elif len(score.by_seed) > 1 and not score.deterministic:
            ends = (score.low or 0.0, score.high or 0.0)
        axes.plot(ends, (y, y), color=INK, linewidth=1.1, solid_capstyle="butt")
        published = results.published.get((dataset, method))
        if published is not None:
            axes.plot(published, y, marker="D", markersize=4.5, markerfacecolor="none", markeredgecolor=INK)
        axes.text(1.015, y, number(score.mean), va="center", transform=axes.get_yaxis_transform())
    axes.set_yticks(range(len(order)), [results.methods[m].label for m in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlim(max(0.0, left - 0.02), 1.0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter(lambda value, _: number(value, 1))
    axes.set_xlabel("AUROC")
    has_published = any((dataset, m) in results.published for m in order)
    caption = "AUROC, from chance (.5) outwards; line: 95% CI over seeds, or the range below three seeds; grey band: "
    caption += "95% of random scores; grey bars: controls" + ("; diamond: published." if has_published else ".")
    if left_out := len(scores.keys() - {ORACLE}) - len(order):
        caption += f" The paper's methods, the best others and the best control; the leaderboard has {left_out} more."
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
    anomalous = summary["n_anomalous"] / summary["n_labels"]
    figure, (roc, pr) = plt.subplots(1, 2, figsize=(9.0, 3.2))
    dotted: Any = {"color": GREY, "linewidth": 0.8, "linestyle": (0, (2, 3))}
    roc.plot([0, 1], [0, 1], **dotted)
    pr.axhline(anomalous, **dotted)
    for method in methods:
        rows = table[table["method"] == method]
        curve = rows[rows["seed"].fillna(0) == rows["seed"].fillna(0).min()]
        means = [number(results.score(dataset, method, metric).mean) for metric in ("auroc", "ap")]
        dashed = (0, (4, 2)) if results.methods[method].is_control else "-"
        line: Any = {"color": palette[method], "linewidth": 1.6, "linestyle": dashed}
        roc.plot(curve["fpr"], curve["tpr"], **line, label=f"{results.methods[method].label} {', '.join(means)}")
        pr.plot(*precision_recall(curve["fpr"].to_numpy(), curve["tpr"].to_numpy(), anomalous), **line)
    for axes in (roc, pr):
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
    roc.set(xlabel="False positive rate", ylabel="True positive rate")
    pr.set(xlabel="Recall", ylabel="Precision")
    legend: Any = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.02), "handlelength": 1.6, "alignment": "left"}
    pr.legend(*roc.get_legend_handles_labels(), title="AUROC, AP", **legend)
    left_out = table["method"].nunique() - len(methods) - int((table["method"] == ORACLE).any())
    caption = "ROC and precision-recall curves of the first seed; beside each name its AUROC and average precision, "
    caption += "means over seeds; dotted: a random score"
    caption += f"; {left_out} further methods are left out. " if left_out > 0 else ". "
    alt = f"ROC and precision-recall curves on {results.label(dataset)}: "
    alt += ", ".join(results.methods[m].label for m in methods) + "."
    return figure, caption + protocol(results, [dataset]), alt


def cost_points(results: Results, modality: str) -> pd.DataFrame:
    """AUROC and costs of each method and control, means over the modality's datasets; those with all of them only.

    Variants, the oracle, and what has no number on one of the datasets are left out.
    """
    datasets = results.of_modality(modality)
    points = {}
    for info in results.methods.values():
        if info.is_variant or info.id == ORACLE:
            continue
        costs = {column: [results.cost(d, info.id, column) for d in datasets] for column in COST_AXES}
        auroc = average(results.score(d, info.id) for d in datasets).mean
        if auroc is not None and not any(None in values for values in costs.values()):
            points[info.id] = {"auroc": auroc} | {column: float(np.mean(v)) for column, v in costs.items()}  # type: ignore[arg-type]
    return pd.DataFrame.from_dict(points, orient="index", columns=["auroc", *COST_AXES])


def frontier(cost: pd.Series, auroc: pd.Series) -> list[str]:
    """The methods that no other one beats in AUROC at the same or a lower cost, cheapest first."""
    order = pd.DataFrame({"cost": cost, "auroc": -auroc.astype(float)}).sort_values(["cost", "auroc"])
    best = -order["auroc"].shift(fill_value=np.inf).cummin()
    return list(order.index[-order["auroc"] > best])


def cost_curves(results: Results) -> tuple[Figure, str, str]:
    """Mean AUROC over what a score and what training costs: a row a modality, a mark a method."""
    tables = {modality: cost_points(results, modality) for modality in results.modalities}
    tables = {modality: table for modality, table in tables.items() if len(table)}
    tracks = dict.fromkeys(info.track for info in results.methods.values() if not info.is_control)
    shapes = dict(zip(tracks, cycle("o^D"), strict=False))
    figure, panels = plt.subplots(
        len(tables), len(COST_AXES), figsize=(9.0, 0.4 + 3.4 * len(tables)), sharey="row", squeeze=False
    )
    alt = "AUROC over cost. "
    for (modality, table), row in zip(tables.items(), panels, strict=True):
        infos = {method: results.methods[method] for method in table.index}
        ranked = table[[not info.is_control for info in infos.values()]]
        for (column, (label, scale)), axes in zip(COST_AXES.items(), row, strict=True):
            x = (table[column] * scale).clip(lower=CHEAPEST)
            best = frontier(x[ranked.index], ranked["auroc"])
            axes.step(x[best], table["auroc"][best], where="post", color=GREY, linewidth=0.8, zorder=1)
            for method, info in infos.items():
                shape = "s" if info.is_control else shapes[info.track]
                colour = GREY if info.is_control else VERMILLION if method in results.highlight[:1] else BLUE
                axes.plot(x[method], table["auroc"][method], shape, color=colour, markersize=5)
            axes.set_xscale("log")
            axes.margins(0.12, 0.1)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.minorticks_off()
            axes.yaxis.set_major_formatter(lambda value, _: number(value, 2))
            axes.set(xlabel=label)
        row[0].set_ylabel(f"mean AUROC, {modality}")
        alt += f"{modality.capitalize()}: the best method for the cost of a score, cheapest first, is "
        cheap = frontier(ranked["seconds_per_sample"], ranked["auroc"])
        alt += ", ".join(f"{infos[m].label} {number(table['auroc'][m])}" for m in cheap) + ". "
    marks = {track: (shape, BLUE) for track, shape in shapes.items()} | {"control": ("s", GREY)}
    handles = [Line2D([], [], marker=shape, color=colour, linestyle="") for shape, colour in marks.values()]
    figure.legend(handles, list(marks), loc="outside upper left", ncols=len(marks), handletextpad=0.2)
    _freeze(figure)
    for (modality, table), row in zip(tables.items(), panels, strict=True):
        # Names in order of interest: what the paper has, then the best.
        first = table.assign(other=[method not in results.paper_methods(modality) for method in table.index])
        for (column, (_, scale)), axes in zip(COST_AXES.items(), row, strict=True):
            order = first.sort_values(["other", "auroc"], ascending=[True, False]).index
            x = (table[column] * scale).clip(lower=CHEAPEST)
            _name_marks(axes, {results.methods[m].label: (x[m], table["auroc"][m]) for m in order})
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


def ablation_bars(results: Results, ablation: Ablation) -> tuple[Figure, str, str]:
    """Change in mean AUROC against the full model, measured and published, the modalities side by side."""
    measured = {modality: changes(results, ablation, modality) for modality in ablation.columns}
    modalities = [modality for modality, found in measured.items() if found]
    figure, panels = plt.subplots(1, len(modalities), figsize=(4.2 * len(modalities), 2.4), squeeze=False)
    for axes, modality in zip(panels[0], modalities, strict=True):
        for y, (_, test, published) in enumerate(measured[modality]):
            axes.barh(y, test.difference, height=0.55, color=BLUE, alpha=0.9)
            axes.plot((test.low, test.high), (y, y), color=INK, linewidth=1.1)
            if published is not None:
                axes.plot(published, y, marker="D", markersize=4.5, markerfacecolor="none", markeredgecolor=INK)
        axes.axvline(0, color=INK, linewidth=0.6)
        axes.set_yticks(range(len(measured[modality])), [label for label, *_ in measured[modality]])
        axes.set_ylim(len(measured[modality]) - 0.4, -0.6)
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.08)
        axes.set(title=modality, xlabel="change in AUROC, %")
    caption = "Change of mean AUROC against the full model, in percent of it; line: 95% interval; diamond: published."
    return figure, caption, "Bar chart of the change in AUROC when one part of the full model is switched off."


def setting_curves(results: Results, method: str) -> tuple[Figure, str, str]:
    """AUROC of one stored model over K, T' and lambda, and by its start: a row a modality, a line a dataset."""
    table = results.sweep[results.sweep["method"] == method].dropna(subset=["auroc"])
    rows = {m: [d for d in results.of_modality(m) if (table["dataset"] == d).any()] for m in results.modalities}
    rows = {modality: datasets for modality, datasets in rows.items() if datasets}
    figure, panels = plt.subplots(
        len(rows), 4, figsize=(9.0, 0.5 + 1.8 * len(rows)), sharex="col", sharey="row", squeeze=False
    )
    for (modality, datasets), row in zip(rows.items(), panels, strict=True):
        for axes in row:
            of_row = table[table["dataset"].isin(datasets)]
            axes.axhspan(of_row["random_low"].min(), of_row["random_high"].max(), color=GREY, alpha=0.18, linewidth=0)
            axes.axhline(0.5, color=INK, linewidth=0.6)
        for dataset, colour, marker in zip(datasets, cycle(LINES), cycle("osD^v"), strict=False):
            line: Any = {"color": colour, "marker": marker, "markersize": 3.5, "linewidth": 1.3}
            for axes, curve in zip(row, _setting_points(table[table["dataset"] == dataset]), strict=True):
                axes.plot(curve["x"], curve["auroc"], **line, label=results.label(dataset))
                own = curve[curve["differs"] == OWN]
                axes.plot(own["x"], own["auroc"], **line | {"markersize": 6})
        row[0].set_ylabel(f"AUROC, {modality}")
        row[0].yaxis.set_major_formatter(lambda value, _: number(value, 1))
        row[-1].legend(*row[0].get_legend_handles_labels(), bbox_to_anchor=(1.02, 1.03), loc="upper left", fontsize=8)
    calls, starts, weights, begin = panels[-1]
    calls.set_xscale("log")
    calls.set_xticks([1, 5, 10, 50, 250], ["1", "5", "10", "50", "250"])
    calls.minorticks_off()
    calls.set_xlabel("network calls K")
    starts.set_xlabel("T′")
    weights.set(xlabel="λ", xticks=[0, 0.5, 1], xticklabels=["0", ".5", "1"])
    begin.set(xlabel="start", xticks=range(len(BEGINNINGS)), xticklabels=BEGINNINGS, xlim=(-0.4, 2.4))
    low, high = table["samples"].min(), table["samples"].max()
    caption = (
        f"AUROC of {results.methods[method].label} at other settings: the stored model of the first seed, nothing "
        "trained again. In each panel one setting differs; large markers are the model's own, which no run chooses on "
        f"test labels. {low if low == high else f'{low} to {high}'} test samples a dataset, evenly spaced"
    )
    if "point" in set(table["level"]):
        caption += ", and of a series the points that they cover"
    caption += "; both errors in the deviations learnt at the model's own setting; grey: 95% of random scores. "
    caption += "Start: the sample noised up to T′ or up to T, or pure noise at T, which cannot depend on the sample."
    at_own = table[table["differs"] == OWN].set_index("dataset")["auroc"]
    alt = f"Curves of the AUROC of {results.methods[method].label} over network calls, T′, λ and start; at its own "
    alt += "setting " + ", ".join(f"{results.label(str(d))} {number(value)}" for d, value in at_own.items()) + "."
    return figure, caption, alt


def protocol_curves(results: Results, dataset: str) -> tuple[Figure, str, str]:
    """AUROC over the contamination of the training set and over its size, a panel each, a line a method."""
    curves = {axis: points for axis in AXES if len(points := protocol_curve(results, dataset, axis))}
    available = [m for m in results.methods if any((points["method"] == m).any() for points in curves.values())]
    methods = shown(results, dataset, available, MAX_CURVES)
    palette = colours(results, methods)
    labels = {m: f"{results.methods[m].label} {number(results.score(dataset, m).mean)}" for m in methods}
    figure, panels = plt.subplots(1, len(curves), figsize=(1.6 + 3.6 * len(curves), 3.0), sharey=True, squeeze=False)
    for (axis, points), axes in zip(curves.items(), panels[0], strict=True):
        axes.axhspan(*results.datasets[dataset]["random_band"], color=GREY, alpha=0.18, linewidth=0)
        axes.axhline(0.5, color=INK, linewidth=0.6)
        for method in methods:
            dashed = (0, (4, 2)) if results.methods[method].is_control else "-"
            sns.lineplot(
                points[points["method"] == method], x="x", y="auroc", errorbar=("pi", 100), err_kws={"linewidth": 0},
                color=palette[method], linestyle=dashed, marker="o", markersize=4, linewidth=1.4, label=labels[method],
                legend=False, ax=axes,
            )  # fmt: skip
        ticks = sorted(points["x"].unique())
        if axis == "train_share":
            axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(lambda value, _: number(value, 1))
        axes.set(xlabel=AXES[axis], ylabel="AUROC")
    handles, names = panels[0, -1].get_legend_handles_labels()
    panels[0, -1].legend(handles, names, title="AUROC at 0, 100%", bbox_to_anchor=(1.02, 1.03), loc="upper left")
    caption = (
        f"{results.label(dataset)}: the methods trained again on a training set of which a part is anomalous, and on a "
        "part of it; the test rows stay. Means over seeds, bands: their range; dashed: the best control; grey: 95% of "
        f"random scores. At 0 and 100%: {protocol(results, [dataset])}"
    )
    alt = f"Curves of AUROC on {results.label(dataset)}. "
    for axis, points in curves.items():
        ends = points[points["x"].isin([points["x"].min(), points["x"].max()])].groupby(["method", "x"])["auroc"].mean()
        at = {m: ends[m] for m in methods if ends.index.get_level_values("method").isin([m]).sum() == 2}
        alt += f"{AXES[axis].capitalize()} from {points['x'].min():g} to {points['x'].max():g}: "
        alt += ", ".join(
            f"{results.methods[m].label} {number(v.iloc[0])} to {number(v.iloc[-1])}" for m, v in at.items()
        )
        alt += ". "
    return figure, caption, alt.strip()


def _setting_points(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The curves of one dataset: x, auroc and differs over calls, T', lambda, and what the model starts from."""
    for name in ("calls", "start", "lambda"):
        rows = table[table["differs"].isin([OWN, name])]
        yield rows.assign(x=rows[name]).sort_values("x")
    noise = table["from_noise"] & ~table["differs"].str.contains("lambda|calls")
    last = table["differs"].isin([OWN, "start"]) & (table["start"] == table["start"].max())
    own = table["differs"] == OWN
    yield pd.concat([table[rows].assign(x=x) for x, rows in enumerate((own, last, noise))])


# -- pictures of the data ----------------------------------------------------------------------------------------------


def gallery(results: Results, dataset: str, stored: dict[str, Array]) -> tuple[Figure, str, str]:
    """Input, mask and anomaly maps: a column a sample, a row a method; one colour scale a method."""
    samples = range(len(stored["label"]))
    available = [name.removeprefix("map:") for name in stored if name.startswith("map:")]
    methods = shown(results, dataset, available, MAX_MAPS)
    masks = stored["mask"].astype(bool) if "mask" in stored else None
    lines = ["input", *(["mask"] if masks is not None else []), *methods]
    figure, panels = plt.subplots(
        len(lines),
        len(samples),
        figsize=(1.2 * len(samples) + 1.0, 1.32 * len(lines)),
        squeeze=False,
        layout=ConstrainedLayoutEngine(w_pad=0.015, h_pad=0.015, wspace=0.0, hspace=0.0),
    )
    for line, row in zip(lines, panels, strict=True):
        row[0].set_ylabel(
            results.methods[line].label if line in methods else line,
            rotation=0,
            ha="right",
            va="center",
            labelpad=6,
        )
        maps = stored[f"map:{line}"] if line in methods else None
        limits = np.percentile(maps, [2, 99.5]) if maps is not None else (0.0, 1.0)
        for index, axes in zip(samples, row, strict=True):
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_visible(False)
            if line == "input":
                axes.set_title(_case(stored, index), fontsize=8, loc="center")
                _show(axes, _as_image(stored["samples"][index]))
            elif line == "mask":
                assert masks is not None
                _show(axes, np.repeat(masks[index][..., None] * 0.92 + 0.04, 3, axis=-1))
            else:
                assert maps is not None
                scaled = np.clip((maps[index] - limits[0]) / max(float(limits[1] - limits[0]), 1e-12), 0, 1)
                _show(axes, plt.get_cmap("inferno")(scaled)[..., :3])
                if masks is not None and masks[index].any():
                    axes.contour(masks[index], levels=[0.5], colors="white", linewidths=0.7)
                if f"score:{line}" in stored:
                    axes.set_xlabel(f"{stored[f'score:{line}'][index]:.3g}", fontsize=7, labelpad=2)
    caption = (
        f"{_chosen(results, stored)} Anomaly maps of the first seed, one colour scale a method; the image's score "
    )
    caption += (
        "below each map; white line: outline of the mask. " if masks is not None else "below each map; no masks. "
    )
    caption += f"Reconstructions are not stored. {protocol(results, [dataset])}"
    alt = f"{len(samples)} test images of {results.label(dataset)} with the anomaly maps of "
    return figure, caption, alt + (", ".join(results.methods[m].label for m in methods) or "no method") + "."


def _show(axes: Any, image: Array) -> None:
    axes.imshow((image * 255).round().astype(np.uint8), interpolation="none")


def _as_image(array: Array) -> Array:
    """(C, H, W) in [-1, 1] -> (H, W, 3) in [0, 1]; one channel is shown as grey, of more than three the first three."""
    channels = array[:3] if len(array) >= 3 else np.repeat(array[:1], 3, axis=0)
    return np.clip((np.moveaxis(channels, 0, -1) + 1) / 2, 0, 1)


def _case(stored: dict[str, Array], index: int) -> str:
    """anomalous, worst"""
    return f"{'anomalous' if stored['label'][index] else 'normal'}, {stored['case'][index]}"


def _chosen(results: Results, stored: dict[str, Array]) -> str:
    return (
        f"Test samples chosen by the scores of {results.methods[str(stored['chooser'])].label}, first seed: the best, "
        "the median and the worst of each class; highest is best for an anomalous one, lowest for a normal one."
    )


def series_tracks(results: Results, dataset: str, stored: dict[str, Array]) -> tuple[Figure, str, str]:
    """The test series above the merged scores of some methods; labelled anomalies are bands through all panels."""
    series, labels = stored["signal"], stored["labels"]
    available = [name.removeprefix("score:") for name in stored if name.startswith("score:")]
    methods = shown(results, dataset, available, MAX_TRACKS)
    palette = colours(results, methods)
    figure, panels = plt.subplots(
        1 + len(methods),
        1,
        sharex=True,
        figsize=(9.0, 1.5 + 0.85 * len(methods)),
        height_ratios=[1.6, *[1.0] * len(methods)],
        squeeze=False,
    )
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
            axes.axvspan(start, max(stop, start + len(labels) / MAX_COLUMNS), color=colour, alpha=0.28, linewidth=0)
        values = series[:, 0] if method is None else stored[f"score:{method}"]
        time, envelope = decimate(values, MAX_COLUMNS)
        axes.plot(time, envelope, color=INK if method is None else palette[method], linewidth=0.7)
        axes.set_title("signal" if method is None else score_label(results, dataset, method), fontsize=8, pad=2)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.005)
    panels[-1, 0].set_xlabel("test step")
    channels = f" (channel 1 of {series.shape[1]})" if series.shape[1] > 1 else ""
    caption = f"The test series{channels} and the point scores of the first seed; "
    caption += "bands: injected anomalies by kind; hatched: steps left out of scoring." if kind_colours else ""
    caption += "" if kind_colours else "orange bands: labelled anomalies."
    caption += f" {protocol(results, [dataset])}"
    alt = f"{results.label(dataset)}: {len(bands)} labelled anomalies over {len(labels)} steps, with the scores of "
    return figure, caption, alt + (", ".join(results.methods[m].label for m in methods) or "no method") + "."


def severity(results: Results, dataset: str) -> tuple[Figure, str, str]:
    """The severity curves of a dataset with injected anomalies."""
    table = pd.read_csv(results.evaluation / dataset / "severity.csv")
    methods = shown(results, dataset, list(table["method"].unique()), MAX_CURVES)
    labels = {method: results.methods[method].label for method in methods}
    return severity_curves(table, labels, colours(results, methods), results.label(dataset))


def score_label(results: Results, dataset: str, method: str) -> str:
    """The method and its mean AUROC, where it has one."""
    mean = results.score(dataset, method).mean
    return results.methods[method].label + (f"  AUROC {number(mean)}" if mean is not None else "")


def window_examples(results: Results, dataset: str, stored: dict[str, Array]) -> tuple[Figure, str, str]:
    """The best, the median and the worst test window or clip of each class, with the scores they received."""
    available = [name.removeprefix("score:") for name in stored if name.startswith("score:")]
    methods = shown(results, dataset, available, MAX_TRACKS)
    columns = min(3, len(stored["label"]))
    rows = -(-len(stored["label"]) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(9.0, 1.9 * rows), sharex=True, sharey=True, squeeze=False)
    for index, axes in enumerate(panels.flat):
        if index >= len(stored["label"]):
            axes.set_visible(False)
            continue
        time, envelope = decimate(stored["samples"][index, 0], MAX_COLUMNS // columns)
        axes.plot(time, envelope, color=VERMILLION if stored["label"][index] else BLUE, linewidth=0.9)
        axes.set_title(_case(stored, index), fontsize=8, pad=2)
        lines = [f"{results.methods[m].label}  {stored[f'score:{m}'][index]:.3g}" for m in methods]
        axes.set_xlabel("\n".join(lines), fontsize=7, loc="left", labelpad=2)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
    caption = f"{_chosen(results, stored)} Below each its scores, whose scales differ between methods. "
    alt = f"{len(stored['label'])} examples of {results.label(dataset)}, normal and anomalous."
    return figure, caption + protocol(results, [dataset]), alt


def scalograms(results: Results, dataset: str, stored: dict[str, Array]) -> tuple[Figure, str, str]:
    """A normal and an anomalous stretch of signal above the magnitude of their continuous wavelet transforms."""
    if "signal" in stored:
        length = WINDOWS * results.datasets[dataset]["window"]
        signals = {name: stored["signal"][part, 0] for name, part in stretches(stored["labels"], length).items()}
        what = (
            f"{WINDOWS} windows of the test series: the first without a label, and round its longest labelled anomaly."
        )
    else:
        places: dict[str, int] = {}
        for index in range(len(stored["label"])):  # the median of a class where it has one
            name = "anomalous" if stored["label"][index] else "normal"
            if name not in places or stored["case"][index] == "median":
                places[name] = index
        signals = {
            _case(stored, index): stored["samples"][index, 0] for _, index in sorted(places.items(), reverse=True)
        }
        what = _chosen(results, stored)
    maps = {name: scalogram(signal) for name, signal in signals.items()}
    top = max(float(np.percentile(magnitude, 99.5)) for _, magnitude in maps.values()) or 1.0
    figure, panels = plt.subplots(
        2, len(signals), figsize=(9.0, 3.4), sharex="col", sharey="row", height_ratios=[1.0, 2.2], squeeze=False
    )
    for (name, signal), (line, image) in zip(signals.items(), panels.T, strict=True):
        periods, magnitude = maps[name]
        time, envelope = decimate(signal, MAX_COLUMNS // 2)
        line.plot(time, envelope, color=BLUE if name.startswith("normal") else VERMILLION, linewidth=0.8)
        line.set_title(name, fontsize=8, pad=2)
        line.set_yticks([])
        line.spines["left"].set_visible(False)
        inferno = plt.get_cmap("inferno")(np.clip(magnitude / top, 0, 1))[..., :3]
        image.imshow((inferno * 255).round().astype(np.uint8), aspect="auto", extent=(0, len(signal), SCALES, 0))
        ticks = [2.0**power for power in range(1, 16) if periods[0] <= 2.0**power <= periods[-1]]
        ticks = ticks[:: max(1, len(ticks) // 5)]
        image.set_yticks(np.interp(np.log(ticks), np.log(periods), np.arange(SCALES) + 0.5), [f"{t:g}" for t in ticks])
        image.set_xlabel("step")
    panels[1, 0].set_ylabel("period, steps")
    caption = f"Scalograms: magnitude of the continuous wavelet transform ({WAVELET}), one colour scale. {what}"
    return figure, caption, f"Signal and scalogram of parts of {results.label(dataset)}: {'; '.join(signals)}."


def scalogram(signal: Array) -> tuple[Array, Array]:
    """Periods in steps (SCALES,), shortest first, and |CWT| (SCALES, at most MAX_TIMES), the largest of every column.

    The signal is continued by reflection: an end is no jump.
    """
    length = len(signal)
    periods = np.geomspace(2.0, max(4.0, length / 2), SCALES)
    padded = np.concatenate([signal[::-1], signal, signal[::-1]]).astype(np.float64)
    padded -= padded.mean()
    transform, _ = pywt.cwt(padded, periods * pywt.central_frequency(WAVELET), WAVELET, method="fft")
    magnitude = np.abs(transform[:, length : 2 * length])
    edges = np.linspace(0, length, min(length, MAX_TIMES), endpoint=False).astype(int)
    return periods, np.maximum.reduceat(magnitude, edges, axis=1)


def stretches(labels: Array, length: int) -> dict[str, slice]:
    """A stretch without labels and one round the longest labelled run, of the same length where the series allows."""
    length = min(length, len(labels))
    quiet = runs(labels == 0)
    start, stop = next((run for run in quiet if run[1] - run[0] >= length), max(quiet, key=lambda r: r[1] - r[0]))
    found = {"normal": slice(start, min(stop, start + length))}
    if anomalies := runs(labels):
        first, last = max(anomalies, key=lambda run: run[1] - run[0])
        begin = int(np.clip((first + last - length) // 2, 0, len(labels) - length))
        found["anomalous"] = slice(begin, begin + length)
    return found


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
    names = ", ".join(results.methods[method].label for method in methods)
    return figure, caption, f"Training loss over gradient steps on {results.label(dataset)}: {names}."


def decimate(values: Array, columns: int) -> tuple[Array, Array]:
    """Lowest and highest value of each of `columns` equal stretches, in their order: spikes survive, points do not.

    Returns the steps and values to draw; a series of at most two values a column is returned whole.
    """
    values = np.asarray(values, dtype=float)
    if len(values) <= 2 * columns:
        return np.arange(len(values)), values
    edges = np.linspace(0, len(values), columns + 1).astype(int)
    steps: list[int] = []
    for start, stop in pairwise(edges):
        stretch = values[start:stop]
        if np.isnan(stretch).all():
            steps.append(start)
            continue
        steps += sorted({start + int(np.nanargmin(stretch)), start + int(np.nanargmax(stretch))})
    return np.array(steps), values[steps]


def runs(labels: Array) -> list[tuple[int, int]]:
    """First step and end of every stretch of ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(labels, dtype=np.int8), [0]])))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
