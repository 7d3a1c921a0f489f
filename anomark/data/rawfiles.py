"""The owner's files of a dataset, whether they lie in folders or in a zip archive."""

from __future__ import annotations

import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import IO, Any

from anomark.contracts import DataError

#: A member of an archive may unpack to so many times its size, where it is not small in any case: a bomb unpacks to
#: thousands.
LARGEST_EXPANSION, SMALL = 100, 1 << 24
#: What reading a member raises that is damaged, encrypted (RuntimeError) or packed in a way that nobody knows here.
BROKEN_ARCHIVE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, RuntimeError, EOFError, KeyError),
    UnicodeDecodeError,  # of a name
)


def locate(raw: Path, alternatives: tuple[tuple[str, ...], ...], **params: Any) -> list[Path]:
    """The files that a dataset is read from: those of the first alternative all of whose patterns match something.

    Args:
        raw: the data folder.
        alternatives: `FILES` of the dataset: glob patterns relative to `raw`, in which "{name}" stands for a parameter.
            A pattern that goes on behind ".zip/" matches the archives that hold such a file.
        params: of the dataset. A `path` that is not empty takes the place of what patterns have up to "{item}": it is
            a file, or a folder that holds what stands behind.

    Raises:
        DataError: no alternative is complete.
    """
    if path := params.get("path"):
        return _named(named(path), alternatives)
    wanted = [[pattern.format(**params) for pattern in patterns] for patterns in alternatives]
    for patterns in wanted:
        found = [_archives(raw, pattern) if ".zip/" in pattern else _files(raw, pattern) for pattern in patterns]
        if all(found):
            return [path for paths in found for path in paths]
    expected = ", or ".join(" with ".join(patterns) for patterns in wanted)
    raise DataError(f"{raw}: the dataset's files are not here; put them there as {expected}")


def named(path: str) -> Path:
    """The file or folder that the parameter `path` of a dataset names; ~ is the user's own folder.

    Raises:
        DataError: there is nothing.
    """
    found = Path(os.path.expanduser(path))
    if not found.exists():
        raise DataError(f"{path}: no such file or folder; correct `path` in dataset_params")
    return found


def _named(path: Path, alternatives: tuple[tuple[str, ...], ...]) -> list[Path]:
    wanted = [[pattern.partition("{item}")[2] for pattern in patterns] for patterns in alternatives]
    for endings in wanted:
        if path.is_file():
            found = [[path] if path.suffix.lower() == ending else [] for ending in endings]
        else:
            found = [_files(path, ending[1:]) if ending.startswith("/") else [] for ending in endings]
        if all(found):
            return [file for files in found for file in files]
    expected = ", or ".join(" with ".join(ending.removeprefix("/") for ending in endings) for endings in wanted)
    raise DataError(f"{path}: holds no files of this kind, expected {expected}; correct `path` in dataset_params")


def items(raw: Path, alternatives: tuple[tuple[str, ...], ...], **params: Any) -> list[str]:
    """Every name that "{item}" can take so that `locate` finds its files, in the order of the names.

    Hidden files are passed over. Other parameters of the patterns are given by `params`.

    Raises:
        DataError: an archive can't be read.
    """
    found: set[str] = set()
    for patterns in alternatives:
        named = [pattern.format(**(params | {"item": "{item}"})) for pattern in patterns if "{item}" in pattern]
        if named:
            found |= set.intersection(*(_names(raw, pattern) for pattern in named))
    return sorted(found)


def _names(raw: Path, pattern: str) -> set[str]:
    """What "{item}" stands for in the names of the files that one pattern matches."""
    outer, archive, _ = pattern.partition(".zip/")
    files = _files(raw, (outer + ".zip" if archive else pattern).replace("{item}", "*"))
    names = [path.relative_to(raw).as_posix() for path in files]
    if archive:
        members = zip(names, map(_members, files), strict=True)
        names = [f"{name}/{member}" for name, inside in members for member in inside]
    matches = filter(None, map(_expression(pattern).fullmatch, names))
    return {match["item"] for match in matches if not match["item"].startswith(".")}


