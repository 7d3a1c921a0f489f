"""What the pictures of a dataset show: a series whole, else a few samples of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from anomark.contracts import Array
from anomark.evaluation.measure import Measured
from anomark.statistics.conspicuous import CONSENSUS, consensus, highest

#: So many of the highest are shown where there are no labels.
SHOWN = 5
#: So many points a scatter plot holds before it is one blot.
MOST_ROWS = 1000


def write_examples(
    measured: Measured,
    folder: Path,
    first: dict[str, tuple[Array, Array | None]],
    voices: Mapping[str, Array],
    highlight: Sequence[str],
    out: Path,
) -> None:
    """Write examples.npz: the series as a whole, or the best, the median and the worst sample of each class.

    Of a series it holds `signal` (T, C), `labels` (T,), `times` (T,) where they are known, and what was injected. Of
    samples it holds `samples` (n, ...), `label` (n,), `case` (n,), `names` (n,) where they are known, `mask` where
    there are masks, and `map:<method>` where the method localises. Either has `score:<method>`. Of rows of a table it
    also holds `plane` (n, 2), at most MOST_ROWS of the test rows on the two leading principal components of the
    training rows, and `plane_label` (n,).

    One method's scores choose the samples, and the file names it as `chooser`, so that a reader knows whom the choice
    flatters.

    Without labels all that bears the name of a label is absent. All methods together choose, and CONSENSUS is the
    `chooser`: samples are the highest and the one in the middle, and `top` (k, 2) is the first and last step of what
    they score highest in a series.

    Args:
        measured: the labels of the dataset.
        folder: of the prepared data.
        first: by method, the merged scores and the maps of its first seed.
        voices: by method, the merged scores that choose together where there are no labels.
        highlight: ids of methods; the first of them that has scores chooses, or else any method.
        out: the folder to write into.
    """
    test = np.load(folder / "test.npy", mmap_mode="r")
    if measured.level == "point":
        arrays = {"signal": np.asarray(test)}
        if measured.labelled:
            arrays["labels"] = measured.all_labels
        elif voices:
            arrays |= {"top": highest(consensus(voices), measured.window)[:SHOWN], "chooser": np.array(CONSENSUS)}
        if measured.times is not None:
            arrays["times"] = measured.times
        for method, (merged, _) in first.items():
            arrays[f"score:{method}"] = np.full(measured.steps, np.nan, dtype=np.float32)
            arrays[f"score:{method}"][measured.scored] = merged
        if measured.events:
            names = ("kind", "first", "last", "amplitude")
            arrays |= {name: np.array([event[name] for event in measured.events]) for name in names}
            arrays |= {"channel": np.array([e["channels"][0] for e in measured.events]), "left_out": ~measured.scored}
        np.savez(out / "examples.npz", **arrays)  # type: ignore[arg-type]
        return
    if not first:
        return
    if measured.labelled:
        chooser = next(method for method in (*highlight, *first) if method in first)
        cases = _cases(measured.labels, first[chooser][0])
    else:
        chooser, cases = CONSENSUS, _outstanding(consensus(voices))
    rows = np.array(list(cases))
    shown: dict[str, Array] = {f"score:{m}": merged[rows].astype(np.float32) for m, (merged, _) in first.items()}
    shown |= {"case": np.array(list(cases.values())), "chooser": np.array(chooser)}
    shown["samples"] = np.asarray(test[rows])
    if measured.names is not None:
        shown["names"] = measured.names[rows]
    if test.ndim == 2:
        shown["plane"] = _plane(np.load(folder / "train.npy", mmap_mode="r"), test)
    if measured.labelled:
        shown["label"] = measured.labels[rows]
        shown |= {"plane_label": measured.labels[:MOST_ROWS]} if "plane" in shown else {}
    if measured.masks is not None:
        shown["mask"] = measured.masks[rows]
    shown |= {f"map:{method}": map_[rows] for method, (_, map_) in first.items() if map_ is not None}
    np.savez(out / "examples.npz", **shown)  # type: ignore[arg-type]


def _plane(train: Array, test: Array) -> Array:
    """The test rows in their order, which is a seeded one, as points of a plane; of a single column, of a line."""
    plane = PCA(min(2, *train.shape), svd_solver="full").fit(np.asarray(train)).transform(np.asarray(test[:MOST_ROWS]))
    return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1]))).astype(np.float32)


def _outstanding(scores: Array) -> dict[int, str]:
    """Row -> its place among the highest, or that it lies in the middle of all."""
    order = np.argsort(-scores, kind="stable")
    cases = {int(row): f"place {place}" for place, row in enumerate(order[:SHOWN], start=1)}
    cases.setdefault(int(order[len(order) // 2]), "in the middle")
    return cases


def _cases(labels: Array, scores: Array) -> dict[int, str]:
    """Row -> best, median or worst by its score: anomalous rows from the highest down, then normal ones from below."""
    cases: dict[int, str] = {}
    for wanted, sign in ((1, -1), (0, 1)):
        rows = np.flatnonzero(labels == wanted)
        order = rows[np.argsort(sign * scores[rows], kind="stable")]
        for case, place in {"best": 0, "median": len(order) // 2, "worst": -1}.items():
            cases.setdefault(int(order[place]), case)
    return cases
