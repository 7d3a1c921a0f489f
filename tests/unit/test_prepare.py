"""Preparation permutes test rows, splits held-out normals, and lets no label near the data."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomark import modality, seals
from anomark.contracts import DataError, Prepared
from anomark.data import arrange
from anomark.data.series import InjectedSeries
from anomark.records import Meta
from anomark.stages import prepare
from anomark.suite.dropins import ROOT
from anomark.suite.registry import find_dataset
from tests.samples import planned_data, planned_jobs

SERIES = modality.load("series")


def rows(**change: Any) -> Prepared:
    """Ten training and six test windows whose value is their row number."""
    train = np.arange(10, dtype=np.float32).repeat(4).reshape(10, 1, 4)
    test = np.arange(6, dtype=np.float32).repeat(4).reshape(6, 1, 4)
    labels = np.array([0, 0, 0, 1, 1, 1], dtype=np.uint8)
    return Prepared(**({"train": train, "test": test, "labels": labels} | change))


def series(steps: int = 100, window: int = 10, stride: int = 2) -> Prepared:
    values = np.arange(steps, dtype=np.float32)[:, None]
    labels = np.zeros(steps, dtype=np.uint8)
    labels[50:60] = 1
    return Prepared(values, values, labels, window=window, stride=stride)


def write(p: Prepared, root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Any]:
    monkeypatch.setattr(prepare, "load", lambda _: p)
    data = planned_data(root)
    prepare.write(data)
    return Path(data.folder), np.load(data.labels)


def test_test_rows_and_labels_share_one_permutation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    p = rows()
    folder, truth = write(p, tmp_path, monkeypatch)
    order = np.load(folder / "test.npy")[:, 0, 0].astype(int)
    assert sorted(order) == list(range(6)) and list(order) != list(range(6))
    assert np.array_equal(truth["labels"], p.labels[order])


def test_windows_of_a_series_are_permuted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = write(series(), tmp_path, monkeypatch)
    starts = [*(Meta.load(folder / "meta.json").test_starts or ())]
    assert sorted(starts) != starts and sorted(starts) == list(range(0, 91, 2))


def test_no_label_reaches_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes a method can see are the same whatever the labels are."""
    folder, _ = write(rows(), tmp_path / "a", monkeypatch)
    other, _ = write(rows(labels=np.array([1, 0, 1, 0, 1, 0], dtype=np.uint8)), tmp_path / "b", monkeypatch)
    for name in ("train.npy", "test.npy", "meta.json"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()


def test_held_out_normals_of_a_series_share_no_step_with_the_rest() -> None:
    p = series(steps=200)
    kept, held = arrange.hold_out(p, "mine")
    starts = np.arange(0, 191, 2)
    assert starts[held].min() - (starts[kept].max() + 10) >= 10, "the gap is at least one window"
    assert 0.1 < len(held) / (len(held) + len(kept)) < 0.3


def test_held_out_normals_keep_recordings_together() -> None:
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    kept, held = arrange.hold_out(rows(train_groups=groups), "mine")
    assert not set(groups[kept]) & set(groups[held]) and len(held) == 2
    assert sorted([*kept, *held]) == list(range(10))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train": np.zeros((0, 1, 4), np.float32)}, "train is empty"),
        ({"train": np.zeros((3, 1, 4))}, "float64"),
        ({"train": np.full((3, 1, 4), np.nan, np.float32)}, "NaN"),
        ({"train": np.zeros((3, 1, 5), np.float32)}, "shape"),
        ({"value_range": (0.0, 5.0)}, "train holds values outside"),
        ({"window": 4}, "a window is given"),
        ({"labels": np.zeros(6, np.uint8)}, "one class"),
        ({"labels": np.ones(6, np.uint8)}, "one class"),
        ({"labels": np.zeros(5, np.uint8)}, "labels have shape"),
        ({"labels": np.full(6, 2, np.uint8)}, "0 (normal) or 1"),
        ({"masks": np.zeros((6, 3), bool)}, "masks have shape"),
    ],
)
def test_a_broken_contract_is_one_sentence(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError) as error:
        arrange.check(rows(**change), SERIES, "window", "mine")
    assert str(error.value).startswith("mine: ") and words in str(error.value)


