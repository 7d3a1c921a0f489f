"""Preparation permutes test rows, splits held-out normals, and lets no label near the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomark.contracts import DataError, Prepared
from anomark.stages import prepare


def rows(**change: Any) -> Prepared:
    """Ten training and six test windows whose value is their row number."""
    train = np.arange(10, dtype=np.float32).repeat(4).reshape(10, 1, 4)
    test = np.arange(6, dtype=np.float32).repeat(4).reshape(6, 1, 4)
    labels = np.array([0, 0, 0, 1, 1, 1], dtype=np.uint8)
    return Prepared(
        **({"train": train, "test": test, "labels": labels, "modality": "series", "level": "window"} | change)
    )


def series(steps: int = 100, window: int = 10, stride: int = 2) -> Prepared:
    values = np.arange(steps, dtype=np.float32)[:, None]
    labels = np.zeros(steps, dtype=np.uint8)
    labels[50:60] = 1
    return Prepared(values, values, labels, "series", "point", window=window, stride=stride)


def write(p: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Any]:
    monkeypatch.setattr(prepare, "load", lambda *_: p)
    job = {
        "id": "mine", "label": "Mine", "module": "", "raw": None, "params": {}, "licence": "", "source": "", "key": "k",
        "folder": str(tmp_path / "data"), "labels": str(tmp_path / "labels/mine.npz"),
    }  # fmt: skip
    prepare.write_data(job)
    prepare.write_labels(job)
    return tmp_path / "data", np.load(tmp_path / "labels/mine.npz")


def test_test_rows_and_labels_share_one_permutation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    p = rows()
    folder, truth = write(p, tmp_path, monkeypatch)
    order = np.load(folder / "test.npy")[:, 0, 0].astype(int)
    assert sorted(order) == list(range(6)) and list(order) != list(range(6))
    assert np.array_equal(truth["labels"], p.labels[order])


def test_windows_of_a_series_are_permuted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = write(series(), tmp_path, monkeypatch)
    starts = json.loads((folder / "meta.json").read_text())["test_starts"]
    assert sorted(starts) != starts and sorted(starts) == list(range(0, 91, 2))


def test_no_label_reaches_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes a method can see are the same whatever the labels are."""
    folder, _ = write(rows(), tmp_path / "a", monkeypatch)
    other, _ = write(rows(labels=np.array([1, 0, 1, 0, 1, 0], dtype=np.uint8)), tmp_path / "b", monkeypatch)
    for name in ("train.npy", "test.npy", "meta.json"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()


def test_held_out_normals_of_a_series_share_no_step_with_the_rest() -> None:
    p = series(steps=200)
    kept, held = prepare.hold_out(p, "mine")
    starts = np.arange(0, 191, 2)
    assert starts[held].min() - (starts[kept].max() + 10) >= 10, "the gap is at least one window"
    assert 0.1 < len(held) / (len(held) + len(kept)) < 0.3


def test_held_out_normals_keep_recordings_together() -> None:
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    kept, held = prepare.hold_out(rows(train_groups=groups), "mine")
    assert not set(groups[kept]) & set(groups[held]) and len(held) == 2
    assert sorted([*kept, *held]) == list(range(10))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train": np.zeros((0, 1, 4), np.float32)}, "train is empty"),
        ({"train": np.zeros((3, 1, 4))}, "float64"),
        ({"train": np.full((3, 1, 4), np.nan, np.float32)}, "NaN"),
        ({"train": np.zeros((3, 1, 5), np.float32)}, "shape"),
        ({"labels": np.zeros(6, np.uint8)}, "one class"),
        ({"labels": np.ones(6, np.uint8)}, "one class"),
        ({"labels": np.zeros(5, np.uint8)}, "labels have shape"),
        ({"labels": np.full(6, 2, np.uint8)}, "0 (normal) or 1"),
        ({"masks": np.zeros((6, 3), bool)}, "masks have shape"),
    ],
)
def test_a_broken_contract_is_one_sentence(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError) as error:
        prepare.check(rows(**change), "mine")
    assert str(error.value).startswith("mine: ") and words in str(error.value)


def test_a_window_longer_than_the_series_is_refused() -> None:
    with pytest.raises(DataError, match="longer than the series"):
        prepare.check(series(window=101), "mine")
