"""A cell whose process is forked from a server ends as one whose process is started anew, and no later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from anomark.records import Cell
from anomark.runtime import forkserver
from anomark.runtime.supervisor import run_cell
from anomark.suite_records import Limits
from tests.samples import planned_cell
from tests.unit.test_cell import EXPECTED, METHODS, OTHERS, assert_stored, misbehave

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="servers are started on Linux alone")
OTHERS["names_its_parent"] = "import os; print('parent', os.getppid()); return np.zeros(len(X))"
OTHERS["leaves_a_thread"] = (
    "import threading, time\n        threading.Thread(target=time.sleep, args=(60,)).start()\n"
    "        return np.zeros(len(X))"
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A checkout and the server of a run in it."""
    from tests.conftest import Checkout

    copy = Checkout(tmp_path_factory.mktemp("served")).path
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        server = _serve(copy, patch)
        yield copy, server
        server.kill()
        server.wait()


@pytest.fixture
def forks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no process be started anew."""

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("the server did not answer")

    monkeypatch.setattr(psutil, "Popen", fail)


def _serve(copy: Path, patch: pytest.MonkeyPatch) -> subprocess.Popen[bytes]:
    patch.setattr(forkserver, "ROOT", copy)
    for name in ("PATH", forkserver._VARIABLE):
        patch.setenv(name, os.environ.get(name, ""))
    patch.setenv("PYTHONPATH", str(copy))
    plan: Any = SimpleNamespace(suite=SimpleNamespace(device="cpu", threads=1), cells=[SimpleNamespace(exists=False)])
    server = forkserver.serve(copy, plan)
    assert server
    patch.setenv("PYTHONPATH", str(copy))  # a run whose own code is this copy's would leave it so
    while not (copy / "forkserver").exists():
        assert server.poll() is None
        time.sleep(0.05)
    return server


def _cell(copy: Path, name: str, seed: int = 0) -> Cell:
    misbehave(copy, name)
    return planned_cell(copy, "bad", folder=str(copy / f"results/cells/mine/{name}/{seed}-0"))


@pytest.mark.usefixtures("forks_alone")
@pytest.mark.parametrize("name", METHODS)
def test_every_ending_is_the_same_outcome(served: tuple[Path, Any], name: str) -> None:
    cell = _cell(served[0], name)
    record = run_cell(cell, Limits(seconds=8 if name == "sleeps" else 60, memory_gb=1))
    status, words = EXPECTED[name]
    words = words.replace("limit of 3 s", "limit of 8 s").replace("limit is 0.3", "limit is 1")
    assert record.status == status and words in record.reason, record
    assert_stored(cell, record, good=name == "good")


def test_it_is_the_servers_child(served: tuple[Path, subprocess.Popen[bytes]]) -> None:
    record = run_cell(_cell(served[0], "names_its_parent"), Limits(seconds=60, memory_gb=1))
    assert record.status == "done" and f"parent {served[1].pid}" in record.log, record


@pytest.mark.usefixtures("forks_alone")
def test_what_a_method_leaves_running_delays_nothing(served: tuple[Path, Any]) -> None:
    started = time.monotonic()
    record = run_cell(_cell(served[0], "leaves_a_thread"), Limits(seconds=60, memory_gb=1))
    assert record.status == "done" and time.monotonic() - started < 30, record


def test_the_bits_are_those_of_a_process_of_its_own(served: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    (served[0] / "methods/forest.py").write_text("from sklearn.ensemble import IsolationForest as Method\n")
    stored = []
    for how in ("forked", "started"):
        misbehave(served[0], "good")
        cell = planned_cell(served[0], "forest", folder=str(served[0] / f"results/cells/mine/forest/{how}"))
        if how == "started":
            monkeypatch.delenv(forkserver._VARIABLE)
        assert run_cell(cell, Limits(seconds=60, memory_gb=1)).status == "done"
        stored.append([Path(cell.folder, name).read_bytes() for name in ("scores.npz", "model.skops")])
    assert stored[0] == stored[1]


def _started(copy: Path, name: str) -> forkserver.Forked:
    """The process of a cell that nobody supervises."""
    work = copy / f"work-{name}"
    work.mkdir()
    _cell(copy, name).save(work / "cell.json")
    process = forkserver.start([str(work), "cpu"], work, {"PATH": os.environ["PATH"]})
    assert isinstance(process, forkserver.Forked)
    return process


def _gone(pid: int) -> bool:
    for _ in range(50):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def test_it_ends_with_whoever_asked_for_it(served: tuple[Path, Any]) -> None:
    process = _started(served[0], "sleeps")
    assert process.poll() is None
    process._server.close()  # what the system does when a supervisor is killed
    assert _gone(process.pid)


@pytest.mark.parametrize("what", ["python", "code"])
def test_no_server_answers_for_another_python_or_code(
    served: tuple[Path, Any], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = forkserver._this_python()
    monkeypatch.setattr(forkserver, "_this_python", lambda: own | {what: "/another"})
    work = served[0] / f"another-{what}"
    work.mkdir()
    process = forkserver.start([str(work), "cpu"], work, {"PATH": os.environ["PATH"]})
    assert isinstance(process, psutil.Popen)
    process.kill()
    process.wait()


def test_a_server_that_dies_takes_its_cell_with_it_and_the_cell_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from tests.conftest import Checkout

    copy = Checkout(tmp_path).path
    OTHERS["kills_its_parent_once"] = (
        "import os, pathlib, time\n        mark = pathlib.Path(os.environ['TMPDIR'], 'mark')\n"
        "        if not mark.exists():\n            mark.touch(); os.kill(os.getppid(), 9); time.sleep(60)\n"
        "        return np.zeros(len(X))"
    )
    monkeypatch.chdir(copy)
    server = _serve(copy, monkeypatch)
    record = run_cell(_cell(copy, "kills_its_parent_once"), Limits(seconds=60, memory_gb=1))
    assert server.wait() == -signal.SIGKILL
    assert record.status == "done" and "started again" in capfd.readouterr().err, record
