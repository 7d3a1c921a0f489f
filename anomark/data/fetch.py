"""The owners' files, from the owners' servers into the data folder: resumed, checked, and there whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import re
import shutil
import stat
import tarfile
import time
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, Any

import pooch
import requests
import urllib3
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from tqdm import tqdm

from anomark.contracts import UNPRINTABLE, AnomarkError, DataError, nearest
from anomark.files import read_yaml, replacing

#: What was fetched, in the data folder: {path: {url, sha256, files}}.
RECEIPTS = ".fetched.json"
UNVERIFIED = "unverified"
#: Tries in a row that brought no byte before a server is given up, and the pause after them, doubled each time.
TRIES, PAUSE, LONGEST_PAUSE = 6, 1.0, 60.0  # seconds
TIMEOUT = 30  # seconds without an answer
CHUNK = 1 << 18  # bytes
#: An archive may unpack to so many times its size: images and npy shrink by less, a bomb by thousands.
LARGEST_EXPANSION = 100
LONGEST_NAME = 255  # bytes of a file's or folder's name, which is what file systems take

pooch.get_logger().setLevel(logging.WARNING)


def _stays_inside(name: str) -> bool:
    """Whether a path of a manifest or an archive, relative to a folder, names something below that folder."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    stays = bool(parts) and parts[0] != "/" and ".." not in parts and ":" not in parts[0] and not _STRANGE.search(name)
    return stays and all(len(part.encode(errors="surrogatepass")) <= LONGEST_NAME for part in parts)


def _inside(path: str) -> str:
    if not _stays_inside(path):
        raise ValueError(f"{path!r} leads out of the data folder, or is no name; give a path below it")
    return path


_STRANGE = re.compile(f"[{UNPRINTABLE}]")
Inside = Annotated[str, AfterValidator(_inside)]
#: The data folder itself, or one below it.
Folder = Annotated[str, AfterValidator(lambda path: path if path == "." else _inside(path))]


class Receipt(BaseModel):
    """What was fetched: from where, its sha256, and that of every file it was unpacked to."""

    url: str
    sha256: str
    files: dict[Inside, str]


_RECEIPTS = TypeAdapter(dict[str, Receipt])


class RemoteFile(BaseModel):
    """One file of an owner."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    mirrors: list[str] = []
    path: Inside
    unpack: Folder | None = None
    #: Folders of an archive, any of which says that it need not be fetched: a copy may have been put there by hand.
    brings: list[Inside] = []
    sha256: str = Field(pattern=r"^([0-9a-f]{64}|unverified)$")
    size: int = Field(gt=0)

    @property
    def name(self) -> str:
        """What it is called among the files of its source."""
        return PurePosixPath(self.path).name.partition(".")[0]


class Source(BaseModel):
    """What one owner hands out, and on which terms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    families: list[str]
    version: str
    licence: str
    allows: str
    form: bool
    files: list[RemoteFile]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def read_manifest(path: Path) -> dict[str, Source]:
    """The sources of a manifest, by name.

    Raises:
        AnomarkError: one sentence that names the file and the entry.
    """
    try:
        return {name: Source.model_validate(entry) for name, entry in read_yaml(path).items()}
    except ValidationError as error:
        first = error.errors()[0]
        raise AnomarkError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def choose(sources: dict[str, Source], names: Collection[str]) -> dict[str, Source]:
    """The sources that bear one of the names or hold a family of that name, and single files such as `mvtec-bottle`.

    Without names all sources are meant.

    Raises:
        AnomarkError: nothing is called so.
    """
    chosen: dict[str, Source] = {}
    known: set[str] = set()
    for key, source in sources.items():
        files = {f"{key}-{file.name}": file for file in source.files}
        known |= {key, *source.families, *files}
        if not names or {key, *source.families} & set(names):
            chosen[key] = source
        elif some := [file for name, file in files.items() if name in names]:
            chosen[key] = source.model_copy(update={"files": some})
    for name in names:
        if name not in known:
            raise AnomarkError(f"nothing is fetched for {name!r}; {nearest(name, sorted(known))}")
    return chosen


