"""Reading YAML, and writing files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from anomark.contracts import AnomarkError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write in the place of `path`; it takes that place once it is complete, and is removed otherwise.

    Several processes may write the same file at once: each has one of its own, and the last whole one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file.

    Raises:
        AnomarkError: the file can't be read, is not valid YAML, or holds something else than keys and values.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AnomarkError(f"{path}: the file can't be read ({error.strerror}); check its name and place") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = f", line {mark.line + 1}" if (mark := getattr(error, "problem_mark", None)) else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise AnomarkError(f"{path}{where}: not valid YAML ({problem}); mend it") from None
    if not isinstance(raw, dict):
        raise AnomarkError(f"{path}: expected keys and values, found {type(raw).__name__}; write `key: value` lines")
    return raw