def test_a_window_longer_than_the_series_is_refused() -> None:
    with pytest.raises(DataError, match="longer than the series"):
        arrange.check(series(window=101), SERIES, "point", "mine")


def test_what_was_injected_lies_beside_the_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_out = np.arange(100) < 7
    p = InjectedSeries(**vars(series()), left_out=left_out, recipe={"seed": 3})
    folder, truth = write(p, tmp_path, monkeypatch)
    assert np.array_equal(truth["left_out"], left_out)
    assert json.loads(str(truth["recipe"])) == {"seed": 3}
    assert "seed" not in (folder / "meta.json").read_text()
    with pytest.raises(DataError, match="left_out is bool of shape"):
        arrange.check(InjectedSeries(**vars(series()), left_out=left_out[1:]), SERIES, "point", "mine")


def test_a_refusal_is_an_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> None:
        raise DataError("quiet.csv: undefined: one class")

    monkeypatch.setattr(prepare, "load", refuse)
    prepare.write(planned_data(tmp_path))
    assert capsys.readouterr().err == "mine: refused: quiet.csv: undefined: one class\n"
    assert Meta.load(tmp_path / "data/meta.json").refused == "quiet.csv: undefined: one class"
    arrays = (np.load(tmp_path / "data/train.npy"), np.load(tmp_path / "labels/mine.npz")["labels"])
    assert all(array.size == 0 for array in arrays)


# ---- the stage as a process -------------------------------------------------------------------------------------


def processes(root: Path, count: int = 1, file_limit: int | None = None) -> list[subprocess.Popen[str]]:
    """Prepare the embedded beats in `count` processes at once, files limited to so many bytes."""
    data = planned_data(root, module="anomark_datasets.beats", params=find_dataset("beats").family.defaults)
    planned_jobs(data={"mine": data}).save(root / "plan.json")
    seals.seal(root / "plan.json")

    def limit() -> None:
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    command = [sys.executable, "-m", "anomark.stages.job", "prepare", str(root / "plan.json"), "mine"]
    return [
        subprocess.Popen(command, cwd=ROOT, text=True, stderr=subprocess.PIPE, preexec_fn=limit) for _ in range(count)
    ]


def left_behind(root: Path) -> set[str]:
    return {path.name for path in root.rglob("*") if path.is_file()} - {"plan.json", "plan.json.sha256"}


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the write fails in the same place."""
    (process,) = processes(tmp_path, file_limit=5000)
    _, error = process.communicate()
    assert process.returncode == 1
    assert error.count("\n") == 1 and "mine can't be written" in error and str(tmp_path / "data") in error
    assert left_behind(tmp_path) == set()


def test_a_results_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")  # file permissions stop nobody who is root; a file in the folder's place does
    (process,) = processes(tmp_path)
    _, error = process.communicate()
    assert process.returncode == 1
    assert error.count("\n") == 1 and f"{tmp_path}/data" in error and "mine can't be written" in error
    assert left_behind(tmp_path) == {"data"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_results_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "plan.json").touch()
    tmp_path.chmod(0o500)
    try:
        (process,) = processes(tmp_path)
        _, error = process.communicate()
    finally:
        tmp_path.chmod(0o700)
    assert error.count("\n") == 1 and "mine can't be written" in error


def test_two_processes_may_prepare_one_dataset_at_once(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    for root, count in ((alone, 1), (together, 2)):
        root.mkdir()
        for process in processes(root, count):
            assert process.wait() == 0, process.stderr
    assert left_behind(together) == {"train.npy", "test.npy", "meta.json", "SHA256SUMS", "mine.npz", "mine.npz.sha256"}
    for path in (alone / "data").iterdir():
        assert path.read_bytes() == (together / "data" / path.name).read_bytes()