class Store:
    """A data folder, and the receipts of what was fetched into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            known = _RECEIPTS.validate_json((root / RECEIPTS).read_bytes())
            self.receipts: dict[str, dict[str, Any]] = {path: receipt.model_dump() for path, receipt in known.items()}
        except FileNotFoundError:
            self.receipts = {}
        except (OSError, ValueError) as error:
            raise DataError(
                f"{root / RECEIPTS}: can't be read ({str(error).partition('[type')[0]}); delete it and fetch again"
            ) from error

    def has(self, file: RemoteFile) -> bool:
        """Whether the file was fetched, or lies in its place already."""
        receipt = self.receipts.get(file.path)
        if receipt is None:
            return any((self.root / place).exists() for place in (file.brings if file.unpack else [file.path]))
        return all((self.root / name).is_file() for name in receipt["files"])

    def fetch(self, file: RemoteFile, *, offline: bool = False, progress: bool = True) -> str:
        """Bring one file here; "here" where it is already, else what its sha256 is and how sure that is.

        Raises:
            DataError: it can't be had, isn't what was promised, or can't be stored. What was there stays as it was.
        """
        if self.has(file):
            return "here"
        if offline:
            raise DataError(f"{self.root / file.path}: not here, and offline; get it from {file.url}")
        errors = []
        for url in (file.url, *file.mirrors):
            try:
                return self._fetch_from(url, file, progress)
            except DataError as error:
                errors.append(str(error))
            except OSError as error:
                reason = error.strerror or error
                raise DataError(f"{self.root / file.path}: can't be stored ({reason}); make room and go on") from error
        raise DataError("; ".join(errors))

    def _fetch_from(self, url: str, file: RemoteFile, progress: bool) -> str:
        target = self.root / file.path
        known = None if file.sha256 == UNVERIFIED else file.sha256
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            pooch.retrieve(
                url,
                known_hash=known,
                fname=target.name,
                path=target.parent,
                downloader=_Resuming(target.with_name(f".{target.name}.part"), progress),
            )
        except ValueError as error:  # pooch has compared the checksums
            raise DataError(f"{url}: wrong content ({error}); nothing of it was kept") from error
        _refuse_web_page(target, url)
        sha = _sha256(target)
        files = [file.path]
        if file.unpack is not None:
            try:
                files = unpack(target, self.root, file.unpack)
            finally:
                target.unlink()
        self.receipts[file.path] = {"url": url, "sha256": sha, "files": {n: _sha256(self.root / n) for n in files}}
        with replacing(self.root / RECEIPTS) as partial:
            partial.write_text(json.dumps(self.receipts, indent=1, sort_keys=True))
        return f"sha256 {sha}, {'as promised' if known else 'recorded: nobody has verified it'}"

    def can_verify(self, file: RemoteFile) -> bool:
        """Whether a file is here and its checksum is known; an archive that was unpacked by hand has none."""
        return file.path in self.receipts or (file.unpack is None and self.has(file))

    def verify(self, file: RemoteFile) -> list[str]:
        """What is wrong with a fetched file, one sentence each; empty where all is as it was fetched."""
        receipt = self.receipts.get(file.path)
        if receipt is None:
            known = {} if file.sha256 == UNVERIFIED or file.unpack is not None else {file.path: file.sha256}
        else:
            known = receipt["files"]
        wrong = []
        for name, sha in known.items():
            if not (self.root / name).is_file():
                wrong.append(f"{self.root / name}: missing; fetch it again")
            elif (found := _sha256(self.root / name)) != sha:
                wrong.append(f"{self.root / name}: sha256 is {found}, expected {sha}; delete it and fetch it again")
        return wrong


class _Resuming:
    """A downloader for pooch that goes on where a broken connection, or an earlier run, stopped."""

    def __init__(self, part: Path, progress: bool) -> None:
        self.part, self.tag, self.progress = part, part.with_suffix(".etag"), progress

    def __call__(self, url: str, output_file: str, _: Any) -> None:
        failures = 0
        with tqdm(desc=Path(url).name, unit="B", unit_scale=True, disable=not self.progress) as bar:
            while True:
                before = self._have
                try:
                    self._request(url, bar)
                    break
                except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                    status = getattr(getattr(error, "response", None), "status_code", 500)
                    failures = 0 if self._have > before else failures + 1
                    if failures >= TRIES or (400 <= status < 500 and status not in (408, 416, 429)):
                        raise DataError(f"{url}: can't be fetched ({error}); try again later, it goes on") from error
                    time.sleep(min(PAUSE * 2**failures, LONGEST_PAUSE))
        self.part.replace(output_file)
        self.tag.unlink(missing_ok=True)

    @property
    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _request(self, url: str, bar: tqdm) -> None:
        """One connection: append what the server gives, or start over where it won't go on or has another file."""
        headers = {"Accept-Encoding": "identity"}
        if have := self._have:
            headers["Range"] = f"bytes={have}-"
            if tag := self.tag.read_text() if self.tag.exists() else "":
                headers["If-Range"] = tag
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if response.status_code == 416:  # nothing behind what we have: it is another file, or all of it
                self.part.unlink()
            response.raise_for_status()
            resumed = response.status_code == 206
            self.tag.write_text(response.headers.get("ETag") or response.headers.get("Last-Modified") or "")
            missing = int(response.headers.get("Content-Length", -1))
            have = have if resumed else 0
            bar.total, bar.n = (have + missing if missing >= 0 else None), have
            with self.part.open("ab" if resumed else "wb") as stream:
                while chunk := response.raw.read1(CHUNK):  # what has come, however little, before the line breaks
                    stream.write(chunk)
                    bar.update(len(chunk))
        if missing >= 0 and self._have < have + missing:
            raise requests.ConnectionError(f"{self._have} of {have + missing} bytes came")


