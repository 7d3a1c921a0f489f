"""The short form of what tries to break the benchmark."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.workflow


def test_nothing_is_lost_in_the_short_form(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.torture", "--short", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    with (tmp_path / "summary.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows and all(row["tried"] == row["survived"] > "0" for row in rows)
