"""`anomark check`: the contract of one file, or of a paper's folder, that was dropped in."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import typer


def check(file: Path) -> None:
    """Run the contract tests on one dropped-in file, or on a paper's folder; print what fails and why."""
    from anomark.checks.run import check_file

    failures = 0
    with open(os.devnull, "w") as quiet, contextlib.redirect_stderr(quiet):  # progress of many tiny trainings
        for name, problem in check_file(file):
            print(f"{'FAIL' if problem else 'ok  '} {name}{f': {problem}' if problem else ''}")
            failures += bool(problem)
    if failures:
        raise typer.Exit(1)
