"""The contract of a section's file as executable checks; building it needs the results of a suite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from anomark.checks.files import Finding, finding, load
from anomark.suite.literals import binds, first_sentence, parse


def check(path: Path) -> Iterator[Finding]:
    """Look at what a file must have to be found, listed and built."""
    named = re.fullmatch(r"\d+_\w+\.py", path.name)
    yield "its place is in its name", None if named else f"{path.name} should begin with a number, as 35_costs.py does"
    tree = parse(path)
    yield "it says what it shows", None if first_sentence(tree) else "it has no docstring"
    yield "it can be built", None if binds(tree, "build") else "it defines no function build(results) -> Section | None"
    yield finding("it can be imported", partial(load, path, "sections"))
