"""The contract of a section's file as executable checks; building it needs the results of a suite."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from anomark.checks.files import sentence
from anomark.suite.literals import binds, first_sentence, parse


def check(path: Path) -> Iterator[tuple[str, str | None]]:
    """Look at what a file must have to be found, listed and built.

    Yields:
        (name of the check, None or what is wrong).
    """
    named = re.fullmatch(r"\d+_\w+\.py", path.name)
    yield "its place is in its name", None if named else f"{path.name} should begin with a number, as 35_costs.py does"
    tree = parse(path)
    yield "it says what it shows", None if first_sentence(tree) else "it has no docstring"
    yield "it can be built", None if binds(tree, "build") else "it defines no function build(results) -> Section | None"
    try:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec and spec.loader
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    except Exception as error:
        yield "it can be imported", sentence(error)
        return
    yield "it can be imported", None
