"""Starts the processes of cells with their libraries loaded, where loading them would take longer than the cell.

`python -m anomark.runtime.forkserver <socket>` loads the libraries, and then forks a process at each request. It runs
nothing of a method itself. A run of Snakemake starts one, which ends with the run. Where no server answers, `start`
starts Python anew, and the cell's result is the same bit for bit.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import psutil

from anomark.runtime import child
from anomark.runtime.fit_score import environment
from anomark.suite.dropins import ROOT, export
from anomark.suite.plan import Plan

#: What the processes of cells spend most time on loading. skops loads torch too, so most cells need all of it.
_LIBRARIES = (
    *(f"sklearn.{name}" for name in ("cluster", "covariance", "decomposition", "ensemble", "neighbors", "svm")),
    *("torch", "torch._dynamo", "torch._inductor.config", "torch.utils.flop_counter", "safetensors.torch"),
    *("scipy.stats", "pyod.models.base", "skops.io"),
)
_VARIABLE = "ANOMARK_FORKSERVER"  # the socket of this run's server
LOG = "log.txt"
_LOOK = 0.5  # seconds between two looks at whether the run is still there


# -- the run that has a server ---------------------------------------------------------------------------------------


def serve(folder: Path, plan: Plan) -> subprocess.Popen[bytes] | None:
    """Start the server of a run that has cells to compute, and let the jobs of this process know of it.

    Args:
        folder: where its socket lies; no other run uses it meanwhile.

    Returns:
        The server, which ends with this process; None where cells have to be started without one.
    """
    if not sys.platform.startswith("linux") or plan.suite.device != "cpu":  # a device's driver survives no fork
        return None
    (socket_file := folder.absolute() / "forkserver").unlink(missing_ok=True)
    if all(cell.exists for cell in plan.cells):
        return None
    variables = {name: value for name, value in os.environ.items() if not name.startswith("ANOMARK_")}
    server = subprocess.Popen(
        [sys.executable, "-m", __name__, str(socket_file)],
        env=variables | library_variables(plan.suite.threads) | {"ANOMARK_PARENT": str(os.getpid())},
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # what a user's Ctrl-C ends is the run; the server sees that and follows
    )
    export(**{_VARIABLE: str(socket_file)})
    return server


def library_variables(threads: int) -> dict[str, str]:
    """Variables that libraries read once, the same for every cell of a run."""
    # glibc gives large blocks back when they are freed, and each new one is paid for in page faults: a sixth of a step.
    allocator = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**63 - 1)}
    # Unbuffered, so that the log of a process that is killed tells how far it came.
    return environment(threads) | allocator | {"PYTHONUNBUFFERED": "1"}


# -- the supervisor, which has a process started ---------------------------------------------------------------------


class Forked:
    """A process that a server has forked, used as a `psutil.Popen` is."""

    def __init__(self, server: socket.socket, pid: int) -> None:
        self._server, self.pid = server, pid
        self._process = psutil.Process(pid)
        self._code: int | None = None

    def poll(self) -> int | None:
        with contextlib.suppress(psutil.TimeoutExpired):
            self.wait(0)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, or minus the signal that ended it; -SIGKILL if the server is gone, which it dies with."""
        if self._code is None:
            self._server.settimeout(timeout or (None if timeout is None else 1e-6))
            try:
                told = self._server.recv(64)
            except (TimeoutError, BlockingIOError):
                raise psutil.TimeoutExpired(timeout or 0, self.pid) from None
            except OSError:
                told = b""
            self._code = int(told) if told else -signal.SIGKILL
            self._server.close()
        return self._code

    def children(self, recursive: bool = False) -> list[psutil.Process]:
        return self._process.children(recursive)

    def memory_info(self) -> Any:
        return self._process.memory_info()


