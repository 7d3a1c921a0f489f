"""What a method may touch: planted cheats end as `forbidden`, whatever they do about it, and honest methods pass."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anomark import seals
from anomark.records import Cell, FitRecord, Meta
from anomark.runtime.isolation import Forbidden, Isolation, isolated
from anomark.runtime.supervisor import run_cell
from anomark.suite_records import Limits
from tests.conftest import Checkout
from tests.samples import planned_cell

#: What a cheat does in place of scoring; ROOT is the folder of its checkout.
CHEATS = {
    "reads_labels": "np.load('ROOT/results/labels/mine.npz')",
    "lists_labels": "os.listdir('ROOT/results/labels')",
    "walks_up": "open(os.path.join(os.getcwd(), '../../../../labels/mine.npz'), 'rb')",
    "swallows": "\n        try:\n            open('ROOT/results/labels/mine.npz')\n        except BaseException: pass",
    "by_a_thread": "import threading; t = threading.Thread(target=open, args=['ROOT/results/labels/mine.npz']);"
    " t.start(); t.join()",
    "by_a_fork": "os.waitpid(pid, 0) if (pid := os.fork()) else open('ROOT/results/labels/mine.npz')",
    "by_a_folder_handle": "os.open('results/labels/mine.npz', os.O_RDONLY, dir_fd=os.open('ROOT', os.O_RDONLY))",
    "by_a_link": "os.symlink('ROOT/results/labels', 'labels')",
    "reads_another_cell": "np.load('ROOT/results/cells/mine/other/0-0/scores.npz')",
    "reads_the_owners_files": "open('ROOT/raw/truth.csv')",
    "asks_the_loader": "import anomark_datasets.digits",
    "writes_elsewhere": "open('ROOT/methods/knn.py', 'a')",
    "connects": "import socket; socket.create_connection(('127.0.0.1', 9), timeout=1)",
    "shells_out": "os.system('cat ROOT/results/labels/mine.npz')",
    "starts_a_program": "import subprocess; subprocess.run(['true'])",
    "spawns": "import multiprocessing; multiprocessing.get_context('spawn').Process(target=print).start()",
}
#: What each is told of.
TOLD = {"connects": "network", "shells_out": "program", "starts_a_program": "program", "spawns": "program"}
TOLD |= {"writes_elsewhere": "write to", "by_a_link": "write to"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with prepared data, labels, the scores of another cell, and owners' files."""
    copy = Checkout(tmp_path_factory.mktemp("checkout"))
    data, other = copy.path / "results/data", copy.path / "results/cells/mine/other/0-0"
    for folder in (data, other, copy.path / "results/labels", copy.path / "raw"):
        folder.mkdir(parents=True)
    samples = np.random.default_rng(0).normal(size=(8, 1, 4)).astype(np.float32)
    np.save(data / "train.npy", samples)
    np.save(data / "test.npy", samples[:5])
    Meta(dataset="mine", key="k", modality="series", level="window", shape=(1, 4)).save(data / "meta.json")
    seals.seal(data)
    for file in (copy.path / "results/labels/mine.npz", other / "scores.npz"):
        np.savez(file, labels=np.zeros(5))
    (copy.path / "raw/truth.csv").write_text("0\n")
    return copy


