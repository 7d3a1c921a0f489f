"""The sha256 of every stored file, written once the file is whole and compared whenever it is read.

A seal is a list in the format of coreutils, so that `sha256sum -c SHA256SUMS` checks a folder without this project. A
folder has the seal SHA256SUMS in it, a single file has the seal <file>.sha256 beside it. A comment in the last line of
a seal holds the sha256 of the lines above, so that a seal itself can't be changed or cut short unnoticed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from anomark.contracts import DataError
from anomark.files import partial_name, replacing

SUMS = "SHA256SUMS"
SUFFIX = ".sha256"
#: Folder below a root of stored files for what was damaged; it is hidden, and `anomark gc` empties it.
ASIDE = ".damaged"
_OWN = "# sha256 of the lines above: "


class Damaged(DataError):
    """A stored file is not what was written; `path` is that file, and `what` says what was found and expected."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: {what}; run snakemake, which makes it again")
        self.path, self.what = path, what


def beside(path: Path) -> Path:
    """The seal of a single file."""
    return path.with_name(path.name + SUFFIX)


def seal(path: Path, names: Iterable[str] | None = None) -> None:
    """Write the seal of a file, or of a folder: of the files `names` in it, or of all that are not hidden."""
    if not path.is_dir():
        root, target, names = path.parent, beside(path), [path.name]
    else:
        root, target = path, path / SUMS
        if names is None:
            names = [file.name for file in path.iterdir() if not file.name.startswith(".") and file.name != SUMS]
    lines = "".join(f"{_sha256(root / name)}  {name}\n" for name in sorted(names))
    with replacing(target) as partial:
        partial.write_text(f"{lines}{_OWN}{_digest(lines.encode())}\n", encoding="utf-8")


def verify(path: Path) -> None:
    """Compare a file, or every file of a folder, with its seal.

    Raises:
        Damaged: a file is missing or has other bytes, or the seal is missing or damaged.
    """
    if path.is_dir():
        for name, expected in _read(path / SUMS).items():
            _compare(path / name, _sha256(path / name), expected)
    else:
        _compare(path, _sha256(path), _expected(path))


def read(path: Path) -> bytes:
    """The bytes of a file, which are those that were sealed.

    Raises:
        Damaged: they are not, or there is no seal.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise Damaged(path, "the file is missing") from None
    _compare(path, _digest(content), _expected(path))
    return content


def publish(work: Path, folder: Path, names: Iterable[str] | None = None) -> None:
    """Seal the finished folder `work` and put it in the place of `folder`, which is there whole or not at all.

    Args:
        names: its files; None stands for all that lie in it and aren't hidden.
    """
    seal(work, names)
    folder.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            os.rename(work, folder)  # takes the place of an empty folder, but not of one that holds something
            return
        except OSError:
            if not any(folder.iterdir()):
                raise
        old = partial_name(folder)
        os.rename(folder, old)
        shutil.rmtree(old)


def set_aside(path: Path, root: Path, keep: bool = False) -> Path:
    """Move what is damaged, with its seal, to a folder below `root`, on whose file system it lies.

    Args:
        keep: leave it where it is too, until it is replaced, for processes that are about to read it.

    Returns:
        Where it is now.
    """
    target = root / ASIDE / f"{time.time_ns()}-{path.name}"  # flat, so that no pattern for cells meets it
    target.parent.mkdir(parents=True, exist_ok=True)
    for source, place in ((path, target), (beside(path), beside(target))):
        if not source.exists():
            continue
        if not keep:
            os.rename(source, place)
        elif source.is_dir():
            shutil.copytree(source, place)
        else:
            shutil.copy2(source, place)
    return target


def _expected(path: Path) -> str:
    """What the seal of one file says: its own seal, or else that of its folder."""
    own, shared = beside(path), path.parent / SUMS
    sums = _read(shared if shared.exists() and not own.exists() else own)
    if path.name not in sums:
        raise Damaged(path, "no seal names this file")
    return sums[path.name]


def _read(path: Path) -> dict[str, str]:
    """File name -> sha256 in hex of a seal, read strictly."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise Damaged(
            path, "the seal is missing, as of results of an older version or of a run that was stopped"
        ) from None
    lines, _, own = text.rpartition(_OWN.encode())
    if own != f"{_digest(lines)}\n".encode():
        raise Damaged(path, "the seal itself is damaged")
    return {name: sha for sha, name in (line.split("  ", 1) for line in lines.decode().splitlines())}


def _compare(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise Damaged(path, f"its sha256 is {found[:12]}..., expected {expected[:12]}... as it was written")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise Damaged(path, "the file is missing") from None
