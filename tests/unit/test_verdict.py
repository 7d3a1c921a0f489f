"""A run's last word: what went well is counted, what did not is named once, and the exit status says which."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from anomark import seals
from anomark.stages import verdict
from tests.samples import planned_jobs

CELLS = [
    {"dataset": "a", "method": "wavediff", "seed": 0, "status": "done", "reason": ""},
    {"dataset": "a", "method": "patchcore", "seed": "", "status": "n/a", "reason": "made for images"},
]
SWEPT = {"dataset": "a", "method": "wavediff", "seed": 0, "lambda": 0.5, "auroc": 0.8, "failed": ""}
FAILED = SWEPT | {"lambda": "", "auroc": "", "failed": "the model is gone"}


def end(folder: Path, cells: list[dict[str, object]], sweeps: list[dict[str, object]]) -> Path:
    pd.DataFrame(cells).to_csv(folder / "coverage.csv", index=False)
    pd.DataFrame(sweeps, columns=list(SWEPT)).to_csv(folder / "sweep.csv", index=False)
    seals.seal(folder)
    verdict.run(planned_jobs(), *(f"{folder}/{name}" for name in ("coverage.csv", "sweep.csv", "verdict.txt")))
    return folder / "verdict.txt"


@pytest.mark.parametrize("sweeps", [[], [SWEPT], [SWEPT] * 3])
def test_a_good_run_is_counted(tmp_path: Path, sweeps: list[dict[str, object]]) -> None:
    assert end(tmp_path, CELLS, sweeps).read_text() == "1 done, 1 n/a\n"


def test_a_failed_sweep_is_named_and_ends_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="anomark retry"):
        end(tmp_path, CELLS, [SWEPT, FAILED])
    assert capsys.readouterr().out == "sweep failed: a wavediff seed 0: the model is gone\n"
    assert not (tmp_path / "verdict.txt").exists()


def test_a_failed_cell_is_named_and_ends_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = CELLS[0] | {"seed": 1, "status": "timeout", "reason": "it ran past its limit of 3 s"}
    with pytest.raises(SystemExit, match="1 of 3 outcomes are bad"):
        end(tmp_path, [*CELLS, bad], [SWEPT])
    assert capsys.readouterr().out == "timeout: a wavediff seed 1: it ran past its limit of 3 s\n"
