"""Reading YAML, and writing files that are there whole or not at all."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO

import yaml

from anomark.contracts import AnomarkError

#: Levels that a YAML file may be nested in, and nodes that it may have once its aliases are written out.
DEEPEST, LARGEST = 50, 100_000


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
    except OSError as error:
        if error.filename in (None, str(partial)):  # a full disk names none, and the partial one tells a reader little
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def partial_name(path: Path) -> Path:
    """A hidden name beside `path` that no other process has, for what is to take its place."""
    return path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")


@contextmanager
def temporary_files_in(folder: Path) -> Iterator[None]:
    """Let what Python's libraries keep in temporary files lie in a folder inside."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


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
        AnomarkError: the file can't be read, is not valid YAML, names a key twice, is nested or repeats itself beyond
            reason, or holds something else than keys and values.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if problem := _beyond_reason(text):
            raise AnomarkError(f"{path}: {problem}; write it out plainly")
        raw = yaml.load(text, Loader=_Loader)
    except OSError as error:
        raise AnomarkError(f"{path}: the file can't be read ({error.strerror}); check its name and place") from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError) as error:  # of dates, numbers, bytes
        where = f", line {mark.line + 1}" if (mark := getattr(error, "problem_mark", None)) else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0] or type(error).__name__
        raise AnomarkError(f"{path}{where}: not valid YAML ({problem}); mend it") from None
    if not isinstance(raw, dict):
        raise AnomarkError(f"{path}: expected keys and values, found {type(raw).__name__}; write `key: value` lines")
    return raw


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A safe loader that refuses a key which is named twice, of which YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.value != "<<":
                    raise yaml.MarkedYAMLError(problem=f"{key.value!r} is named twice", problem_mark=key.start_mark)
                seen.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _beyond_reason(text: str) -> str | None:
    """What makes a YAML file dangerous to read, found without building anything, or None."""
    sizes: list[int] = [0]  # nodes so far, of the document and of each collection that is open
    names: list[str | None] = []  # their anchors
    known: dict[str, int] = {}
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            sizes.append(1)
            names.append(event.anchor)
            if len(sizes) > DEEPEST:
                return f"nested in more than {DEEPEST} levels"
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            size, name = sizes.pop(), names.pop()
            if name:
                known[name] = size
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in names:
                return f"{event.anchor!r} holds itself"
            size = known.get(event.anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            size = 1
        else:
            continue
        sizes[-1] += size
        if sizes[-1] > LARGEST:
            return f"more than {LARGEST} values, its aliases written out"
    return None
