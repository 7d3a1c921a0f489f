"""Fixtures shared by all tests: the data folder, a copy of the checkout to break, and Snakemake inside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy or torch are imported

ROOT = Path(__file__).resolve().parents[1]
#: What a run of the benchmark needs of the checkout.
PARTS = ("Snakefile", "anomark", "methods", "datasets", "metrics", "papers", "config", "profiles", "envs")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of the owners' files: ANOMARK_DATA, else shared/data beside the checkout."""
    root = Path(os.environ.get("ANOMARK_DATA") or ROOT.parent / "shared" / "data")
    if not root.is_dir():
        pytest.skip("no data folder: set ANOMARK_DATA to run the tests on real data")
    return root.resolve()


class Checkout:
    """A copy of the project in a folder of its own, to run and to edit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for part in PARTS:
            source, target = ROOT / part, path / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            else:
                shutil.copy2(source, target)

    def suite(self, text: str, name: str = "suite.yaml") -> str:
        """Write an overlay and return its name."""
        (self.path / name).write_text(text)
        return name

    def run(self, *args: str, module: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """`python -m module args` in the copy; its own package wins over the installed one."""
        environment = os.environ | {"PYTHONPATH": str(self.path)} | (env or {})
        return subprocess.run(
            [sys.executable, "-m", module, *args], cwd=self.path, env=environment, capture_output=True, text=True
        )

    def snakemake(
        self, *args: str, cores: int = 2, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake in the copy; stdout and stderr together in `.stdout`."""
        done = self.run("--cores", str(cores), *args, module="snakemake", env=env)
        done.stdout += done.stderr
        return done

    def anomark(self, *args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return self.run(*args, module="anomark", env=env)

    def cells(self) -> dict[str, int]:
        """{dataset/method/seed-key: time of its fit.json} of every stored cell."""
        root = self.path / "results/cells"
        return {p.parent.relative_to(root).as_posix(): p.stat().st_mtime_ns for p in root.glob("*/*/*/fit.json")}

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace one piece of text that must occur in the file."""
        path = self.path / file
        text = path.read_text()
        assert old in text, f"{file} no longer holds {old!r}"
        path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Checkout]:
    """Makes a fresh copy of the checkout at each call."""
    return lambda: Checkout(tmp_path_factory.mktemp("checkout"))
