"""What a killed run leaves in a checkout goes before the next one looks at what there is to do."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from snakemake.persistence.file import FilePersistence

from anomark.runtime.alone import clear
from anomark.suite.config import load
from anomark.suite.plan import Plan


def test_what_a_killed_run_left_is_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    only = {"datasets": ["digits-0"], "only": ["constant", "random_score"], "seeds": [0], "exclude": []}
    plan = Plan(load("smoke").model_copy(update=only))
    stored, missing = (cell.outputs[0] for cell in plan.cells)
    table = f"{plan.folder}/metrics.csv"
    for path in (stored, table, f"{plan.results}/.thing.1-ab.tmp", f"{plan.report}/../.smoke.lock"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    for path in (stored, table):
        os.utime(path, (time.time() + 3600,) * 2)
    state = Path(".snakemake")
    records = FilePersistence(path=state)
    records._write_locks("output", [stored, missing])
    for path in (stored, missing, table):
        records._mark_incomplete(path, None)

    clear(plan, state)
    assert not [*FilePersistence(path=state)._read_locks()]
    marked = FilePersistence(path=state)._filter_incomplete_keys([stored, missing, table])
    assert marked == {missing, table}, "a stored cell is whole, and a table may belong to an earlier evaluation"
    assert not [path for root in ("results", "reports") for path in Path(root).rglob(".*")]
    assert max(Path(path).stat().st_mtime for path in (stored, table)) <= time.time()
    said = capsys.readouterr().err
    assert all(words in said for words in ("removed the lock", "2 partial files", "2 stored files were dated later"))
    clear(plan, state)
    assert not capsys.readouterr().err, "there is nothing to tell of a run that ended"
