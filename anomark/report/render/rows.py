"""Pictures of the rows of a table: where the anomalous ones lie among the others, and which columns tell them."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from anomark.contracts import Array
from anomark.report.render.draw import BLUE, VERMILLION, bare, name_rows
from anomark.report.render.stored import case, chosen
from anomark.report.results import Results
from anomark.report.tables import protocol

#: Columns of a table beyond which only those are drawn that deviate most.
MOST_COLUMNS = 40
#: Deviations from the training mean, in training deviations, beyond which colours don't change.
FARTHEST = 5.0


def row_examples(results: Results, dataset: str, stored: dict[str, Array]) -> tuple[Figure, str, str]:
    """Test rows on the two leading principal components of the training rows, and six rows column by column."""
    plane, samples = stored["plane"], stored["samples"]
    labelled = "plane_label" in stored
    anomalous = stored["plane_label"].astype(bool) if labelled else np.zeros(len(plane), dtype=bool)
    columns = np.sort(np.argsort(-np.abs(samples).max(axis=0), kind="stable")[:MOST_COLUMNS])
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.2), width_ratios=(1, 1.3))
    usual = "normal" if labelled else "a test row"
    for mask, colour, label in ((~anomalous, BLUE, usual), (anomalous, VERMILLION, "anomalous"))[: 1 + labelled]:
        left.scatter(*plane[mask].T, s=7, color=colour, alpha=0.55, linewidths=0, label=label)
    left.legend(fontsize=8, loc="best")
    left.set(xlabel="first principal component", ylabel="second")
    image = right.imshow(
        samples[:, columns], cmap="PuOr", vmin=-FARTHEST, vmax=FARTHEST, aspect="auto", interpolation="nearest"
    )
    bare(right, "rows, column by column")
    name_rows(right, [case(stored, i) for i in range(len(samples))])
    right.set_xlabel(f"{len(columns)} of {samples.shape[1]} columns" if len(columns) < samples.shape[1] else "column")
    right.set_xticks(range(0, len(columns), max(1, len(columns) // 8)), columns[:: max(1, len(columns) // 8)] + 1)
    figure.colorbar(image, ax=right, label="training deviations", shrink=0.9)
    caption = (
        "Left: test rows on the two leading principal components of the training rows, which need not be where a "
        f"method looks. Right: single rows, as deviations from the training mean. {chosen(results, stored)} "
    )
    alt = (
        f"{results.label(dataset)}: {len(plane)} test rows in a plane, "
        f"{f'{int(anomalous.sum())} of them anomalous, ' * labelled}and {len(samples)} rows as strips of "
        f"{len(columns)} columns."
    )
    return figure, caption + protocol(results, [dataset]), alt