def run(copy: Checkout, monkeypatch: pytest.MonkeyPatch, name: str, act: str) -> FitRecord:
    """The outcome of a method that does something while it scores."""
    (copy.path / f"methods/{name}.py").write_text(
        "import os\n"
        "import numpy as np\n"
        "class Method:\n"
        "    def __init__(self, spec, seed, device): pass\n"
        "    def fit(self, X, X_valid=None): pass\n"
        f"    def decision_function(self, X):\n        {act.replace('ROOT', str(copy.path))}\n"
        "        return np.abs(X).mean((1, 2))\n"
        "    def state_dict(self): return {'a': np.ones(3)}\n"
        "    def load_state_dict(self, state): pass\n"
    )
    monkeypatch.chdir(copy.path)
    monkeypatch.setenv("PYTHONPATH", str(copy.path))
    cell: Cell = planned_cell(copy.path, name, data="results/data", folder=f"results/cells/mine/{name}/0-0")
    private = ("results", "reports", "raw", str(copy.path / "datasets"))
    record = run_cell(cell.model_copy(update={"private": private}), Limits(seconds=60, memory_gb=1))
    with np.load(Path(cell.folder) / "scores.npz") as stored:
        assert bool(stored.files) == (record.status == "done"), "scores are stored of no other outcome"
    assert [p.name for p in Path(cell.folder).parent.iterdir()] == ["0-0"], "nothing half-written stays behind"
    return record


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_is_an_outcome(copy: Checkout, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    other = (copy.path / "results/cells/mine/other/0-0/scores.npz").read_bytes()
    record = run(copy, monkeypatch, name, CHEATS[name])
    assert record.status == "forbidden" and TOLD.get(name, "open") in record.reason, record
    assert "print_stack" in record.log, "the log tells from where"
    assert (copy.path / "results/cells/mine/other/0-0/scores.npz").read_bytes() == other


def test_what_is_its_own_is_no_cheat(copy: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data of its own, temporary files and folders, programs' libraries, threads, forked workers and databases."""
    act = (
        "import tempfile, json, glob, sqlite3, multiprocessing, concurrent.futures\n"
        "        np.load('ROOT/results/data/train.npy')\n"
        "        with tempfile.TemporaryDirectory() as folder:\n"
        "            open(folder + '/a', 'w').write('x'); os.mkdir(folder + '/b')\n"
        "            os.rename(folder + '/a', folder + '/c')\n"
        "            sqlite3.connect(folder + '/d').execute('create table t (a)')\n"
        "        with concurrent.futures.ThreadPoolExecutor(2) as pool: list(pool.map(abs, [1]))\n"
        "        with multiprocessing.get_context('fork').Pool(2) as pool: pool.map(abs, [1])\n"
        "        assert not [name for name in os.environ if name.startswith('ANOMARK') and name != 'ANOMARK_PARENT']\n"
        "        open('/etc/hostname').read(); open(os.devnull, 'w').write('x')"
    )
    record = run(copy, monkeypatch, "honest", act)
    assert record.status == "done", record


#: What is done with a path, and whether it only reads.
ACTS: dict[str, tuple[Callable[[Path], object], bool]] = {
    "open": (lambda path: path.read_bytes(), True),
    "listdir": (lambda path: os.listdir(path.parent), True),
    "scandir": (lambda path: [*path.parent.iterdir()], True),
    "chdir": (lambda path: os.chdir(path.parent), True),
    "append": (lambda path: path.open("a"), False),
    "create": (lambda path: path.with_name("new").touch(), False),
    "mkdir": (lambda path: path.with_name("new").mkdir(), False),
    "remove": (lambda path: path.unlink(), False),
    "rename": (lambda path: path.rename(path.with_name("new")), False),
    "truncate": (lambda path: os.truncate(path, 0), False),
    "chmod": (lambda path: path.chmod(0o600), False),
    "utime": (lambda path: os.utime(path), False),
    "hardlink": (lambda path: path.with_name("new").hardlink_to(path), False),
    "sqlite": (lambda path: sqlite3.connect(path), False),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("place", ["private", "elsewhere", "own"])
def test_each_act_is_refused_where_it_must_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, place: str
) -> None:
    """`private` lies around `own`: the innermost decides. What is said is said even where the method swallows it."""
    monkeypatch.chdir(tmp_path)
    folders = {"private": tmp_path / "p", "own": tmp_path / "p/work", "elsewhere": tmp_path / "elsewhere"}
    for folder in folders.values():
        folder.mkdir()
        (folder / "file").write_bytes(b"x")
    said: list[str] = []
    do, reads = ACTS[act]
    allowed = place == "own" or (place == "elsewhere" and reads)
    hold = Isolation([folders["private"]], [], [folders["own"]], said.append)
    with contextlib.suppress(Forbidden), isolated(hold):
        do(folders[place] / "file")
    assert bool(said) != allowed
    assert (folders[place] / "file").exists() or allowed


def test_nothing_is_refused_once_it_is_over(tmp_path: Path) -> None:
    with isolated(Isolation([tmp_path], [], [], lambda what: None)), pytest.raises(Forbidden):
        os.listdir(tmp_path)
    assert os.listdir(tmp_path) == []
    assert subprocess.run([sys.executable, "-c", ""]).returncode == 0


def test_a_library_that_asks_about_the_machine_does_without_and_is_not_blamed() -> None:
    blamed: list[str] = []
    with isolated(Isolation([], [], [], blamed.append)), pytest.raises(PermissionError):
        subprocess.run(["lscpu"])
    assert not blamed


def test_sockets_of_one_machine(tmp_path: Path) -> None:
    """Processes of one program may speak to each other by a file of their own."""
    with isolated(Isolation([], [], [tmp_path], lambda what: None)), socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "s"))
        with socket.socket() as remote, pytest.raises(Forbidden, match="network"):
            remote.bind(("127.0.0.1", 0))
