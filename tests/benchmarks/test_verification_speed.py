"""A whole run of the smoke suite, with stored files compared with their seals and without: what the seals cost."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.conftest import Checkout

ROUNDS = 3


@pytest.mark.parametrize("verified", [True, False], ids=["verified", "unverified"])
def test_smoke_suite(benchmark: BenchmarkFixture, checkout: Callable[[], Checkout], verified: bool) -> None:
    """About a minute a round on two cores, of cheap cells, so that the share of the seals is at its largest."""
    if benchmark.disabled:
        pytest.skip("whole runs, which other tests have too: make bench times them")
    benchmark.group = "the smoke suite"
    copy = checkout()
    if not verified:
        copy.edit("anomark/seals.py", "def _compare(", "def _compare(*_: object) -> None: ...\n\n\ndef _unused(")
        copy.edit("anomark/seals.py", "def _sha256(", 'def _sha256(_: Path) -> str: return ""\n\n\ndef _not_used(')
        copy.edit("anomark/stages/heal.py", "    wanted = []\n", "    return []\n    wanted = []\n")

    def clear() -> None:
        shutil.rmtree(copy.path / "results", ignore_errors=True)
        shutil.rmtree(copy.path / "reports", ignore_errors=True)

    def run() -> None:
        done = copy.snakemake("--configfile", "config/smoke.yaml")
        assert done.returncode == 0, done.stdout[-3000:]

    benchmark.pedantic(run, setup=clear, rounds=ROUNDS)
