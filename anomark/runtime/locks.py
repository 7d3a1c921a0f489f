"""One process at a time makes a thing, and what a dead one left of it is known as such and goes.

A lock is a file that its holder has open under the operating system's lock (flock). The system takes the lock away when
the process ends, however it ends, so a file that nobody holds is left from a dead one. The name of the host or the
number of the process would not tell: both can be another's by now.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from anomark.files import locked, partial_name

_POLL = 0.2  # seconds between two looks at a lock that another process holds

_unlocked: set[Path] = set()  # folders that were said to know no locks


@contextlib.contextmanager
def making(target: Path, what: str) -> Iterator[Path]:
    """Be the only process that makes the file or folder `target`; wait while another one does.

    Look again for `target` inside: the other process may have made it. What dead processes left of it is removed.

    Args:
        what: what is made, for the sentence of those who wait.

    Yields:
        An empty folder beside `target` to work in, which is removed afterwards.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with holding(_lock_of(target), what) as alone:
        if alone:
            for leftover in target.parent.glob(f".{_escaped(target.name)}.*.tmp"):
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
        work = partial_name(target)
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def holding(lock: Path, what: str) -> Iterator[bool]:
    """Hold a lock file, which is there only meanwhile; wait while another process holds it, and say so once.

    Args:
        what: what it is held for, for the sentence of those who wait.

    Yields:
        Whether the lock is held. It isn't where the file system knows no locks, which is said once a folder.
    """
    said = False
    try:
        while (stream := locked(lock)) is None:
            if not said:
                print(f"anomark: waiting for {_holder(lock)} to end; Ctrl-C gives up", file=sys.stderr, flush=True)
            said = True
            time.sleep(_POLL)
    except NotImplementedError:
        if lock.parent not in _unlocked:
            _unlocked.add(lock.parent)
            print(
                f"anomark: {lock.parent}: this file system knows no locks: two runs at once may do the same work twice",
                file=sys.stderr,
            )
        yield False
        return
    with stream:
        with contextlib.suppress(OSError):  # a full disk: only the sentence of those who wait is poorer
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            stream.truncate(0)
            stream.write(f"{what} (process {os.getpid()} on {socket.gethostname()}, since {since})")
            stream.flush()
        try:
            yield True
        finally:
            lock.unlink(missing_ok=True)  # before it is let go, so that nobody takes a file that is about to vanish


def sweep(*roots: Path) -> int:
    """Remove what dead processes left below these folders, and return how much it was.

    That is partial files, work folders and lock files. What belongs to a live process stays, and so do checkpoints,
    from which an interrupted fit goes on.
    """
    removed = 0
    for root in roots:
        for place, folders, files in os.walk(root):
            hidden = [Path(place, name) for name in [*folders, *files] if name.startswith(".")]
            for path in hidden:
                if path.suffix == ".tmp":
                    removed += _swept_folder(path) if path.is_dir() else _swept_file(path)
            for path in hidden:
                if path.suffix == ".lock":
                    removed += _swept_file(path)
    return removed


def _swept_file(path: Path) -> bool:
    try:
        stream = locked(path, create=False)
    except (OSError, NotImplementedError):
        return False
    if stream is None:
        return False
    with stream:
        path.unlink(missing_ok=True)
    return True


def _swept_folder(path: Path) -> bool:
    name = path.name[1:].rsplit(".", 2)[0]
    try:
        stream = locked(_lock_of(path.with_name(name)))
    except (OSError, NotImplementedError):
        return False
    if stream is None:
        return False
    with stream:
        shutil.rmtree(path, ignore_errors=True)
        _lock_of(path.with_name(name)).unlink(missing_ok=True)
    return True


def _lock_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.lock")


def _holder(lock: Path) -> str:
    with contextlib.suppress(OSError):
        if text := lock.read_text(encoding="utf-8", errors="replace"):
            return text
    return "another process at the same work"


def _escaped(name: str) -> str:
    """A name that a glob pattern takes literally."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
