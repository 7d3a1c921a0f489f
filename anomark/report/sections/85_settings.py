"""What other settings of stored diffusion models are worth."""

from __future__ import annotations

from functools import partial
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from anomark.records import OWN
from anomark.report.render.draw import GREY, INK, LINES
from anomark.report.results import Results
from anomark.report.section import Drawing, Section
from anomark.report.table import number

#: Columns of sweep.csv that are no parameters.
KNOWN = ("dataset", "method", "seed", "level", "samples", "random_low", "random_high", "differs", "auroc", "failed")


def build(results: Results) -> Section | None:
    swept = results.sweep.dropna(subset=["auroc"])
    if swept.empty:
        return None
    drawings = [
        Drawing(f"sweep-{method}", partial(setting_curves, results, method), kind="wide")
        for method in swept["method"].unique()
    ]
    return Section("settings", "Settings", lead(results, swept), drawings)


def lead(results: Results, swept: pd.DataFrame) -> str:
    """The largest gain that a setting other than a model's own has."""
    cells = swept.set_index(["method", "dataset"])
    own = cells.loc[cells["differs"] == OWN, "auroc"]
    gains = (cells["auroc"].groupby(level=[0, 1]).max() - own.groupby(level=[0, 1]).first()).dropna()
    if gains.empty:
        return ""
    method, dataset = gains.index[int(gains.to_numpy().argmax())]
    return (
        f"No setting of those tried is better than a model's own by more than **{number(gains.max())}** AUROC "
        f"({results.methods[method].label} on {results.label(dataset)})."
    )


def setting_curves(results: Results, method: str) -> tuple[Figure, str, str]:
    """AUROC of one stored model over each parameter that was tried: a row a modality, a line a dataset."""
    table = results.sweep[results.sweep["method"] == method].dropna(subset=["auroc"])
    tried = [name for name in parameters(results.sweep) if table.loc[_moves(table, name), name].nunique() > 1]
    swept = {m: [d for d in results.of_modality(m) if d in set(table["dataset"])] for m in results.modalities}
    rows = {modality: datasets for modality, datasets in swept.items() if datasets}
    size = (9.0, 0.5 + 1.8 * len(rows))
    figure, panels = plt.subplots(len(rows), len(tried), figsize=size, sharex="col", sharey="row", squeeze=False)
    for (modality, datasets), row in zip(rows.items(), panels, strict=True):
        of_row = table[table["dataset"].isin(datasets)]
        for axes in row:
            axes.axhspan(of_row["random_low"].min(), of_row["random_high"].max(), color=GREY, alpha=0.18, linewidth=0)
            axes.axhline(0.5, color=INK, linewidth=0.6)
        for dataset, colour, marker in zip(datasets, cycle(LINES), cycle("osD^v"), strict=False):
            line: Any = {"color": colour, "marker": marker, "markersize": 3.5, "linewidth": 1.3}
            of_dataset = of_row[of_row["dataset"] == dataset]
            for axes, name in zip(row, tried, strict=True):
                curve = of_dataset[_moves(of_dataset, name)].sort_values(name)
                axes.plot(curve[name].astype(float), curve["auroc"], **line, label=results.label(dataset))
                own = curve[curve["differs"] == OWN]
                axes.plot(own[name].astype(float), own["auroc"], **line | {"markersize": 6})
        row[0].set_ylabel(f"AUROC, {results.noun(modality)}")
        row[0].yaxis.set_major_formatter(lambda value, _: number(value, 1))
        row[-1].legend(*row[0].get_legend_handles_labels(), bbox_to_anchor=(1.02, 1.03), loc="upper left", fontsize=8)
    for axes, name in zip(panels[-1], tried, strict=True):
        _scale(axes, name, table.loc[_moves(table, name), name])
    low, high = table["samples"].min(), table["samples"].max()
    caption = (
        f"AUROC of {results.methods[method].label} at other settings: the stored model of the first seed, nothing "
        "trained again. In each panel one parameter differs; large markers are the model's own values, which no run "
        f"chooses on test labels. {low if low == high else f'{low} to {high}'} test samples a dataset, evenly spaced, "
        "or the points that they cover. Scores are weighed as at the model's own setting; grey: 95% of random scores."
    )
    at_own = table[table["differs"] == OWN].set_index("dataset")["auroc"]
    alt = f"Curves of the AUROC of {results.methods[method].label} over {', '.join(tried)}; at its own setting "
    alt += ", ".join(f"{results.label(str(d))} {number(value)}" for d, value in at_own.items()) + "."
    return figure, caption, alt


def parameters(sweep: pd.DataFrame) -> list[str]:
    """The parameters that were tried: columns that say neither whose setting it is nor what it is worth."""
    return [name for name in sweep.columns if name not in KNOWN]


def _moves(table: pd.DataFrame, name: str) -> pd.Series:
    """Rows of the model's own setting, and those in which this parameter alone differs.

    A parameter that only differs together with others keeps these rows.
    """
    alone = table["differs"] == name
    others = table["differs"].str.split().map(lambda names: name in names and "lambda" not in names)
    return (table["differs"] == OWN) | (alone if alone.any() else others)


def _scale(axes: Any, name: str, values: pd.Series) -> None:
    """Ticks at the values that were tried: words for a switch, powers where they span more than a decade."""
    axes.set_xlabel(name)
    places = sorted(values.astype(float).unique())
    if values.dropna().isin([True, False]).all() and values.nunique() == 2:
        axes.set(xticks=[0, 1], xticklabels=["no", "yes"], xlim=(-0.4, 1.4))
    elif places[0] > 0 and places[-1] > 20 * places[0]:
        axes.set_xscale("log")
        axes.set_xticks(places[:: -(-len(places) // 5)], [f"{x:g}" for x in places[:: -(-len(places) // 5)]])
        axes.minorticks_off()
