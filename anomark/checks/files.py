"""What the checks of all types share: importing a file wherever it lies, and an error in one line."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from anomark.contracts import AnomarkError
from anomark.suite.dropins import ROOT

#: The name of a check, and None or what is wrong.
Finding = tuple[str, str | None]
Subject = TypeVar("Subject")


def load(path: Path, folder: str) -> ModuleType:
    """The module of a drop-in file as `anomark_<folder>.<name>`, also of a file that lies elsewhere."""
    name = f"anomark_{folder}.{path.stem}"
    if path.parent == ROOT / folder:
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def sentence(error: Exception) -> str:
    """The first line of an error; of one that isn't a promise broken in words, the kind as well."""
    kind = "" if isinstance(error, (AssertionError, AnomarkError)) else f"{type(error).__name__}: "
    return f"{kind}{error}".splitlines()[0] if str(error) else type(error).__name__


def finding(name: str, check: Callable[[], object]) -> Finding:
    """What one check finds: it raises an error with one sentence where the promise is broken.

    A text that it returns tells how the promise is kept.
    """
    try:
        how = check()
    except Exception as error:
        return name, sentence(error)
    return f"{name}, {how}" if isinstance(how, str) else name, None


def findings(checks: Iterable[Callable[[Subject], object]], subject: Subject, where: str = "") -> Iterator[Finding]:
    """What each check finds of a subject, under the check's own name."""
    for check in checks:
        yield finding(where + check.__name__.replace("_", " "), lambda check=check: check(subject))  # type: ignore[misc]


def of_file(
    read: Callable[[Path], Subject], checks: Callable[[Subject], Iterator[Finding]], path: Path
) -> Iterator[Finding]:
    """Read a file, then run its checks; a file that can't be read has no others."""
    try:
        subject = read(path)
    except Exception as error:
        yield "it can be read and imported", sentence(error)
        return
    yield "it can be read and imported", None
    yield from checks(subject)
