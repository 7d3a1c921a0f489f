"""Reads what a drop-in file says of itself at its top level, from its syntax tree and without running it."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import UnionType
from typing import Any

from anomark.contracts import AnomarkError, one_line
from anomark.suite.dropins import ROOT

#: What a literal may be: a type, or several.
Kind = type | UnionType
#: Literals that stand in tables, on one line.
LABELS = ("LABEL", "NAME")
#: Bytes of a name: file systems allow 255, of which the parts of a stored file's name take some.
LONGEST_ID = 150
#: A name that ends in one text twenty times over is what Snakemake takes for a rule that calls itself.
REPEATED = re.compile(r"(.+?)\1{19}$")


def called(kind: Kind) -> str:
    """How an error names a type."""
    return kind.__name__ if isinstance(kind, type) else str(kind).replace(" | ", " or a ")


def read_literals(path: Path, kinds: Mapping[str, Kind]) -> dict[str, Any]:
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
            literal: Any = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            raise AnomarkError(
                f"{where}: {name} is an expression, expected a literal (text, numbers, tuples, dicts): "
                "it is read without running the file, so write its value out"
            ) from None
        if kinds[name] is tuple and isinstance(literal, list):
            literal = tuple(literal)
        if not isinstance(literal, kinds[name]):
            hint = f", as in ({literal!r},)" if kinds[name] is tuple and isinstance(literal, str) else ""
            raise AnomarkError(f"{where}: {name} is a {type(literal).__name__}, expected a {called(kinds[name])}{hint}")
        if isinstance(literal, dict) and (strange := [key for key in literal if not isinstance(key, str)]):
            raise AnomarkError(f"{where}: {name} has the key {strange[0]!r}, expected text; put it in quotes")
        if name in LABELS:
            check_label(where, literal)
        found[name] = literal
    return found


def check_id(where: object, what: str, name: str) -> None:
    """Refuse a name that can't be a folder, a wildcard and a word of every table.

    Raises:
        AnomarkError: it has other characters than letters, digits and `_ . + -`, begins with none of the first three,
            or is too long.
    """
    if not re.fullmatch(r"\w[\w.+-]*", name) or len(name.encode()) > LONGEST_ID or REPEATED.search(name):
        raise AnomarkError(
            f"{where}: {name!r} can't name {what}: a name has at most {LONGEST_ID} bytes, begins with a letter or a "
            "digit, holds letters, digits and _ . + - alone, and repeats nothing twenty times; rename it"
        )


def check_label(where: object, label: Any) -> None:
    """Refuse what can't stand in one line of a table.

    Raises:
        AnomarkError: it is no text, or holds line breaks or control characters.
    """
    if not isinstance(label, str) or one_line(label) != label.strip():
        raise AnomarkError(f"{where}: a label is {label!r}, expected text on one line without control characters")


def parse(path: Path) -> ast.Module:
    """The syntax tree of a drop-in file, or one sentence where Python can't read it."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise AnomarkError(f"{path}, line {error.lineno}: not valid Python ({error.msg}); mend or remove it") from None
    except OSError as error:
        raise AnomarkError(f"{path}: the file can't be read ({error.strerror}); check its name and place") from None
    except (ValueError, RecursionError, MemoryError) as error:  # bytes that are no text, or nested without end
        raise AnomarkError(f"{path}: not valid Python ({error}); mend or remove it") from None


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
    """The files of one of the folders of drop-ins, sorted by name; names that begin with _ or . are left out.

    Raises:
        AnomarkError: a file's name can't be imported, and so can't be an id.
    """
    files = sorted(p for p in (ROOT / folder).glob("*.py") if not p.name.startswith(("_", ".")))
    for path in files:
        if not re.fullmatch(r"\w+", path.stem) or len(path.stem.encode()) > LONGEST_ID:
            raise AnomarkError(
                f"{folder}/{path.name}: a file of {folder}/ is named by letters, digits and _ alone, in at most "
                f"{LONGEST_ID} bytes, because its name is an id; rename or remove it"
            )
    return files


def first_sentence(tree: ast.Module) -> str:
    """The first sentence of a file's docstring, on one line and without its full stop; "" where it has none."""
    paragraph = " ".join((ast.get_docstring(tree) or "").partition("\n\n")[0].split())
    return re.split(r"\.\s+(?=[A-Z`])", paragraph)[0].removesuffix(".")


def check_files(path: Path, alternatives: tuple[Any, ...], known: set[str]) -> None:
    """Refuse a pattern of FILES that is none, or that leads out of the data folder."""
    for patterns in alternatives:
        for pattern in patterns if isinstance(patterns, list | tuple) else (patterns,):
            try:
                fields = [name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None]
            except (TypeError, ValueError):
                fields = [""]
            good = isinstance(patterns, list | tuple) and known.issuperset(fields)
            if not good or not (parts := PurePosixPath(pattern).parts) or parts[0] == "/" or ".." in parts:
                raise AnomarkError(
                    f"{path}: FILES holds {pattern!r}, expected tuples of patterns below the data folder, in which "
                    f"{{name}} stands for one of {', '.join(sorted(known))}"
                )
