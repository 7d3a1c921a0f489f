"""Checks every prepared dataset, chooses its held-out normal rows and permutes its test rows.

This module and whatever it imports are part of the key of every dataset, and so of every cell.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anomark import modality
from anomark.contracts import Array, DataError, Prepared
from anomark.data.series import InjectedSeries
from anomark.data.streamed import blocks
from anomark.data.windows import window_starts
from anomark.modality import Modality
from anomark.seeds import seed_of

if TYPE_CHECKING:
    from anomark.records import Data

#: Share of the normal training data held out for methods that calibrate or select on it.
HELD_OUT = 0.2


def load(data: Data) -> Prepared:
    """The dataset as its file in `datasets/` gives it, checked against the contract.

    Raises:
        DataError: the owner's files are unusable, or what was made of them breaks the contract.
    """
    prepare = importlib.import_module(data.module).prepare
    prepared: Prepared = prepare(Path(data.raw) if data.raw else Path(), **data.params)
    check(prepared, modality.load(data.modality), data.level, data.dataset)
    return prepared


def check(p: Prepared, rules: Modality, level: str, dataset: str) -> None:
    """Raise DataError, in one sentence, where a prepared dataset breaks the contract or can't be evaluated.

    Args:
        rules: what its modality says.
        level: what one of its labels stands for.
        dataset: its id.
    """
    axes = rules.LEVELS[level]
    # Rows (N, D) may keep their precision: some detectors divide by variances of next to nothing.
    dtypes = ("float32", "float64") if axes == 2 and level != "point" else ("float32",)

    def refuse(message: str) -> None:
        raise DataError(f"{dataset}: {message}")

    for name, array in (("train", p.train), ("test", p.test)):
        if array.dtype.name not in dtypes or array.ndim != axes:
            refuse(
                f"{name} is {array.dtype} with {array.ndim} axes, expected {' or '.join(dtypes)} with {axes} "
                f"({rules.NOUN}, level {level})"
            )
        if not len(array):
            refuse(f"{name} is empty")
        if not all(np.isfinite(block).all() for block in blocks(array)):
            refuse(f"{name} holds NaN or infinite values; mask or drop them in prepare")
        if p.value_range and any(b.min() < p.value_range[0] or b.max() > p.value_range[1] for b in blocks(array)):
            refuse(f"{name} holds values outside its value_range {p.value_range}; clip them in prepare")
    if p.train.shape[1:] != p.test.shape[1:]:
        refuse(f"train rows have shape {p.train.shape[1:]}, test rows {p.test.shape[1:]}")
    if p.labels is not None:
        if p.labels.shape != (len(p.test),):
            refuse(f"labels have shape {p.labels.shape}, expected ({len(p.test)},)")
        if p.labels.dtype != np.uint8 or not np.isin(p.labels, (0, 1)).all():
            refuse(f"labels are {p.labels.dtype}, expected uint8, 0 (normal) or 1 (anomalous)")
        if p.labels.all() or not p.labels.any():
            refuse(f"undefined: one class (the test part is all {'anomalous' if p.labels.all() else 'normal'})")
    if isinstance(p, InjectedSeries) and (p.left_out.shape != p.test.shape[:1] or p.left_out.dtype != bool):
        refuse(f"left_out is {p.left_out.dtype} of shape {p.left_out.shape}, expected bool of shape ({len(p.test)},)")
    for what, told in (("names", p.names), ("times", p.times)):
        if told is not None and len(told) != len(p.test):
            refuse(f"there are {len(told)} {what} for {len(p.test)} test rows; give one each")
    if p.masks is not None and p.labels is None:
        refuse("masks are given without labels; leave them out")
    if p.masks is not None and p.masks.shape != (len(p.test), *p.test.shape[2:]):
        refuse(f"masks have shape {p.masks.shape}, expected {(len(p.test), *p.test.shape[2:])}")
    if level == "point":
        if not p.window or not p.stride:
            refuse("level is point, but window and stride are not given")
        elif p.window > min(len(p.train), len(p.test)):
            refuse(
                f"the window is {p.window} steps, longer than the series (train {len(p.train)}, test {len(p.test)}); "
                "lower it in dataset_params"
            )
    elif p.window is not None:
        refuse(f"a window is given, but only a series of level point is cut into windows, and the level is {level}")
    if problem := rules.check(p):
        refuse(problem)


def test_order(p: Prepared, dataset: str) -> Array:
    """A seeded permutation of test rows (windows of a series), because folder order would tell the labels.

    Here and in `hold_out`, variants of a dataset go by its id, so that they differ from it in their protocol alone.
    """
    rows = len(_test_starts(p)) if p.window else len(p.test)
    return np.random.default_rng(seed_of(dataset=dataset, purpose="test order")).permutation(rows)


def _test_starts(p: Prepared) -> Array:
    assert p.window and p.stride
    return window_starts(len(p.test), p.window, p.stride)


def hold_out(p: Prepared, dataset: str) -> tuple[Array, Array]:
    """Indices of training rows (windows) to fit on, and of the held-out normals.

    A series gives its last block, with a gap of one window so that the two share no step; rows with recordings are
    split by recording; other rows at random. Too little data gives no held-out part rather than no training part.
    """
    rng = np.random.default_rng(seed_of(dataset=dataset, purpose="held-out normals"))
    if p.window:
        assert p.stride
        starts = window_starts(len(p.train), p.window, p.stride)
        begin = min(len(p.train) - round(HELD_OUT * len(p.train)), len(p.train) - p.window)
        held = np.flatnonzero(starts >= begin)
        kept = np.flatnonzero(starts + 2 * p.window <= begin)
        return (kept, held) if len(kept) else (np.arange(len(starts)), np.array([], dtype=int))
    groups = np.arange(len(p.train)) if p.train_groups is None else np.asarray(p.train_groups)
    names = rng.permutation(np.unique(groups))
    held_groups: list[Any] = []
    for name in names[:-1]:
        if np.isin(groups, held_groups).mean() >= HELD_OUT:
            break
        held_groups.append(name)
    held_mask = np.isin(groups, held_groups)
    return np.flatnonzero(~held_mask), np.flatnonzero(held_mask)


@dataclass(frozen=True)
class Arranged:
    """A prepared dataset in the order in which it is stored.

    train, test
        As in `Prepared`; rows of `test` in their seeded permutation.
    samples
        What a cell is told about them: the fields of `anomark.records.Meta` that depend on the data.
    truth
        What `evaluate` alone is told, where it is known: labels, masks, recordings, names and times (names of files
        often tell the label), steps left out and recipe.
    """

    train: Array
    test: Array
    samples: dict[str, Any]
    truth: dict[str, Array]


def arrange(p: Prepared, dataset: str) -> Arranged:
    """Choose the held-out rows and permute the test rows; windows, where a series is cut, whose steps stay in order."""
    order = test_order(p, dataset)
    fit, valid = hold_out(p, dataset)
    samples = {
        "shape": (p.train.shape[1], p.window) if p.window else p.train.shape[1:],
        "value_range": p.value_range,
        "rate": p.rate,
        "columns": p.columns,
        "n_train": len(fit) + len(valid),
        "n_test": len(order),
        "fit": fit.tolist(),
        "valid": valid.tolist(),
        "valid_groups": None if p.train_groups is None else len(np.unique(np.asarray(p.train_groups)[valid])),
        "window": p.window,
        "stride": p.stride,
        "train_starts": window_starts(len(p.train), p.window, p.stride).tolist() if p.window else None,  # type: ignore[arg-type]
        "test_starts": _test_starts(p)[order].tolist() if p.window else None,
        "normal_class": p.normal_class,
        "choices": p.choices,
        "notes": p.notes,
    }
    rows = slice(None) if p.window else order
    truth = {} if p.labels is None else {"labels": p.labels[rows]}
    if p.masks is not None:
        truth["masks"] = p.masks[rows]
    if p.test_groups is not None:
        truth["groups"] = np.asarray(p.test_groups)[rows]
    if p.names is not None:
        truth["names"] = np.array(p.names)[rows]
    if p.times is not None:
        truth["times"] = p.times
    if isinstance(p, InjectedSeries):
        truth |= {"left_out": p.left_out, "recipe": np.array(json.dumps(p.recipe))}
    return Arranged(p.train, p.test[rows], samples, truth)