def unpack(archive: Path, root: Path, folder: str) -> list[str]:
    """Unpack a zip or tar archive below `root/folder`; only plain files with harmless names, and of bounded size.

    Returns:
        The files' paths relative to `root`.

    Raises:
        DataError: the archive is broken, or holds a link, a name that leads elsewhere, or far more than it should.
    """
    work = root / f".{archive.name}.{os.getpid()}.tmp"
    left = LARGEST_EXPANSION * archive.stat().st_size
    names: list[str] = []
    try:
        with _members(archive) as members:
            for name, plain, size, stream in members:
                parts = PurePosixPath(name.replace("\\", "/")).parts
                if not plain or not _stays_inside(name):
                    raise DataError(f"{archive}: {name!r} is a link or leads out of the folder; the archive is refused")
                if Path(folder, *parts).as_posix() in names:
                    raise DataError(f"{archive}: {name!r} is in it twice; the archive is refused")
                left -= size
                if left < 0:
                    raise DataError(f"{archive}: unpacks to over {LARGEST_EXPANSION} times its size; it is refused")
                target = work.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with stream, target.open("wb") as out:
                    shutil.copyfileobj(stream, out)
                names.append(Path(folder, *parts).as_posix())
        if not names:
            raise DataError(f"{archive}: an archive without files; fetch it again")
        for name in names:
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (work / Path(name).relative_to(folder)).replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return names


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[tuple[str, bool, int, IO[bytes]]]]:
    """(name, whether it is a plain file, size, stream) of what an archive holds, folders left out."""

    def of_zip(source: zipfile.ZipFile) -> Iterator[tuple[str, bool, int, IO[bytes]]]:
        for info in source.infolist():
            if not info.is_dir():
                yield info.filename, not stat.S_ISLNK(info.external_attr >> 16), info.file_size, source.open(info)

    def of_tar(source: tarfile.TarFile) -> Iterator[tuple[str, bool, int, IO[bytes]]]:
        for info in source:
            if not info.isdir():
                stream = source.extractfile(info) if info.isfile() else None
                yield info.name, stream is not None, info.size, stream or io.BytesIO()

    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as from_zip:
                yield of_zip(from_zip)
        else:
            with tarfile.open(archive) as from_tar:
                yield of_tar(from_tar)
    except (AnomarkError, OSError):  # what is wrong is said already; the disk is full
        raise
    except Exception as error:  # zipfile, tarfile and what they unpack with raise a dozen kinds on damaged bytes
        raise DataError(f"{archive}: not a readable archive ({error}); fetch it again") from error


def _refuse_web_page(path: Path, url: str) -> None:
    """A page in the place of a file is how owners ask for a form, and how servers say that a link is dead."""
    with path.open("rb") as stream:
        head = stream.read(1024).lstrip().lower()
    if not head or head.startswith((b"<!doctype html", b"<html")):
        path.unlink()
        what = "a web page" if head else "0 bytes"
        raise DataError(f"{url}: gave {what} instead of {path.name}; open it in a browser, it may want a form")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
