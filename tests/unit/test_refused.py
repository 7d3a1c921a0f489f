"""A suite whose datasets are all refused ends in a report that says so, and in exit status 1."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from anomark.contracts import DataError
from anomark.runtime.supervisor import run_cell
from anomark.stages import evaluate, prepare, report, sweep, verdict
from anomark.suite import config, plan, registry
from anomark.suite_records import Jobs

REASON = "quiet.csv: undefined: one class"


def test_a_suite_of_refused_datasets_has_a_report_and_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> None:
        raise DataError(REASON)

    monkeypatch.setattr(prepare, "load", refuse)
    suite = config.load().model_copy(update={"datasets": ["series", "textures-brick"], "include": [], "seeds": [0]})
    planned = plan.Plan(suite, results=str(tmp_path / "results"), reports=str(tmp_path / "reports"))
    planned.cells_root = str(tmp_path / "cells")
    planned.write()
    folder = Path(planned.folder)
    jobs = Jobs.load(folder / "plan.json")
    for data in jobs.data.values():
        prepare.write(data)
    for cell in jobs.cells.values():
        assert run_cell(cell, jobs.limits).status == "refused"
    for path, job in jobs.sweeps.items():
        assert job.path == path
        sweep.write_sweep(job, jobs.cells[job.cell])
    for dataset in jobs.data:
        evaluate.evaluate(jobs, dataset, folder / "evaluation" / dataset)
    report.report(folder / "suite.json", folder / "evaluation", Path(planned.report), folder)
    page = (Path(planned.report) / "index.html").read_text()
    assert f"refused: {REASON}" in page
    assert (pd.read_csv(folder / "coverage.csv").status == "refused").any()
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        verdict.run(jobs, *(f"{folder}/{name}" for name in ("coverage.csv", "sweep.csv", "verdict.txt")))
    said = capsys.readouterr().out.splitlines()
    assert said == [f"refused: {dataset}: {REASON}" for dataset in ("series", "textures-brick")]
    assert "its files or its parameters change" in str(end.value) and "anomark retry" not in str(end.value)
    assert not (folder / "verdict.txt").exists()


BROKEN = {
    "folder": ("folder/mine/train/good/1.png", b"no image"),
    "clips": ("clips/mine/train/good/1.wav", b"no sound"),
    "table": ("table/mine.csv", b"x,label\n1,0\n2,2\n"),
    "rows": ("rows/mine.csv", b"x,label\n\xff\xfe"),
}


@pytest.mark.parametrize("family", BROKEN)
@pytest.mark.parametrize("content", [None, b"", b"\x00\x01"])
def test_what_is_wrong_with_own_files_is_theirs_to_mend(tmp_path: Path, family: str, content: bytes | None) -> None:
    name, usual = BROKEN[family]
    (tmp_path / name).parent.mkdir(parents=True)
    for path in (tmp_path / name, tmp_path / name.replace("1.", "2.")):
        path.write_bytes(usual if content is None else content)
    known = registry.families()[family]
    with pytest.raises(DataError) as error:
        importlib.import_module(known.module).prepare(tmp_path, **known.defaults | {"item": "mine"})
    assert "mine" in str(error.value) and "fetch" not in str(error.value), "nobody else has these files"
