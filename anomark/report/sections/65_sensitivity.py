"""How far the protocol, and not the method, moves the order: variants of a dataset, other readings of its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from anomark.report.metrics import HEADLINE, reading_metrics
from anomark.report.render.draw import BLUE, DASHED, GREY, INK, VERMILLION, name_rows
from anomark.report.results import ORACLE, Results
from anomark.report.section import Drawing, Section
from anomark.report.shown import MAX_CURVES, colours, shown
from anomark.report.table import NONE, Cell, Column, Row, Table, number, words
from anomark.report.tables import protocol
from anomark.statistics.ranks import agreement
from anomark.suite_records import MetricInfo

#: Parameters of a dataset over which AUROC is drawn, and what their axis says.
AXES = {"contamination": "anomalies in training, %", "train_share": "training data, %"}


def build(results: Results) -> Section | None:
    if not results.variants:
        return None
    table = sensitivity_table(results)
    drawings = [
        Drawing(f"{base}-protocol", partial(protocol_curves, results, base), base, "wide")
        for base in results.variants
        if base in results.datasets and any(len(protocol_curve(results, base, axis)) for axis in AXES)
    ]
    if redrawn(results):
        drawings.insert(0, Drawing("protocol-shift", partial(protocol_shift, results), kind="wide"))
    return Section("sensitivity-section", "Protocol sensitivity", lead(results, table.data), [*drawings, table])


def lead(results: Results, data: pd.DataFrame) -> str:
    """The protocol that leaves least of the headline's order of methods."""
    known = data.dropna(subset=["tau"]).query("protocol != 'headline'") if "tau" in data else data
    if known.empty:
        return "No two protocols have enough methods in common to compare their order."
    row = known.iloc[int(known["tau"].to_numpy(float).argmin())]
    return (
        f"The order of the methods changes most on {results.label(row['dataset'])} under the protocol "
        f"“{row['protocol']}”: Kendall's τ with the headline's order is **{number(float(row['tau']), 2)}**."
    )


def protocols(results: Results, base: str) -> list[tuple[str, str, str]]:
    """Name, dataset and metric of each protocol of one dataset: the headline's, its variants, and other readings."""
    found = [("headline", base, HEADLINE)]
    found += [(results.summaries[variant].protocol, variant, HEADLINE) for variant in results.variants[base]]
    level = results.datasets[base].level
    return found + [(metric.label, base, metric.id) for metric in reading_metrics(results) if level in metric.levels]


def compared(results: Results, modality: str) -> dict[str, str]:
    """Method -> its header: the methods of the suite's papers, or all that compete where it has no paper."""
    return results.paper_methods(modality) or {method: results.methods[method].label for method in results.rivals}


def sensitivity_table(results: Results) -> Table:
    """The paper's methods on each dataset that has variants, a row a protocol, and how much of their order is left."""
    bases = [base for base in results.variants if base in results.datasets]
    paper = {m: label for modality in results.modalities for m, label in compared(results, modality).items()}
    headers = [*paper.values(), "Best control", "Random", "Copies", "τ"]
    rows = []
    for base in bases:
        modality = results.datasets[base].modality
        headline: dict[str, float] = {}
        for name, dataset, metric in protocols(results, base):
            means = results.means(dataset, [m for m in results.methods if m != ORACLE], metric)
            if metric != HEADLINE and not means:
                continue
            of_paper = {m: means[m] for m in compared(results, modality) if m in means}
            headline = headline or of_paper
            info = results.metrics_info[metric]
            tau = agreement(headline, {m: v if info.higher_is_better else -v for m, v in of_paper.items()})
            cells = [Cell(results.label(base)), Cell(name)]
            printed = {method: round(value, 3) for method, value in of_paper.items()}
            for method in paper:
                ahead = [info.better(value, printed[method]) for value in printed.values() if method in printed]
                cells.append(_cell(results, dataset, method, info, 1 + sum(ahead) if ahead else None))
            best = max if info.higher_is_better else min
            control = best((m for m in means if m in results.controls), key=lambda m: means[m], default="")
            random = next((m for m in results.chance if m in means), "")
            cells.append(_mean(means, control, info, results.methods[control].label if control else ""))
            cells.append(replace(_mean(means, random, info), tone="quiet"))
            share = copied(results, dataset)
            cells.append(NONE if share is None else Cell(f"{share:.0%}", sort=round(share, 6)))
            few = f"of {len(of_paper)} methods" if len(of_paper) < len(headline) else ""
            agreed = NONE if tau is None else Cell(number(tau, 2), sort=round(tau, 6))
            record = _record(results, base, name, dataset, metric) | {
                "tau": tau,
                "methods": len(of_paper),
                "copies": share,
            }
            rows.append(Row([*cells, replace(agreed, note=few)], base, modality, record=record))
    caption = (
        "The paper's methods under other protocols: variants of the data, trained anew, by AUROC; of a series also "
        "other readings of the headline's scores. All have the same test rows, but where rows are drawn anew for each "
        "seed: those numbers are means over draws. Higher is better; small print: rank, "
        "whatever the track, as the paper's tables compare them. "
        "Copies: the share of test samples that equal a training sample. "
        "τ: Kendall's rank correlation (τ-b) of the methods' order with the headline's, 1 the same, −1 the reverse; of "
        f"five methods one exchange of neighbours takes .2. Headline: {protocol(results, bases)}"
    )
    notes = [
        f"{', '.join(results.label(v) for v in variants)}: without a number for {base} nothing to compare with."
        for base, variants in results.variants.items()
        if base not in results.datasets
    ]
    columns = words("Dataset", "Protocol") + [Column(header) for header in headers]
    return Table("sensitivity", "Protocol sensitivity", caption, columns, rows, notes, ("dataset", "protocol"))


