"""What a process that runs a method may touch: an audit hook that refuses the rest.

A method gets the arrays of its own dataset, and the weights of f where it asks for them. While it runs, it may not open
what is private to the benchmark (labels, evaluations, reports, other cells, the owners' files), write outside of the
folders that are its own, reach a network, or start another program. Python reports such acts as audit events before
they happen (PEP 578), whichever library asks for them.

What compiled code does without asking Python is not seen: a library that opens files by itself, such as h5py, or a
function that is called through ctypes. Nor is Python's own memory protected from the method. The hook stops whatever
looks where it must not; it is no prison for a program that is written to break out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from anomark.contracts import AnomarkError
from anomark.suite.dropins import ROOT

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Files of the system that can be written to and keep nothing.
_SINKS = ("/dev/null", "/dev/tty")
#: Variables by which libraries are told where to cache. torch sets one as soon as it is asked, for its children too.
_CACHES = ("TMPDIR", "XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
#: Programs by which libraries ask about the machine. They don't run, but nobody is blamed: libraries do without them.
_ASKED = ("fc-list", "ldconfig", "lscpu", "sysctl", "uname")


def own_caches(folder: Path) -> dict[str, str]:
    """Variables by which libraries keep their temporary files and caches in a folder that goes with the process."""
    return dict.fromkeys(_CACHES, str(folder))


class Forbidden(AnomarkError):
    """A method tried what the protocol forbids; the cell's outcome is `forbidden`."""


class Isolation:
    """What one method may touch.

    Where folders lie in each other, the innermost that is named decides. What lies in none of them may be read and not
    be written to.

    Args:
        private: folders and files that may not be opened.
        own: those that may be read, wherever they lie.
        writable: folders that may be read and written to.
        refused: told in a sentence what was tried, at each attempt. `Forbidden` is raised once it returns.
    """

    def __init__(
        self,
        private: Iterable[str | Path],
        own: Iterable[str | Path],
        writable: Iterable[str | Path],
        refused: Callable[[str], object],
    ) -> None:
        self._refused = refused
        code = _code()
        rights = dict.fromkeys(map(os.path.realpath, private), "")
        rights |= dict.fromkeys(map(os.path.realpath, code), "r")  # where the owners' files lie beside the libraries
        rights |= dict.fromkeys(map(os.path.realpath, own), "r")
        rights |= dict.fromkeys((*map(os.path.realpath, writable), *_SINKS), "rw")
        self._rights = rights
        # Imports open thousands of files. In a folder of code that holds nothing else, no link has to be followed.
        others = [f"{path}{os.sep}" for path, right in rights.items() if right != "r"]
        self._plain = tuple(
            prefix
            for folder in code
            if not any(other.startswith(os.path.realpath(folder) + os.sep) for other in others)
            for prefix in {folder + os.sep, os.path.realpath(folder) + os.sep}
        )
        self._checks: dict[str, Callable[..., None]] = {
            "open": self._open,
            **dict.fromkeys(("os.listdir", "os.scandir", "os.chdir", "os.getxattr", "os.listxattr"), self._read),
            **dict.fromkeys(("os.truncate", "os.setxattr", "os.removexattr", "sqlite3.connect"), self._change),
            **dict.fromkeys(("os.chmod", "os.chown", "os.utime"), self._change_at),
            **dict.fromkeys(("os.remove", "os.rmdir"), self._name_at),
            "os.mkdir": self._mkdir,
            **{"os.rename": self._rename, "os.link": self._link, "os.symlink": self._symlink},
            **dict.fromkeys(("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"), self._socket),
            **dict.fromkeys(("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"), self._network),
            **dict.fromkeys(("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"), self._program),
        }

    def check(self, event: str, args: tuple[Any, ...]) -> None:
        """Look at one audit event.

        Raises:
            Forbidden: the event is one that the method must not cause.
        """
        if look := self._checks.get(event):
            look(*args)

    # -- files --------------------------------------------------------------------------------------------------------

    def _open(self, path: Any, mode: Any, flags: int) -> None:
        right = "w" if flags & _WRITES else "r"
        if isinstance(path, str) and right == "r" and path.startswith(self._plain) and "/../" not in path:
            return
        if mode is None and not isinstance(path, int) and not os.path.isabs(path):
            # os.open doesn't tell at which folder a relative path begins.
            for folder in _open_folders():
                self._require(right, os.path.join(folder, os.fsdecode(path)))
        self._require(right, path)

    def _read(self, path: Any, *_: Any) -> None:
        self._require("r", "." if path is None else path)

    def _change(self, path: Any, *_: Any) -> None:
        if path not in (":memory:", ""):  # of sqlite
            self._require("w", path)

    def _change_at(self, path: Any, *more: Any) -> None:
        self._require("w", path, more[-1])

    def _name_at(self, path: Any, *more: Any) -> None:
        self._require("w", path, more[-1], follow=False)

    def _mkdir(self, path: Any, mode: int, folder: int) -> None:
        if not os.path.isdir(_absolute(path, folder)):  # else nothing comes of it
            self._require("w", path, folder, follow=False)

    def _rename(self, old: Any, new: Any, old_folder: int, new_folder: int) -> None:
        self._require("w", old, old_folder, follow=False)
        self._require("w", new, new_folder, follow=False)

    def _link(self, old: Any, new: Any, old_folder: int, new_folder: int) -> None:
        self._require("w", old, old_folder)  # what is written to the new name changes the old one
        self._require("w", new, new_folder, follow=False)

    def _symlink(self, target: Any, link: Any, folder: int) -> None:
        self._require("w", link, folder, follow=False)
        # Others that write to the link later would write to its target.
        self._require("w", os.path.join(os.path.dirname(_absolute(link, folder)), os.fsdecode(target)))

    def _require(self, right: str, path: Any, folder: int = -1, follow: bool = True) -> None:
        """Refuse what is done with a path without that right, "r" or "w".

        Args:
            folder: the handle of the folder that a relative path begins at, or -1 for the current folder.
            follow: whether a link stands for its target.
        """
        if isinstance(path, int):  # a handle: it was looked at when it was opened
            return
        path = _absolute(path, folder)
        if follow:
            real = os.path.realpath(path)
        else:
            real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if right not in self._right(real):
            self._refuse(f"it tried to {'open' if right == 'r' else 'write to'} {real!r}, which is not its own")

    def _right(self, real: str) -> str:
        """What may be done with a file or folder: "", "r" or "rw"."""
        while real not in self._rights:
            above = os.path.dirname(real)
            if above == real:
                return "r"
            real = above
        return self._rights[real]

    # -- network and programs -----------------------------------------------------------------------------------------

    def _socket(self, sock: Any, address: Any) -> None:
        if address is None:  # one that is connected
            return
        if sock.family == socket.AF_UNIX:  # a file, by which processes of one program speak to each other
            self._require("w", address)
        else:
            self._network(address)

    def _network(self, address: Any, *_: Any) -> None:
        self._refuse(f"it tried to reach the network ({address!r:.100})")

    def _program(self, program: Any, arguments: Any = None, *_: Any) -> None:
        if isinstance(program, str) and os.path.basename(program) in _ASKED:
            raise PermissionError(errno.EPERM, "not while a method runs", program)
        self._refuse(f"it tried to start another program ({arguments or program!r:.100})")

    def _refuse(self, what: str) -> None:
        self._refused(what)
        raise Forbidden(what)


