"""A longer series is a larger file and no more memory; nothing depends on where its blocks end."""

from __future__ import annotations

import importlib
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from anomark.contracts import Array
from anomark.data import series, streamed
from anomark.data.streamed import blocks, stored
from anomark.stages import prepare
from tests.samples import planned_data

COLUMNS = 16


def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that a short series is many of."""
    for module in (streamed, series, importlib.import_module("anomark_datasets.pems_bay")):
        monkeypatch.setattr(module, "BLOCK", 1 << 11)
    monkeypatch.setattr(streamed, "CHUNK", 1 << 8)


@pytest.mark.parametrize("shape", [(1,), (100_000,), (5000, 7), (3, 2, 20_000)])
def test_blocks_cover_an_array_and_what_is_stored_equals_it(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    copy = stored(blocks(values))
    assert np.array_equal(copy, values) and copy.flags.writeable
    copy[0] = 1
    assert (copy[0] == 1).all()
    pairs = [block[i : i + 2] for block in blocks(values, overlap=1) for i in range(len(block) - 1)]
    assert len(pairs) == shape[0] - 1


def test_what_is_stored_has_no_name_and_may_be_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = stored([np.zeros((4, 2)), np.ones((3, 2))])
    assert kept.sum() == 6 and not list(tmp_path.iterdir())
    assert stored([np.zeros((0, 2))]).shape == (0, 2)

    def broken() -> Iterator[Array]:
        yield np.zeros(10)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        stored(broken())
    assert not list(tmp_path.iterdir())


def waves(steps: int) -> Array:
    rng = np.random.default_rng(0)
    t = np.arange(steps)[:, None]
    dips = np.maximum(np.sin(2 * np.pi * t / 288 + np.arange(COLUMNS)), 0) ** 6
    return 60 - 25 * dips + rng.normal(0, 1, size=(steps, COLUMNS))


def table(root: Path, steps: int) -> dict[str, Any]:
    labels = np.arange(steps) // 100 == steps // 100 - 5
    lines = (",".join([str(i), *map("{:.3f}".format, row), str(int(labels[i]))]) for i, row in enumerate(waves(steps)))
    (root / "table").mkdir(parents=True)
    header = ",".join(["timestamp", *(f"x{i}" for i in range(COLUMNS)), "label"])
    (root / "table/pump.csv").write_text("\n".join([header, *lines, ""]))
    params = {"item": "pump", "time": "timestamp", "label": "label", "train_share": 0.5, "window": 256}
    return {
        "module": "anomark_datasets.table",
        "params": params | {"stride_divisor": 4, "normal": "", "longest_gap": 5},
    }


def traffic(root: Path, steps: int) -> dict[str, Any]:
    speed = waves(steps)
    speed[steps // 5 * 4 :, 3][:300] = 0  # missing, longer than a block
    speed[steps // 4 :, 5][:500] = 55
    (root / "pems_bay").mkdir(parents=True)
    with h5py.File(root / "pems_bay/pems-bay.h5", "w") as file:
        file["speed/block0_values"] = speed
    params = {"sensors": COLUMNS, "events": 4, "seed": 0, "stride_divisor": 4}
    return {"module": "anomark_datasets.pems_bay", "params": params}


MAKERS = (table, traffic)


def peak(root: Path, make: Callable[[Path, int], dict[str, Any]], steps: int) -> int:
    """Bytes of memory that preparing a series of so many steps takes at most."""
    data = planned_data(root, level="point", **make(root / "raw", steps), raw=str(root / "raw"))
    tracemalloc.start()
    try:
        prepare.write(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", MAKERS)
def test_doubling_a_series_doubles_the_file_and_not_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path, int], dict[str, Any]]
) -> None:
    small_blocks(monkeypatch)
    steps = 8000
    peak(tmp_path / "warm", make, steps)  # modules that are imported at the first call
    once, twice = peak(tmp_path / "once", make, steps), peak(tmp_path / "twice", make, 2 * steps)
    sizes = [(tmp_path / name / "data/train.npy").stat().st_size for name in ("once", "twice")]
    assert sizes[1] == pytest.approx(2 * sizes[0], rel=0.01)
    assert twice - once < 24 * steps, "labels, flags and starts of windows; a row has 64 bytes"


@pytest.mark.parametrize("make", MAKERS)
def test_the_size_of_blocks_moves_no_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path, int], dict[str, Any]]
) -> None:
    peak(tmp_path / "large", make, 6000)
    small_blocks(monkeypatch)
    peak(tmp_path / "small", make, 6000)
    for name in ("data/train.npy", "data/test.npy", "data/meta.json", "labels/mine.npz"):
        assert (tmp_path / "large" / name).read_bytes() == (tmp_path / "small" / name).read_bytes(), name
