"""`anomark verify`, `verify --bundle` and `retry` on a real run: what is confirmed, and what is found out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anomark import seals
from tests.conftest import Checkout

pytestmark = pytest.mark.workflow

SUITE = """
suite: tiny
datasets: [beats]
seeds: [0]
only: [constant, broken]
core_seconds: {other: 1}
"""
BROKEN = """import numpy as np
class Method:
    def __init__(self, spec, seed, device): pass
    def fit(self, X, X_valid=None): raise RuntimeError('not yet')
    def decision_function(self, X): return np.abs(X).mean((1, 2))
    def state_dict(self): return {'a': np.ones(3)}
    def load_state_dict(self, state): pass
"""


def test_verify_and_retry(checkout: Callable[[], Checkout], tmp_path: Path) -> None:
    copy = checkout()
    suite = copy.suite(SUITE)
    broken = copy.path / "methods/broken.py"
    broken.write_text(BROKEN)
    assert "anomark retry" in copy.snakemake("--configfile", suite).stdout
    bundle = tmp_path / "results"
    shutil.copytree(copy.path / "results", bundle)

    done = copy.anomark("verify", "beats/constant", "--suite", suite)
    assert done.returncode == 0 and "to the last bit" in done.stdout and "1 of 1" in done.stdout, done.stdout
    done = copy.anomark("verify", "--bundle", str(bundle), "--seed", "1")
    assert done.returncode == 0 and "AUROC" in done.stdout and "DIFFERS" not in done.stdout, done.stdout + done.stderr

    # Scores that nobody computed, sealed anew.
    (folder,) = bundle.glob("cells/beats/constant/0-*")
    with np.load(folder / "scores.npz") as stored:
        scores = {name: stored[name] + np.float32(name == "score") for name in stored.files}
    np.savez(folder / "scores.npz", **scores)
    done = copy.anomark("verify", "--bundle", str(bundle))
    assert done.returncode == 1 and "sha256" in done.stdout
    seals.seal(folder)
    done = copy.anomark("verify", "--bundle", str(bundle))
    assert done.returncode == 1 and "DIFFERS: beats constant seed 0: scores differ" in done.stdout

    before = copy.cells()
    done = copy.anomark("retry", "--suite", suite)
    assert done.returncode == 0 and "failed: RuntimeError: not yet" in done.stdout, done.stdout + done.stderr
    again = {cell for cell, time in copy.cells().items() if before[cell] != time}
    assert {cell.split("/")[1] for cell in again} == {"broken"}, "the good cell is kept"
