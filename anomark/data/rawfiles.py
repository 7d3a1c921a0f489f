"""The owner's files of a dataset, whether they lie in folders or in a zip archive."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

from anomark.contracts import DataError


def locate(raw: Path, alternatives: tuple[tuple[str, ...], ...], **params: Any) -> list[Path]:
    """Files of the first alternative all of whose patterns match something; a dataset is read from these alone.

    Args:
        raw: the data root.
        alternatives: `FILES` of the dataset: glob patterns relative to `raw`, "{name}" standing for a parameter.

    Raises:
        DataError: no alternative is complete.
    """
    wanted = [[pattern.format(**params) for pattern in patterns] for patterns in alternatives]
    for patterns in wanted:
        found = [sorted(path for path in raw.glob(pattern) if path.is_file()) for pattern in patterns]
        if all(found):
            return [path for paths in found for path in paths]
    expected = ", or ".join(" with ".join(patterns) for patterns in wanted)
    raise DataError(f"{raw}: the dataset's files are not here; expected {expected}")


class RawFiles:
    """Files by name, "<path>" or "<archive>/<member>"; what `locate` finds, with archives opened."""

    def __init__(self, raw: Path, alternatives: tuple[tuple[str, ...], ...], **params: Any) -> None:
        self._place: dict[str, tuple[Path, str | None]] = {}
        for path in locate(raw, alternatives, **params):
            if path.suffix != ".zip":
                self._place[path.as_posix()] = path, None
                continue
            try:
                with zipfile.ZipFile(path) as archive:
                    members = [member for member in archive.namelist() if not member.endswith("/")]
            except (zipfile.BadZipFile, OSError) as error:
                raise DataError(f"{path}: not a readable zip archive ({error}); fetch it again") from error
            self._place.update({f"{path.as_posix()}/{member}": (path, member) for member in members})

    def one(self, *endings: str) -> str:
        """Name of the only file whose path ends with this pattern ("labels/combined_windows.json", "*_TEST.tsv").

        Of several patterns the first that matches anything counts.
        """
        matches = [sorted(n for n in self._place if fnmatchcase(n, f"*/{ending}")) for ending in endings]
        found = next(filter(None, matches), [])
        if len(found) != 1:
            where, wanted = ", ".join(sorted({str(path) for path, _ in self._place.values()})[:3]), " or ".join(endings)
            if not found:
                raise DataError(f"{where}: no file named {wanted}; this copy is incomplete, fetch the whole dataset")
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
                with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
                    yield stream
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            RuntimeError,
        ) as error:  # RuntimeError: the member is encrypted
            raise DataError(f"{name}: cannot be read ({error}); fetch it again") from error

    def read(self, name: str) -> bytes:
        """The file's bytes."""
        with self.open(name) as stream:
            return stream.read()
