"""The scores of every test row of a dataset in one file, with what it takes to compare methods by them again.

The file holds no data, no map and no model. It holds the labels, one bit each, because a difference of two methods is
tested on resampled labels and scores. A cell's scores are the array `<method>/<seed>` (N,), one number a test row; of a
series, rows are windows. The other arrays are `labels` and `left_out` (bits of n), `count` (n), and where the dataset
has them `groups` (n,) and `starts` (N,), as in `anomark.evaluation.measure.Measured`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from anomark.contracts import Array, DataError

#: With more numbers than this the scores of a dataset are rounded.
MOST = 1_000_000


class Truth(NamedTuple):
    """What scores are compared with: labels (n,) of 0 and 1, and as in `Measured` the steps that count for nobody (n,),
    the recordings (n,), and the first steps of the windows (N,)."""

    labels: Array
    left_out: Array
    groups: Array | None
    starts: Array | None


def place(method: str, seed: int) -> str:
    """The name of a cell's array."""
    return f"{method}/{seed}"


def write(path: Path | IO[bytes], truth: Truth, cells: Mapping[str, Array]) -> None:
    """Write the file; `cells` are scores (N,) by the name of their array.

    Scores are float32. More than MOST numbers are written as float16, after the median of a cell's scores is taken off
    and their interquartile range is made 1: a rank may then move among scores that differ by less than .05% of it.
    """
    if sum(len(scores) for scores in cells.values()) > MOST:
        cells = {name: _rounded(scores) for name, scores in cells.items()}
    arrays = {n: s if s.dtype == np.float16 else s.astype(np.float32) for n, s in cells.items()}
    arrays |= {"labels": np.packbits(truth.labels.astype(bool)), "count": np.array(len(truth.labels))}
    arrays["left_out"] = np.packbits(truth.left_out)
    arrays |= {name: part for name in ("groups", "starts") if (part := getattr(truth, name)) is not None}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def read(path: Path) -> tuple[Truth, dict[str, Array]]:
    """What was written: the labels, and the scores of each cell by the name of its array.

    Raises:
        DataError: the file is missing or is none of these.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        count = int(arrays["count"])
        labels, left_out = (np.unpackbits(arrays[name], count=count) for name in ("labels", "left_out"))
    except (OSError, ValueError, KeyError, EOFError, TypeError) as error:
        raise DataError(
            f"{path}: it is no file of scores ({type(error).__name__}: {error}); bring back the file that the project "
            "has, or evaluate the dataset again"
        ) from None
    truth = Truth(labels, left_out.astype(bool), arrays.get("groups"), arrays.get("starts"))
    return truth, {name: scores for name, scores in arrays.items() if "/" in name}


def _rounded(scores: Array) -> Array:
    """float16 (N,) in the order of the scores."""
    if scores.dtype == np.float16:
        return scores
    low, middle, high = np.quantile(scores.astype(np.float64), [0.25, 0.5, 0.75])
    largest = np.finfo(np.float16).max
    return ((scores - middle) / (high - low or 1.0)).clip(-largest, largest).astype(np.float16)
