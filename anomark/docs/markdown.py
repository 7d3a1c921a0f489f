"""Pieces of Markdown that the generated pages are made of."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from anomark.suite.literals import parse


def page(title: str, intro: str, *parts: str) -> str:
    """A page: its heading, a paragraph, and parts with an empty line between them."""
    written = "This page is written by `anomark docs` from the files themselves, so edit those."
    return "\n\n".join([f"# {title}", f"{intro} {written}", *filter(None, parts)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a pipe inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(items: Iterable[str]) -> str:
    """A list of points."""
    return "\n".join(f"* {item}" for item in items)


def chapter(title: str, path: Path, facts: Mapping[str, str], *further: str) -> str:
    """A heading, the docstring of a Python file, and as points the facts that have a text and whatever is further."""
    points = [*(f"{name}: {text}" for name, text in facts.items() if text), *further]
    return f"## {title}\n\n{ast.get_docstring(parse(path)) or ''}\n\n{bullets(points)}"


def code(values: Iterable[object]) -> str:
    """Values in backticks, with commas between them."""
    return ", ".join(f"`{value}`" for value in values)


def settings(defaults: dict[str, object]) -> str:
    """Parameters with their values: `steps=3000`, `width=32`."""
    return code(f"{name}={value!r}" for name, value in defaults.items())


def link(address: str) -> str:
    """An address that can be clicked; other text as it stands."""
    return f"<{address}>" if address.startswith("https://") else address
