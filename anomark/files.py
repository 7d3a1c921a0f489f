"""Reading YAML, and writing files that are there whole or not at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO

import yaml

from anomark.contracts import AnomarkError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write in the place of `path`; it takes that place once it is complete, and is removed otherwise.

    Several processes may write the same file at once: each has one of its own, and the last whole one stays. The file
    is locked meanwhile, so one without a lock is known to be left from a process that died.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_name(path)
    try:
        with _locked_if_possible(partial):
            yield partial
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def partial_name(path: Path) -> Path:
    """A hidden name beside `path` that no other process has, for what is to take its place."""
    return path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")


def locked(path: Path, create: bool = True) -> TextIO | None:
    """Open a file under the operating system's lock, which is held until the file is closed or the process ends.

    Args:
        create: whether to make the file where there is none.

    Returns:
        The file, to read and to write, or None while another process holds it.

    Raises:
        FileNotFoundError: there is none, and none was to be made.
        NotImplementedError: the file system knows no locks.
    """
    stream = path.open("a+" if create else "r+", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(stream.fileno()), path.stat()):  # else its last holder has removed it meanwhile
            return stream
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        stream.close()
        raise NotImplementedError(f"{path}: its file system knows no locks ({error.strerror})") from None
    stream.close()
    return None


def _locked_if_possible(path: Path) -> AbstractContextManager[object]:
    try:
        return locked(path) or nullcontext()
    except NotImplementedError:
        return nullcontext()


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
