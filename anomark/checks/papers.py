"""The contract of a paper's folder as executable checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anomark.checks.files import sentence
from anomark.contracts import AnomarkError
from anomark.suite import registry
from anomark.suite.papers import read_paper


def check(folder: Path) -> Iterator[tuple[str, str | None]]:
    """Read `paper.yaml` and its tables, and look whether this project has the datasets that they name.

    Yields:
        (name of the check, None or what is wrong).
    """
    try:
        paper = read_paper(folder)
    except AnomarkError as error:
        yield "it can be read", sentence(error)
        return
    yield "it can be read", None
    for dataset in sorted({dataset for dataset, _ in paper.numbers}):
        try:
            registry.find_dataset(dataset)
            problem = None
        except AnomarkError as error:
            problem = str(error)
        yield f"the dataset {dataset} is known", problem
    yield "it prints a number", None if paper.numbers else "no table maps a row to a dataset and a column to a method"
