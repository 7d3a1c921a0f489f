"""Runs that go on at once: two of one checkout, and two checkouts that share their cells."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Checkout

pytestmark = pytest.mark.workflow

SUITE = """
suite: tiny
datasets: [digits-0]
seeds: [0, 1]
preprocessing: {size: 8}
only: [constant, nearest_train, random_score]
core_seconds: {other: 1}
"""


def test_no_cell_is_computed_twice_and_the_tables_are_equal(checkout: Callable[[], Checkout], tmp_path: Path) -> None:
    """About 20 s on two cores."""
    one, other = checkout(), checkout()
    runs = []
    for copy in (one, one, other):
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", copy.suite(SUITE)]
        environment = os.environ | {"PYTHONPATH": str(copy.path), "ANOMARK_CELLS": str(tmp_path / "cells")}
        pipe, both = subprocess.PIPE, subprocess.STDOUT
        runs.append(subprocess.Popen(command, cwd=copy.path, env=environment, text=True, stdout=pipe, stderr=both))
    logs = [run.communicate(timeout=600)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], logs
    assert sum("waiting for a run of the suite tiny in this folder" in log for log in logs[:2]) == 1
    assert sum("Nothing to be done" in log for log in logs[:2]) == 1, "the one that waited"

    cells = {path.parent for path in (tmp_path / "cells").glob("*/*/*/fit.json")}
    jobs = sum(len(re.findall(r"Finished jobid: \d+ \(Rule: fit_and_score\)", log)) for log in logs)
    taken_over = sum(log.count("stored by another run meanwhile") for log in logs)
    assert len(cells) == 4 == jobs - taken_over, "each was computed by one job, and the others took it over"

    tables = [(copy.path / "results/tiny/metrics.csv").read_bytes() for copy in (one, other)]
    assert tables[0] == tables[1]
    for root in (tmp_path / "cells", *(copy.path / name for copy in (one, other) for name in ("results", "reports"))):
        assert {path.name for path in root.rglob(".*")} <= {".snakemake_timestamp"}, "nothing temporary is left"


def test_what_a_job_had_stored_before_it_was_killed_is_kept(checkout: Callable[[], Checkout]) -> None:
    copy = checkout()
    suite = ("--configfile", copy.suite(SUITE))
    published = "        seals.publish(work, folder)\n"
    copy.edit("anomark/runtime/supervisor.py", published, f"{published}        os.kill(os.getpid(), signal.SIGKILL)\n")
    assert copy.snakemake(*suite).returncode
    stored = copy.cells()
    assert len(stored) == 4
    copy.edit("anomark/runtime/supervisor.py", "        os.kill(os.getpid(), signal.SIGKILL)\n", "")
    done = copy.snakemake(*suite)
    assert done.returncode == 0, done.stdout
    assert copy.cells() == stored and not (copy.path / "results/cells/.damaged").exists()
