"""What other settings of stored diffusion models are worth."""

from __future__ import annotations

from collections.abc import Iterator
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

BEGINNINGS = ("T′", "T", "noise")


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
        row[0].set_ylabel(f"AUROC, {results.noun(modality)}")
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


def _setting_points(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The curves of one dataset: x, auroc and differs over calls, T', lambda, and what the model starts from."""
    for name in ("calls", "start", "lambda"):
        rows = table[table["differs"].isin([OWN, name])]
        yield rows.assign(x=rows[name]).sort_values("x")
    noise = table["from_noise"] & ~table["differs"].str.contains("lambda|calls")
    last = table["differs"].isin([OWN, "start"]) & (table["start"] == table["start"].max())
    own = table["differs"] == OWN
    yield pd.concat([table[rows].assign(x=x) for x, rows in enumerate((own, last, noise))])
