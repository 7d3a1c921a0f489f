"""Computes the key of a cell, a hash of what its result depends on, without importing any of it.

A key covers the code (docstring-free syntax trees of the import closure), the resolved parameters, the data (recipe
and raw files) and the versions of the libraries that the closure imports. Comments, docstrings, formatting, labels
and time limits are not part of it.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from anomark.files import replacing
from anomark.seals import beside
from anomark.suite.dropins import FOLDERS, ROOT
from anomark.suite.literals import parse
from anomark.suite.registry import DATASET_LITERALS, METHOD_LITERALS

#: Libraries whose version can move a number. Most of PyOD's detectors are scikit-learn's, so it counts with PyOD.
NUMERICAL = {
    "numpy": ("numpy",),
    "scipy": ("scipy",),
    "sklearn": ("scikit-learn", "scipy"),
    "skimage": ("scikit-image", "scipy"),
    "pywt": ("PyWavelets",),
    "PIL": ("pillow",),
    "torch": ("torch",),
    "pandas": ("pandas",),
    "pyod": ("pyod", "scikit-learn", "scipy"),
}
_version = cache(version)
#: Literals of drop-in files that reach a result through the resolved parameters alone, unless the code reads them.
_DESCRIPTIVE = set(METHOD_LITERALS) | set(DATASET_LITERALS)
#: What a modality's file says for the report and for `anomark check` alone.
_SHOWN = _DESCRIPTIVE | {"NOUN", "ORDER", "SAMPLES", "PICTURES"}


def digest(value: Any) -> str:
    """Hex sha256 of a JSON value, independent of the order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


class _Strip(ast.NodeTransformer):
    """Removes docstrings everywhere, and the `descriptive` literals at the top level that no line of the file reads."""

    def __init__(self, descriptive: set[str]) -> None:
        self.descriptive = descriptive

    def _body(self, node: Any) -> Any:
        self.generic_visit(node)
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:] or [ast.Pass()]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _body

    def visit_Module(self, node: ast.Module) -> ast.Module:
        read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        node.body = [n for n in node.body if not (self.descriptive - read) & _targets(n)]
        self._body(node)
        return node


def _targets(node: ast.stmt) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {t.id for t in targets if isinstance(t, ast.Name)}


@cache
def _scan(path: Path, _stamp: tuple[int, int]) -> tuple[str, tuple[Path, ...], frozenset[str]]:
    """The hash of one file's code, the files of this project that it imports, and the libraries that it imports."""
    tree = parse(path)
    local, external = imports(tree)
    descriptive = _SHOWN if path.parent.name == "modalities" else _DESCRIPTIVE
    code = ast.unparse(_Strip(descriptive).visit(tree))
    return hashlib.sha256(code.encode()).hexdigest()[:16], tuple(local), frozenset(external)


def imports(tree: ast.Module) -> tuple[list[Path], set[str]]:
    """The files of this project, and the libraries, that a file imports when it runs, also inside functions."""
    local: list[Path] = []
    external: set[str] = set()
    for node in _running(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from anomark.nn import unet` names a module, `from anomark.nn.unet import UNet` a member: try both.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            top = name.partition(".")[0]
            if top in ("anomark", *FOLDERS):
                relative = name.replace("anomark_", "", 1) if top != "anomark" else name
                file = ROOT / (relative.replace(".", "/") + ".py")
                if file.is_file():
                    local.append(file)
            else:
                external.add(top)
    return local, external


def _running(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node but those below `if TYPE_CHECKING:`, which only a type checker reads."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        pending += ast.iter_child_nodes(node)


def closure(roots: Iterable[Path]) -> tuple[dict[str, str], dict[str, str]]:
    """Code and library versions that the given files depend on, through every import inside the checkout.

    Returns:
        ({path relative to the checkout: code hash}, {distribution: version}), both sorted.
    """
    sources: dict[str, str] = {}
    imports: set[str] = set()
    pending = list(roots)
    while pending:
        path = pending.pop()
        name = path.relative_to(ROOT).as_posix()
        if name in sources:
            continue
        stat = path.stat()
        sources[name], local, external = _scan(path, (stat.st_size, stat.st_mtime_ns))
        imports |= external
        pending += local
    distributions = {d for name in imports for d in NUMERICAL.get(name, ())}
    return dict(sorted(sources.items())), {d: _version(d) for d in sorted(distributions)}


class Fingerprints:
    """What was read of files, remembered as long as their names, sizes, times and inodes stay: gigabytes are read once.

    The cache file only saves time, and is passed over where its own hash is not right. A hash is of the content, so
    copied data has the same fingerprint everywhere.
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._known: dict[str, Any] = {}
        self._changed = cache.exists()  # until it is known to be right, so that a damaged one is written anew
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            stored = json.loads(cache.read_bytes())
            if stored["sha256"] == digest(stored["files"]):
                self._known = stored["files"]
                self._changed = False

    def of(self, root: Path, files: Iterable[Path]) -> str:
        """One hash for a set of files below `root`, from their relative names and contents."""
        return digest({file.relative_to(root).as_posix(): self._file(file) for file in files})

    def _file(self, path: Path) -> str:
        stamp, known = _stamp(path.stat()), self._known.get(str(path))
        if isinstance(known, list) and known[:-1] == stamp:
            return str(known[-1])
        with path.open("rb") as stream:
            sha = hashlib.file_digest(stream, "sha256").hexdigest()
        self._known[str(path)] = [*stamp, sha]
        self._changed = True
        return sha

    def once(self, path: Path, check: Callable[[], object]) -> None:
        """Check a file beside its seal, or the files of a folder, unless they are as they were when that last passed.

        What the check raises is passed on, and nothing is remembered.
        """
        stamp = digest(_stamps(path))
        if self._known.get(str(path)) != stamp:
            check()
            self._known[str(path)] = stamp
            self._changed = True

    def save(self) -> None:
        """Write the cache if anything new was hashed; a folder that can't be written to is no error."""
        if not self._changed:
            return
        try:
            with replacing(self.cache) as partial:
                partial.write_text(json.dumps({"sha256": digest(self._known), "files": self._known}))
        except OSError:
            return


def _stamps(path: Path) -> list[Any]:
    """The stamps of a file and of its seal, or of all that lies in a folder and in the folders in it."""
    if not path.is_dir():
        return [_stamp(file.stat()) if file.exists() else None for file in (path, beside(path))]
    entries = list(os.scandir(path))
    entries += [entry for folder in entries if folder.is_dir() for entry in os.scandir(folder)]
    return sorted([entry.path, *_stamp(entry.stat())] for entry in entries)


def _stamp(stat: os.stat_result) -> list[int]:
    """What changes with the bytes of a file, even where its time is set back."""
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