def _cell(results: Results, dataset: str, method: str, metric: MetricInfo, rank: int | None) -> Cell:
    score = results.score(dataset, method, metric.id)
    if score.mean is None:
        expected = metric.id != HEADLINE or score.status in ("n/a", "not in suite")
        return Cell("–" if expected else score.status, title=score.reason, tone="quiet" if expected else "status")
    text = number(score.mean, metric.digits)
    return Cell(text, note=f"rank {rank}" * bool(rank), sort=round(score.mean, 6), best=rank == 1)


def _mean(means: Mapping[str, float], method: str, metric: MetricInfo, note: str = "") -> Cell:
    if method not in means:
        return NONE
    return Cell(number(means[method], metric.digits), note=note, sort=round(means[method], 6))


def copied(results: Results, dataset: str) -> float | None:
    """The share of a dataset's test samples, over all its draws, that equal a training sample; None if unknown."""
    draws = [results.summaries[draw] for draw in results.draws.get(dataset, [dataset])]
    counted = [(draw.copies, draw.n_test) for draw in draws if draw.copies is not None and draw.n_test]
    return sum(copies for copies, _ in counted) / sum(rows for _, rows in counted) if counted else None


def _record(results: Results, base: str, name: str, dataset: str, metric: str) -> dict[str, Any]:
    """For machines: every method and control of the suite, its mean and its range over seeds."""
    record: dict[str, Any] = {"dataset": base, "protocol": name, "variant": dataset, "metric": metric}
    for method in results.methods:
        score = results.score(dataset, method, metric)
        record |= {method: score.mean, f"{method} low": score.low, f"{method} high": score.high}
    return record


def protocol_curve(results: Results, base: str, axis: str) -> pd.DataFrame:
    """AUROC over one parameter, the dataset among its variants that differ in nothing else: method, x in %, auroc.

    One row a seed; empty where no variant moves the parameter.
    """
    own = results.summaries[base].params
    points = {base: own.get(axis)}
    for variant in results.variants.get(base, ()):
        params = own if variant in results.refused else results.summaries[variant].params
        if {name for name, value in params.items() if value != own.get(name)} == {axis}:
            points[variant] = params[axis]
    rows = [
        {"method": method, "x": 100 * x, "auroc": value}
        for dataset, x in points.items()
        for method in results.methods
        for value in results.score(dataset, method).values
        if len(points) > 1 and x is not None
    ]
    return pd.DataFrame(rows, columns=["method", "x", "auroc"]).sort_values(["method", "x"], ignore_index=True)


