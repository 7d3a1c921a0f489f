"""A dataset for choosing a method without labels: held-out normal samples against synthetic anomalies of them.

It is made of the training part of another dataset alone, so neither test samples nor labels move the choice. Methods
are fitted anew without the held-out samples: one that remembers its training samples, as nearest neighbours do, would
find every change of a sample that it knows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from anomark.contracts import Array, DataError, Generator, Prepared
from anomark.data.series import InjectedSeries
from anomark.data.windows import Windows
from anomark.records import Meta
from anomark.seeds import seed_of

#: Held-out samples that it takes at least, those that are used at most, and about how many anomalies are made of few.
FEWEST, MOST, ANOMALIES = 4, 200, 60
#: Anomalies that the held-out part of a series is repeated for, how often at most, and its shortest length in windows.
EVENTS, COPIES, SHORTEST = 20, 8, 4
#: A step of a series is anomalous where it was changed by more than this share of its channel's deviation.
SEEN = 0.1
CHOICES = ("fitted without the held-out normal samples, which are tested beside synthetic anomalies of them",)


def against_synthetic(train: Array, meta: Meta, generators: Sequence[Generator], dataset: str) -> Prepared:
    """The dataset: rows `fit` train, and rows `valid` are tested beside anomalies that were made of them.

    Args:
        train: the training part of a prepared dataset, which `meta` describes; left alone.
        generators: those of its modality.
        dataset: its id, which everything random is drawn by.

    Returns:
        Samples that stem from one held-out sample are of one group.

    Raises:
        DataError: too little is held out.
    """
    if meta.window:
        return _of_series(train, meta, generators, dataset)
    held = np.asarray(meta.valid)
    if len(held) < FEWEST:
        raise DataError(
            f"{dataset}: {len(held)} normal samples are held out, expected {FEWEST} at least; add normal samples, or "
            "say `choose: false` in the suite"
        )
    normal = train[_spread(held, MOST)]
    rows, rounds = np.arange(len(normal)), math.ceil(ANOMALIES / len(normal))
    anomalies = np.concatenate([_changed(normal, generators, number, dataset) for number in range(rounds)])
    sources = np.tile(rows, rounds)
    moved = (anomalies != normal[sources]).any(axis=tuple(range(1, normal.ndim)))  # a patch may fall on itself
    return Prepared(
        train=train[np.asarray(meta.fit)],
        test=np.concatenate([normal, anomalies[moved]]),
        labels=np.repeat(np.array([0, 1], np.uint8), [len(rows), moved.sum()]),
        test_groups=np.concatenate([rows, sources[moved]]),
        value_range=meta.value_range,
        rate=meta.rate,
        normal_class=meta.normal_class,
        choices=CHOICES,
    )


def _of_series(train: Array, meta: Meta, generators: Sequence[Generator], dataset: str) -> Prepared:
    """The held-out end of a series, several times if it is short, with windows changed that lie a window apart.

    Where one copy ends and the next begins, the series jumps. No step is scored there.
    """
    assert meta.window and meta.train_starts
    length, starts = meta.window, np.asarray(meta.train_starts)
    begin = starts[meta.valid[0]] if meta.valid else len(train)
    block = np.asarray(train[begin:], np.float32)
    if len(block) < SHORTEST * length:
        raise DataError(
            f"{dataset}: {len(block)} steps are held out, expected {SHORTEST} windows of {length}; shorten the window, "
            "or say `choose: false` in the suite"
        )
    each = (len(block) - length) // (2 * length)
    spare = len(block) - length - 2 * length * each
    copies = min(COPIES, math.ceil(EVENTS / each))
    series, anomalous = np.tile(block, (copies, 1)), np.zeros((copies, len(block)), bool)
    joints = np.zeros_like(anomalous)
    joints[:, :length] = joints[:, -length:] = True
    pool = np.asarray(Windows(train, _spread(starts[np.asarray(meta.valid)], MOST), length))
    lowest, highest, seen = block.min(axis=0), block.max(axis=0), SEEN * block.std(axis=0)
    for copy, (values, labels) in enumerate(zip(np.split(series, copies), anomalous, strict=True)):
        rng = np.random.default_rng(_seed(dataset, copy))
        first = length + int(rng.integers(0, spare + 1))
        for number, start in enumerate(first + 2 * length * np.arange(each)):
            window = values[start : start + length]
            change = generators[(copy + number) % len(generators)]
            changed = np.clip(change(np.concatenate([window.T[None], pool]), 0, rng).T, lowest, highest)
            steps = np.flatnonzero((np.abs(changed - window) > seen).any(axis=1))
            if len(steps):
                window[:] = changed
                labels[start + steps[0] : start + steps[-1] + 1] = True
    return InjectedSeries(
        train=np.asarray(train[: starts[meta.fit[-1]] + length], np.float32),
        test=series,
        labels=anomalous.ravel().astype(np.uint8),
        window=length,
        stride=meta.stride,
        normal_class=meta.normal_class,
        choices=CHOICES,
        left_out=joints.ravel(),
        recipe={"events": []},
    )


def _spread(rows: Array, most: int) -> Array:
    """At most so many of the rows, evenly spaced."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(int))]


def _changed(normal: Array, generators: Sequence[Generator], number: int, dataset: str) -> Array:
    """An anomaly of each sample, of the samples' own precision, which some detectors need of tables.

    The generators take turns, another one first in each round, so that none is always given the same samples.
    """
    rng = np.random.default_rng(_seed(dataset, number))
    rows = [generators[(i + number) % len(generators)](normal, i, rng) for i in range(len(normal))]
    return np.clip(np.stack(rows), normal.min(), normal.max()).astype(normal.dtype)


def _seed(dataset: str, number: int) -> int:
    return seed_of(dataset=dataset, purpose="synthetic anomalies", round=number)
