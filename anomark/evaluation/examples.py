"""What the pictures of a dataset show: a series whole, else a few samples of each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from anomark.contracts import Array
from anomark.evaluation.measure import Measured

#: So many points a scatter plot holds before it is one blot.
MOST_ROWS = 1000


def write_examples(
    measured: Measured, folder: Path, first: dict[str, tuple[Array, Array | None]], highlight: Sequence[str], out: Path
) -> None:
    """Write examples.npz: the series as a whole, or the best, the median and the worst sample of each class.

    Of a series it holds `signal` (T, C), `labels` (T,) and what was injected. Of samples it holds `samples` (n, ...),
    `label` (n,), `case` (n,), `mask` where there are masks, and `map:<method>` where the method localises. Either has
    `score:<method>`. Of rows of a table it also holds `plane` (n, 2), at most MOST_ROWS of the test rows on the two
    leading principal components of the training rows, and `plane_label` (n,).

    One method's scores choose the samples, and the file names it as `chooser`, so that a reader knows whom the choice
    flatters.

    Args:
        measured: the labels of the dataset.
        folder: of the prepared data.
        first: by method, the merged scores and the maps of its first seed.
        highlight: ids of methods; the first of them that has scores chooses, or else any method.
        out: the folder to write into.
    """
    test = np.load(folder / "test.npy", mmap_mode="r")
    if measured.level == "point":
        arrays = {"signal": np.asarray(test), "labels": measured.all_labels}
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
    chooser = next(method for method in (*highlight, *first) if method in first)
    cases = _cases(measured.labels, first[chooser][0])
    rows = np.array(list(cases))
    shown: dict[str, Array] = {f"score:{m}": merged[rows].astype(np.float32) for m, (merged, _) in first.items()}
    shown |= {"label": measured.labels[rows], "case": np.array(list(cases.values())), "chooser": np.array(chooser)}
    shown["samples"] = np.asarray(test[rows])
    if test.ndim == 2:
        shown |= _plane(np.load(folder / "train.npy", mmap_mode="r"), test, measured.labels)
    if measured.masks is not None:
        shown["mask"] = measured.masks[rows]
    shown |= {f"map:{method}": map_[rows] for method, (_, map_) in first.items() if map_ is not None}
    np.savez(out / "examples.npz", **shown)  # type: ignore[arg-type]


def _plane(train: Array, test: Array, labels: Array) -> dict[str, Array]:
    """The test rows in their order, which is a seeded one, as points of a plane; of a single column, of a line."""
    plane = PCA(min(2, *train.shape), svd_solver="full").fit(np.asarray(train)).transform(np.asarray(test[:MOST_ROWS]))
    return {
        "plane": np.pad(plane, ((0, 0), (0, 2 - plane.shape[1]))).astype(np.float32),
        "plane_label": labels[:MOST_ROWS],
    }


def _cases(labels: Array, scores: Array) -> dict[int, str]:
    """Row -> best, median or worst by its score: anomalous rows from the highest down, then normal ones from below."""
    cases: dict[int, str] = {}
    for wanted, sign in ((1, -1), (0, 1)):
        rows = np.flatnonzero(labels == wanted)
        order = rows[np.argsort(sign * scores[rows], kind="stable")]
        for case, place in {"best": 0, "median": len(order) // 2, "worst": -1}.items():
            cases.setdefault(int(order[place]), case)
    return cases
