"""A dataset for choosing a method without labels: made of the training part alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anomark import modality
from anomark.contracts import DataError, Prepared
from anomark.data.arrange import arrange
from anomark.data.series import InjectedSeries
from anomark.evaluation.held_out import ANOMALIES, EVENTS, MOST, SHORTEST, against_synthetic
from anomark.records import Meta
from tests.samples import waves


def stored(p: Prepared, kind: str, level: str) -> Meta:
    return Meta(dataset="mine", modality=kind, level=level, **arrange(p, "mine").samples)


def images(count: int, **change: Any) -> Prepared:
    train = waves(count, (3, 8, 8))
    return Prepared(train, train[:2], np.array([0, 1], np.uint8), value_range=(-1.0, 1.0), **change)


def series(steps: int, window: int = 10) -> Prepared:
    values = waves(1, (2, steps))[0].T.copy() + 0.1 * np.sin(np.arange(steps))[:, None].astype(np.float32)
    labels = np.zeros(steps, np.uint8)
    labels[50:60] = 1
    return Prepared(values, values, labels, window=window, stride=2)


def made(p: Prepared, kind: str, level: str) -> tuple[Meta, Prepared]:
    meta = stored(p, kind, level)
    return meta, against_synthetic(p.train, meta, modality.load(kind).synthetic(), "mine")


@pytest.mark.parametrize("count", [40, 2000])
def test_held_out_images_are_tested_beside_changed_copies_and_never_train(count: int) -> None:
    p = images(count)
    meta, out = made(p, "image", "image")
    np.testing.assert_array_equal(out.train, p.train[list(meta.fit)])
    normal, changed = out.test[out.labels == 0], out.test[out.labels == 1]
    assert len(normal) == min(len(meta.valid), MOST) and len(changed) >= 0.9 * ANOMALIES
    held = {row.tobytes() for row in p.train[list(meta.valid)]}
    assert {row.tobytes() for row in normal} <= held
    assert not held & {row.tobytes() for row in changed}
    assert len({row.tobytes() for row in changed}) == len(changed)
    assert out.test_groups is not None
    sources = normal[out.test_groups[out.labels == 1]]  # groups of the normal samples count them
    assert (np.abs(changed - sources) < 0.05).any(axis=(1, 2, 3)).mean() > 0.9


def test_it_is_drawn_by_the_dataset_alone() -> None:
    p = images(40)
    meta = stored(p, "image", "image")
    generators = modality.load("image").synthetic()
    first, again = (against_synthetic(p.train, meta, generators, "mine").test for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, against_synthetic(p.train, meta, generators, "other").test)


@pytest.mark.parametrize("steps", [300, 4000])
def test_labels_of_a_series_are_where_its_held_out_end_was_changed(steps: int) -> None:
    p = series(steps)
    meta, out = made(p, "series", "point")
    assert isinstance(out, InjectedSeries) and meta.train_starts and meta.window
    begin, last = meta.train_starts[meta.valid[0]], meta.train_starts[meta.fit[-1]] + meta.window
    assert last <= begin
    np.testing.assert_array_equal(out.train, p.train[:last])
    copies, rest = divmod(len(out.test), steps - begin)
    assert rest == 0
    original = np.tile(p.train[begin:], (copies, 1))
    moved = (out.test != original).any(axis=1)
    assert not (moved & out.left_out).any()
    assert out.labels[out.left_out].sum() == 0 and not (moved & (out.labels == 0)).mean() > 0.15
    stretches = (np.diff(out.labels.astype(int), prepend=0) == 1).sum()
    assert stretches >= EVENTS / 2
    assert 0.02 < out.labels.mean() < 0.6


def test_rows_of_a_table_are_changed_too() -> None:
    train = np.random.default_rng(0).normal(size=(50, 4))
    p = Prepared(train, train[:2], np.array([0, 1], np.uint8))
    _, out = made(p, "tabular", "row")
    assert out.train.dtype == out.test.dtype == np.float64 and out.labels.sum() >= ANOMALIES


@pytest.mark.parametrize(
    ("p", "kind", "level", "found"),
    [
        (images(10), "image", "image", "2 normal samples"),
        (series(150), "series", "point", f"expected {SHORTEST} windows"),
    ],
)
def test_too_little_is_refused(p: Prepared, kind: str, level: str, found: str) -> None:
    with pytest.raises(DataError, match=found):
        made(p, kind, level)