class _Hook:
    """The one audit hook of this process. It can't be removed, so it is told what to hold the process to."""

    def __init__(self) -> None:
        self.holds: Isolation | None = None
        self._installed = False

    def install(self) -> None:
        if not self._installed:
            self._installed = True
            sys.addaudithook(self)
            _audit_multiprocessing()

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if self.holds:
            self.holds.check(event, args)


_HOOK = _Hook()


def isolate(isolation: Isolation) -> None:
    """Hold this process, with all its threads and whatever it forks, to what it may touch as long as it lives."""
    _HOOK.install()
    # What a method has compiled would run in other processes too, where nothing holds it.
    sys.dont_write_bytecode, _HOOK.holds = True, isolation


@contextlib.contextmanager
def isolated(isolation: Isolation) -> Iterator[None]:
    """Hold this process to what it may touch until the block ends."""
    bytecode = sys.dont_write_bytecode
    isolate(isolation)
    try:
        yield
    finally:
        sys.dont_write_bytecode, _HOOK.holds = bytecode, None


def _audit_multiprocessing() -> None:
    """Report the programs that multiprocessing starts as Python reports all others."""
    import _posixsubprocess

    start = _posixsubprocess.fork_exec

    def reported(args: Any, executables: Any, *more: Any) -> int:
        sys.audit("subprocess.Popen", executables, args, None, None)
        return start(args, executables, *more)

    _posixsubprocess.fork_exec = reported


def _code() -> list[str]:
    """The folders that Python and this project are imported from."""
    folders = {sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), str(ROOT), *sys.path}
    return sorted(folder for folder in map(os.path.abspath, filter(None, folders)) if os.path.isdir(folder))


def _absolute(path: Any, folder: int = -1) -> str:
    name = os.fsdecode(path)
    if os.path.isabs(name):
        return name
    return os.path.join(os.getcwd() if folder in (-1, None) else os.readlink(f"/proc/self/fd/{folder}"), name)


def _open_folders() -> Iterator[str]:
    """The folders that this process has handles of."""
    for handle in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.path.isdir(folder := os.readlink(f"/proc/self/fd/{handle}")):
                yield folder
