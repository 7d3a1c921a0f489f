"""The contract of a paper's folder as executable checks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from anomark.checks.files import Finding, finding, sentence
from anomark.contracts import AnomarkError
from anomark.suite import registry
from anomark.suite.papers import read_paper


def check(folder: Path) -> Iterator[Finding]:
    """Read `paper.yaml` and its tables, and look whether this project has the datasets that they name."""
    try:
        paper = read_paper(folder)
    except AnomarkError as error:
        yield "it can be read", sentence(error)
        return
    yield "it can be read", None
    for dataset in sorted({dataset for dataset, _ in paper.numbers}):
        yield finding(f"the dataset {dataset} is known", partial(registry.find_dataset, dataset))
    yield "it prints a number", None if paper.numbers else "no table maps a row to a dataset and a column to a method"
