"""How far the choice of protocol, and not of the method, moves the order of the methods."""

from __future__ import annotations

from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from anomark.report.metrics import HEADLINE, failure_notes, metric_notes, reading_metrics
from anomark.report.render.draw import INK
from anomark.report.results import ORACLE, Results
from anomark.report.section import Drawing, Section
from anomark.report.shown import MAX_CURVES, colours, shown
from anomark.report.table import NONE, Cell, Column, Row, Table, number, words
from anomark.report.tables import digits, protocol
from anomark.suite_records import MetricInfo


def build(results: Results) -> Section | None:
    table = reading_table(results)
    if not table.rows:
        return None
    if not any(row.record[f"{HEADLINE} rank"] for row in table.rows):
        return Section(
            "readings-section", "Other protocols", "The suite has controls alone, which have no rank.", [table]
        )
    drawing = Drawing("readings", partial(rank_lines, results, table.data), kind="wide")
    return Section("readings-section", "Other protocols", lead(table.data), [drawing, table])


def lead(data: pd.DataFrame) -> str:
    """On how many datasets another protocol has another winner."""
    ranks = [column for column in data.columns if column.endswith(" rank")]
    winners = {
        dataset: {rank: set(rows.loc[rows[rank] == 1, "method"]) for rank in ranks}
        for dataset, rows in data.groupby("dataset")
    }
    others = [any(w and not w & found[f"{HEADLINE} rank"] for w in found.values()) for found in winners.values()]
    where = "the one dataset" if len(winners) == 1 else f"the {len(winners)} datasets"
    return f"Of {where} with other protocols, **{sum(others)}** would have another best method for the same scores."


#: Datasets in the picture, so many a row.
MOST, ACROSS = 6, 2


def rank_lines(results: Results, data: pd.DataFrame) -> tuple[Figure, str, str]:
    """The rank of each method under each protocol: a panel a dataset, a line a method."""
    metrics = [results.metrics_info[name.removesuffix(" rank")] for name in data.columns if name.endswith(" rank")]
    metrics = [metric for metric in metrics if pd.to_numeric(data[f"{metric.id} rank"]).notna().any()]
    datasets = list(dict.fromkeys(data["dataset"]))[:MOST]
    rows = -(-len(datasets) // ACROSS)
    figure, panels = plt.subplots(rows, ACROSS, figsize=(9.0, 0.9 + 2.3 * rows), sharex=True, squeeze=False)
    for axes in panels.flat[len(datasets) :]:
        axes.set_visible(False)
    for dataset, axes in zip(datasets, panels.flat, strict=False):
        of_dataset = data[data["dataset"] == dataset].set_index("method")
        ranks = of_dataset[[f"{metric.id} rank" for metric in metrics]].apply(pd.to_numeric).dropna(how="all")
        methods = shown(results, dataset, [str(method) for method in ranks.index], MAX_CURVES)
        palette = colours(results, methods)
        for method, colour in palette.items():
            line = ranks.loc[method].to_numpy(float)
            axes.plot(range(len(metrics)), line, color=colour, marker="o", markersize=4, linewidth=1.4, label=method)
        # Methods of two tracks may end at one rank, and their names would lie on each other.
        ends = ranks.loc[methods].iloc[:, -1]
        for last in ends.unique():
            here = [str(method) for method in ends.index[ends == last]]
            axes.annotate(
                results.names(here), (len(metrics) - 1, float(last)), (6, 0), textcoords="offset points", va="center",
                fontsize=7.5, color=palette[here[0]] if len(here) == 1 else INK, annotation_clip=False,
            )  # fmt: skip
        axes.set_title(results.label(dataset))
        protocols = [metric.label for metric in metrics]
        axes.set_xticks(range(len(metrics)), protocols, rotation=30, ha="right", fontsize=7.5)
        axes.tick_params(labelbottom=True)
        axes.set_yticks(range(1, int(ranks.max().max()) + 1))
        axes.invert_yaxis()
    for axes in panels[:, 0]:
        axes.set_ylabel("rank in its track")
    caption = "Rank of the methods under each protocol, 1 the best, among those of the same track"
    caption += f"; the first {MOST} datasets. " if data["dataset"].nunique() > MOST else ". "
    alt = f"Lines of ranks over {', '.join(metric.label for metric in metrics)} on "
    alt += ", ".join(results.label(dataset) for dataset in datasets) + "."
    return figure, caption + protocol(results, datasets), alt


def reading_table(results: Results) -> Table:
    """Every method on every labelled series under each protocol in use, beside the random control's own number.

    A rank in each cell shows how far the choice of protocol, and not of the method, moves the order.
    """
    readings = reading_metrics(results)
    listed = [results.metrics_info[HEADLINE], *readings] if readings else []
    columns = words("Dataset", "Method") + [Column(metric.label) for metric in listed]
    rows = []
    levels = {level for metric in readings for level in metric.levels}
    datasets = [dataset for dataset, summary in results.datasets.items() if summary.level in levels]
    for dataset in datasets:
        means = {metric.id: results.means(dataset, metric=metric.id) for metric in listed}
        control = next((method for method in results.chance if method in means[HEADLINE]), "")
        for method in sorted(means[HEADLINE], key=lambda m: -means[HEADLINE][m]):
            if method == ORACLE:
                continue
            info = results.methods[method]
            cells = [Cell(results.label(dataset)), Cell(info.label, tone="quiet" if info.is_control else "")]
            record: dict[str, Any] = {"dataset": dataset, "method": method}
            for metric in listed:
                scores = means[metric.id]
                rivals = [m for m in results.rivals if m in scores and results.methods[m].track == info.track]
                ranked = method in rivals
                rank = 1 + sum(metric.better(scores[rival], scores[method]) for rival in rivals) if ranked else None
                cells.append(_reading_cell(metric, scores.get(method), rank, scores.get(control)))
                record |= {metric.id: digits(scores.get(method)), f"{metric.id} rank": rank or ""}
            rows.append(Row(cells, dataset, results.datasets[dataset].modality, method, record))
    caption = (
        "The same scores under other protocols, higher is better unless said otherwise; small print: rank within its "
        f"track, and the random control's own number where a random score does well. {metric_notes(readings)} "
        f"{protocol(results, datasets)}"
    )
    return Table("readings", "Readings", caption, columns, rows, failure_notes(results, listed))


def _reading_cell(metric: MetricInfo, value: float | None, rank: int | None, random: float | None) -> Cell:
    if value is None:
        return NONE
    notes = [f"rank {rank}"] if rank else []
    if metric.flattering and random is not None:
        notes.append(f"random {number(random, metric.digits)}")
    return Cell(number(value, metric.digits), note=", ".join(notes), sort=round(value, 6), best=rank == 1)
