"""The examples that `evaluate` stored of a dataset to be drawn, and what their pictures share."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from anomark.contracts import Array
from anomark.report.results import Results
from anomark.report.table import number


def load_examples(results: Results, dataset: str) -> dict[str, Array]:
    """What `evaluate` stored of a dataset to be drawn: arrays by name, none where it stored nothing."""
    path = results.evaluation / dataset / "examples.npz"
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def having(stored: dict[str, Array], prefix: str) -> list[str]:
    """The methods that an array is stored of whose name begins with the prefix: `map:` or `score:`."""
    return [name.removeprefix(prefix) for name in stored if name.startswith(prefix)]


def case(stored: dict[str, Array], index: int) -> str:
    """anomalous, worst; without labels: place 1"""
    if "label" not in stored:
        return str(stored["case"][index])
    return f"{'anomalous' if stored['label'][index] else 'normal'}, {stored['case'][index]}"


def marks(stored: dict[str, Array]) -> Array:
    """bool (T,): the labels of a series, or without labels the stretches that all methods together score highest."""
    if "labels" in stored:
        return stored["labels"].astype(bool)
    marked = np.zeros(len(stored["signal"]), dtype=bool)
    for first, last in stored.get("top", np.empty((0, 2), int)):
        marked[first : last + 1] = True
    return marked


def chosen(results: Results, stored: dict[str, Array]) -> str:
    if "label" not in stored:
        return "The test samples that all methods together score highest, and one in the middle."
    return (
        f"Test samples chosen by the scores of {results.methods[str(stored['chooser'])].label}, first seed: the best, "
        "the median and the worst of each class; highest is best for an anomalous one, lowest for a normal one."
    )


def score_label(results: Results, dataset: str, method: str) -> str:
    """The method and its mean AUROC, where it has one."""
    mean = results.score(dataset, method).mean
    return results.methods[method].label + (f"  AUROC {number(mean)}" if mean is not None else "")


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


#: A series is drawn with at most this many columns, each showing the lowest and the highest value in it.
MAX_COLUMNS = 900
