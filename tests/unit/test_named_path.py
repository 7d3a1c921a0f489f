"""Own files may lie anywhere: `path` in dataset_params names them, whatever they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomark.contracts import DataError
from anomark.data.arrange import load
from anomark.data.rawfiles import locate
from anomark.suite import config
from anomark.suite.plan import Plan

#: Names that are patterns, commands, or no ASCII.
NAMES = ("plain", "two words", "[1]*?", "$(touch pwned)", "größe 写真", 'it\'s "so"')


def photographs(folder: Path) -> Path:
    for kind, count in (("fine", 10), ("odd", 3)):
        (folder / kind).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(np.full((8, 8), 10 * i + 50 * (kind == "odd"), np.uint8)).save(folder / kind / f"{i}.png")
    return folder


def csv(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{np.sin(i):.4f},{i % 7},{int(i > 150 and i % 30 < 5)}" for i in range(200)]
    path.write_text("a,b,label\n" + "\n".join(rows) + "\n")
    return path


def plan(dataset: str, **params: Any) -> Plan:
    base = config.load()
    return Plan(base.model_copy(update={"datasets": [dataset], "dataset_params": {dataset: params}, "data_root": None}))


@pytest.mark.parametrize("name", NAMES)
def test_files_of_any_name_are_read_without_a_data_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANOMARK_DATA", raising=False)
    folder, table = photographs(tmp_path / name), csv(tmp_path / "tables" / f"{name}.csv")
    images = plan("folder-mine", path=str(folder), normal="fine", suspects="odd").data["folder-mine"]
    assert load(images).labels.sum() == 3
    for dataset in ("table-mine", "rows-mine"):
        assert load(plan(dataset, path=str(table)).data[dataset]).train.shape[1] == 2


def test_a_key_depends_on_what_files_hold_and_not_on_where_they_lie(tmp_path: Path) -> None:
    first, second, third = (csv(tmp_path / name / "pump.csv") for name in "abc")
    third.write_text(third.read_text().replace("label", "anomaly"))
    keys = [plan("table-mine", path=str(path)).data["table-mine"].key for path in (first, second, third)]
    assert keys[0] == keys[1] != keys[2]


def test_its_folder_is_closed_to_methods(tmp_path: Path) -> None:
    path = str(csv(tmp_path / "pump.csv"))
    assert all(path in cell.private for cell in plan("table-mine", path=path).cells)


def test_what_is_not_there_or_of_another_kind_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        plan("table-mine", path=str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"expected .*\.csv"):
        locate(Path(), (("table/{item}.csv",),), path=str(photographs(tmp_path / "photos")))
