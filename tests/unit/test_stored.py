"""What is stored says why a cell would run again, and which cells nothing asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomark.records import Cell, CellInfo, Device, FitRecord
from anomark.suite import config, stored
from anomark.suite.plan import Plan


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """A cell of the default suite whose result is not stored, in a folder without results."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANOMARK_CELLS", raising=False)
    suite = config.load().model_copy(update={"datasets": ["beats"], "only": ["nearest_train"], "seeds": [0]})
    (planned,) = Plan(suite).cells
    return planned


def store(cell: Cell, key: str, status: str = "done", **parts: object) -> Path:
    """A stored cell of the same dataset, method and seed under another key; its folder."""
    info = cell.model_dump(include=set(CellInfo.model_fields)) | {"key": key}
    info["parts"] |= parts
    folder = Path(cell.folder).with_name(f"{cell.seed}-{key}")
    FitRecord(**info, status=status, device=Device(kind="cpu")).save(folder / "fit.json")
    return folder


def test_why_names_what_changed_since_the_last_cell(cell: Cell) -> None:
    assert stored.why(cell) == "it was never computed"
    store(cell, "0a", params={"k": 3}, sources=cell.parts.sources | {"methods/nearest_train.py": "old"}, threads=7)
    said = stored.why(cell)
    assert "params: k 3 -> None" in said and "sources: methods/nearest_train.py" in said and "threads: 7 -> 1" in said
    store(cell, "0b")
    assert stored.why(cell) == "its files were deleted"
    (Path(cell.folder).with_name("0-0c")).mkdir()
    (Path(cell.folder).with_name("0-0c") / "fit.json").write_text("{}")
    assert "another version" in stored.why(cell)


def test_cells_that_nothing_asks_for_are_told_from_bad_ones(cell: Cell, tmp_path: Path) -> None:
    kept, old = store(cell, cell.key), store(cell, "0a", status="failed")
    suite = tmp_path / "mine.yaml"
    suite.write_text("{suite: mine, datasets: [beats, table-gone], only: [nearest_train], seeds: [0]}")
    said: list[str] = []
    found = stored.Stored()
    assert found.cells == sorted([kept, old]) and found.bad() == [old]
    assert found.unaddressed([str(suite)], said.append) == [old]
    assert len(said) == 1 and "table-gone" in said[0]