def _files(raw: Path, pattern: str) -> list[Path]:
    return sorted(path for path in raw.glob(pattern) if path.is_file())


def _archives(raw: Path, pattern: str) -> list[Path]:
    """Archives that hold a file of this name, and those that can't be read: reading the dataset says why."""
    outer, _, inner = pattern.partition(".zip/")
    expression, found = _expression(inner), []
    for path in _files(raw, f"{outer}.zip"):
        try:
            if not any(map(expression.fullmatch, _members(path))):
                continue
        except DataError:
            pass
        found.append(path)
    return found


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """A glob pattern as a regular expression; "{item}" becomes the group `item`, which is as short as can be."""
    parts = {"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]", "{item}": "(?P<item>[^/]+?)"}
    split = re.split(r"(\*\*/|\*|\?|\{item\})", pattern)
    first = split.index("{item}") if "{item}" in split else -1
    return re.compile(
        "".join(
            "(?P=item)" if part == "{item}" and i != first else parts.get(part, re.escape(part))
            for i, part in enumerate(split)
        )
    )


def _members(path: Path) -> tuple[str, ...]:
    """Names of the files in a zip archive.

    Raises:
        DataError: it can't be read.
    """
    stat = path.stat()
    return _listing(path, stat.st_size, stat.st_mtime_ns)


@cache
def _listing(path: Path, size: int, modified: int) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(member for member in archive.namelist() if not member.endswith("/"))
    except Exception as error:  # zipfile raises half a dozen kinds on bytes that are no archive
        raise DataError(f"{path}: not a readable zip archive ({error}); replace it by a whole copy") from error


class RawFiles:
    """The files that `locate` finds and those inside its archives, by name: "<path>" or "<archive>/<member>"."""

    def __init__(self, raw: Path, alternatives: tuple[tuple[str, ...], ...], **params: Any) -> None:
        self._place: dict[str, tuple[Path, str | None]] = {}
        for path in locate(raw, alternatives, **params):
            if path.suffix != ".zip":
                self._place[path.as_posix()] = path, None
                continue
            self._place.update({f"{path.as_posix()}/{member}": (path, member) for member in _members(path)})

    def one(self, *endings: str) -> str:
        """Name of the only file whose path ends with this pattern ("labels/combined_windows.json", "*_TEST.tsv").

        Of several patterns the first one counts that matches anything.
        """
        matches = [sorted(n for n in self._place if fnmatchcase(n, f"*/{ending}")) for ending in endings]
        found = next(filter(None, matches), [])
        if len(found) != 1:
            where, wanted = ", ".join(sorted({str(path) for path, _ in self._place.values()})[:3]), " or ".join(endings)
            if not found:
                raise DataError(f"{where}: no file named {wanted}; this copy is incomplete, so add what is missing")
            raise DataError(f"{where}: {len(found)} files named {wanted} ({', '.join(found[:3])}); keep one")
        return found[0]

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """The file, for as long as it takes to read it piece by piece."""
        path, member = self._place[name]
        try:
            if member is None:
                with path.open("rb") as stream:
                    yield stream
            else:
                with zipfile.ZipFile(path) as archive:
                    info = archive.getinfo(member)
                    if info.file_size > max(LARGEST_EXPANSION * info.compress_size, SMALL):
                        raise DataError(
                            f"{name}: unpacks to over {LARGEST_EXPANSION} times its size; "
                            "it is refused, replace it by a whole copy"
                        )
                    with archive.open(member) as stream:
                        yield stream
        except BROKEN_ARCHIVE as error:
            raise DataError(f"{name}: can't be read ({error}); replace it by a whole copy") from error

    def read(self, name: str) -> bytes:
        """The file's bytes."""
        with self.open(name) as stream:
            return stream.read()