def protocol_curves(results: Results, dataset: str) -> tuple[Figure, str, str]:
    """AUROC over the contamination of the training set and over its size, a panel each, a line a method."""
    curves = {axis: points for axis in AXES if len(points := protocol_curve(results, dataset, axis))}
    available = [m for m in results.methods if any((points["method"] == m).any() for points in curves.values())]
    methods = shown(results, dataset, available, MAX_CURVES)
    palette = colours(results, methods)
    labels = {m: f"{results.methods[m].label} {number(results.score(dataset, m).mean)}" for m in methods}
    figure, panels = plt.subplots(1, len(curves), figsize=(1.6 + 3.6 * len(curves), 3.0), sharey=True, squeeze=False)
    for (axis, points), axes in zip(curves.items(), panels[0], strict=True):
        axes.axhspan(*results.datasets[dataset].random_band, color=GREY, alpha=0.18, linewidth=0)
        axes.axhline(0.5, color=INK, linewidth=0.6)
        for method in methods:
            dashed = DASHED if results.methods[method].is_control else "-"
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
    panels[0, -1].legend(title="AUROC at 0, 100%", bbox_to_anchor=(1.02, 1.03), loc="upper left")
    caption = (
        f"{results.label(dataset)}: the methods trained again on a training set of which a part is anomalous, and on a "
        "part of it; the test rows stay. Means over seeds, bands: their range; dashed: the best control; grey: 95% of "
        f"random scores. At 0 and 100%: {protocol(results, [dataset])}"
    )
    alt = f"Curves of AUROC on {results.label(dataset)}. "
    for axis, points in curves.items():
        means = points.groupby(["method", "x"])["auroc"].mean().unstack()
        ends = means.iloc[:, [0, -1]].reindex(methods).dropna()
        alt += f"{AXES[axis].capitalize()} from {means.columns[0]:g} to {means.columns[-1]:g}: "
        told = [f"{results.methods[m].label} {number(low)} to {number(high)}" for m, low, high in ends.itertuples()]
        alt += f"{', '.join(told)}. "
    return figure, caption, alt.strip()


def redrawn(results: Results) -> list[tuple[str, str]]:
    """Datasets and their variants that are drawn anew for each seed, where methods have a number under both."""
    pairs = [(base, variant) for base, variants in results.variants.items() for variant in variants]
    return [
        (base, variant)
        for base, variant in pairs
        if base in results.datasets and variant in results.draws and results.means(variant, results.rivals)
    ]


def protocol_shift(results: Results) -> tuple[Figure, str, str]:
    """What drawing the rows anew before the split does: a line a method from its AUROC without to that with it."""
    pairs, told = redrawn(results), []
    figure, axes = plt.subplots(figsize=(9.0, 1.1 + 0.42 * len(pairs)))
    labels = []
    for y, (base, variant) in enumerate(pairs):
        without, drawn = results.means(base, results.rivals), results.means(variant, results.rivals)
        both = sorted(without.keys() & drawn.keys())
        tau, share = agreement({m: without[m] for m in both}, {m: drawn[m] for m in both}), copied(results, variant)
        for place, method in enumerate(both):
            height = y + 0.6 * (place / max(len(both) - 1, 1) - 0.5)
            axes.plot((without[method], drawn[method]), (height, height), color=GREY, linewidth=0.7, zorder=1)
            axes.plot(without[method], height, "o", color=BLUE, markersize=3, zorder=2)
            axes.plot(drawn[method], height, "o", color=VERMILLION, markersize=3, zorder=2)
        beside = f"{'–' if share is None else f'{share:.0%}'} copies, τ {'–' if tau is None else number(tau, 2)}"
        axes.text(1.01, y, beside, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
        labels.append(results.label(base))
        gain = float(np.mean([drawn[m] - without[m] for m in both])) if both else 0.0
        told.append(f"{results.label(base)} {gain:+.3f} on average, {beside}")
    axes.axvline(0.5, color=INK, linewidth=0.6)
    axes.plot([], [], "o", color=BLUE, markersize=3, label="as it is")
    axes.plot([], [], "o", color=VERMILLION, markersize=3, label=results.summaries[pairs[0][1]].protocol)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=8)
    axes.xaxis.set_major_formatter(lambda value, _: number(value, 1))
    axes.set_xlabel("AUROC")
    name_rows(axes, labels)
    caption = (
        "What drawing rows anew before the split is worth: a line a method, from its AUROC on the rows as they are to "
        "the mean over the draws. Beside: the share of test rows that equal a training row under the draws, and "
        f"Kendall's τ of the two orders of the methods. {protocol(results, [base for base, _ in pairs])}"
    )
    return figure, caption, f"Differences in AUROC by drawing rows anew: {'; '.join(told)}."