def start(arguments: Sequence[str], work: Path, variables: Mapping[str, str]) -> Forked | psutil.Popen:
    """Start the process of a cell in its folder `work`, where log.txt gets what it prints.

    Args:
        arguments: of `anomark.runtime.child`.
        variables: its whole environment.
    """
    if path := os.environ.get(_VARIABLE):
        request = {"arguments": arguments, "work": str(work), "variables": dict(variables), **_this_python()}
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            return _ask(Path(path), request)
    with (work / LOG).open("wb") as log:
        return psutil.Popen(
            [sys.executable, "-m", child.__name__, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=work,
            env={**variables, "ANOMARK_PARENT": str(os.getpid())},
            start_new_session=True,
        )


def _ask(path: Path, request: Mapping[str, Any]) -> Forked:
    with _short(path) as name:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            server.connect(name)
            server.sendall(json.dumps(request).encode())
            return Forked(server, int(server.recv(64)))
        except BaseException:
            server.close()
            raise


def _this_python() -> dict[str, str]:
    """Another Python, or another checkout's code, must not answer: a job may run in an environment of its own."""
    return {"python": sys.executable, "code": str(ROOT)}


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of `path` that a socket can have, which holds no more than 107 bytes."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


# -- the server --------------------------------------------------------------------------------------------------------


def main() -> None:
    path, run = Path(sys.argv[1]), int(os.environ["ANOMARK_PARENT"])
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with _short(path) as name:
        listener.bind(name)
    listener.listen(128)
    for library in _LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
    try:
        _Server(listener).run(run)
    finally:
        path.unlink(missing_ok=True)


class _Server:
    """Forks a process at each request, and tells whoever asked how it ended; who is gone has his process ended."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._asked: dict[int, socket.socket] = {}  # by the number of the process
        self._selector = selectors.DefaultSelector()
        # A child's end wakes the loop; its signal alone would not.
        self._bell, ringer = socket.socketpair()
        for end in (self._bell, ringer):
            end.setblocking(False)
        signal.set_wakeup_fd(ringer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._ends = (listener, self._bell, ringer)
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)

    def run(self, parent: int) -> None:
        while os.getppid() == parent:
            for key, _ in self._selector.select(_LOOK):
                if key.fileobj is self._listener:
                    connection, _ = self._listener.accept()
                    self._fork(connection)
                elif key.fileobj is self._bell:
                    self._bell.recv(4096)
                else:  # whoever asked says nothing more, so he is gone
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(key.data, signal.SIGKILL)
                    self._selector.unregister(key.fileobj)
            self._reap()

    def _fork(self, connection: socket.socket) -> None:
        request = json.loads(connection.recv(2**20) or b"{}")
        if {name: request.get(name) for name in ("python", "code")} != _this_python():
            connection.close()
            return
        try:
            pid = os.fork()
        except OSError:  # no memory, or too many processes: whoever asked starts one by itself
            connection.close()
            return
        if pid == 0:
            for end in (connection, *self._asked.values(), *self._ends):
                end.close()
            self._selector.close()
            _become(request)
        with contextlib.suppress(OSError):  # it does so too; whoever is first, its group is there before it is known
            os.setpgid(pid, pid)
        self._asked[pid] = connection
        self._selector.register(connection, selectors.EVENT_READ, pid)
        with contextlib.suppress(OSError):
            connection.sendall(str(pid).encode())

    def _reap(self) -> None:
        for pid in list(self._asked):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                connection = self._asked.pop(pid)
                with contextlib.suppress(KeyError):
                    self._selector.unregister(connection)
                with contextlib.suppress(OSError):
                    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
                connection.close()


def _become(request: Mapping[str, Any]) -> NoReturn:
    """Turn this fork into what `python -m anomark.runtime.child` would be, run it, and end."""
    code = 1
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(os.path.join(request["work"], LOG), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.close(log)
        os.chdir(request["work"])
        os.environ.clear()
        os.environ.update(request["variables"], ANOMARK_PARENT=str(os.getppid()))
        tempfile.tempdir = None  # a library may have asked for it already, and numba has read where to cache
        if numba := sys.modules.get("numba"):
            numba.core.config.reload_config()
        sys.path[0], sys.argv = request["work"], [child.__name__, *request["arguments"]]
        child.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush(), sys.stderr.flush()
        os._exit(code & 0xFF)


if __name__ == "__main__":
    main()
