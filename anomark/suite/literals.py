"""Reads what a drop-in file says of itself at its top level, from its syntax tree and without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomark.contracts import AnomarkError
from anomark.suite.dropins import ROOT


def read_literals(path: Path, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Top-level literals of a drop-in file whose names are in `kinds`, with their types checked."""
    tree = parse(path)
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            name, value = node.target.id, node.value
        else:
            continue
        if name not in kinds:
            continue
        where = f"{path}, line {node.lineno}"
        try:
            literal = ast.literal_eval(value)
        except ValueError:
            raise AnomarkError(
                f"{where}: {name} is an expression, expected a literal (text, numbers, tuples, dicts): "
                "it is read without running the file, so write its value out"
            ) from None
        if kinds[name] is tuple and isinstance(literal, list):
            literal = tuple(literal)
        if not isinstance(literal, kinds[name]):
            hint = f", as in ({literal!r},)" if kinds[name] is tuple and isinstance(literal, str) else ""
            raise AnomarkError(
                f"{where}: {name} is a {type(literal).__name__}, expected a {kinds[name].__name__}{hint}"
            )
        found[name] = literal
    return found


def parse(path: Path) -> ast.Module:
    """The syntax tree of a drop-in file, or one sentence where Python can't read it."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise AnomarkError(f"{path}, line {error.lineno}: not valid Python ({error.msg}); mend or remove it") from None


def binds(tree: ast.Module, name: str) -> bool:
    """Whether a file defines, imports or assigns `name` at its top level."""
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return True
        if isinstance(node, (ast.Import, ast.ImportFrom)) and any((a.asname or a.name) == name for a in node.names):
            return True
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return True
    return False


def dropin_files(folder: str) -> list[Path]:
    """The files of one of the folders of drop-ins, sorted by name; names that begin with _ or . are left out."""
    return sorted(p for p in (ROOT / folder).glob("*.py") if not p.name.startswith(("_", ".")))


def first_sentence(tree: ast.Module) -> str:
    """The first sentence of a file's docstring, on one line and without its full stop; "" where it has none."""
    paragraph = " ".join((ast.get_docstring(tree) or "").partition("\n\n")[0].split())
    return re.split(r"\.\s+(?=[A-Z`])", paragraph)[0].removesuffix(".")
