"""Whatever a method does, its cell ends with a record; one that did well can be used again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomark import seals
from anomark.contracts import AnomarkError
from anomark.records import Cell, FitRecord, Meta
from anomark.runtime.supervisor import run_cell
from anomark.suite_records import Limits
from tests.samples import planned_cell, planned_jobs

Build = Callable[..., Cell]
METHODS = {
    "good": "return np.abs(X).mean((1, 2)).astype('f4')",
    "raises": "raise RuntimeError('the reason')",
    "nan": "return np.full(len(X), np.nan)",
    "wrong_shape": "return np.zeros((len(X), 2))",
    "exits": "import sys; sys.exit(0)",
    "kills_itself": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "sleeps": "import time; time.sleep(60)",
    "eats_memory": "big = [np.ones(10**7) for _ in range(100)]; return big",
    "diverges": "from anomark.contracts import Diverged; raise Diverged('loss is nan at step 3 of 9')",
}
#: They end otherwise than by an outcome of their own.
OTHERS = {
    "stores_much": "self.a = np.ones(10**5); return np.zeros(len(X))",
    "takes_a_while": "import time; time.sleep(2); return np.zeros(len(X))",
    "caches_where_told": (
        "import os\n        os.makedirs(os.environ['TORCHINDUCTOR_CACHE_DIR'], exist_ok=True)\n"
        "        return np.zeros(len(X))"
    ),
    "killed_once": (
        "import os, pathlib\n        mark = pathlib.Path(os.environ['TMPDIR'], 'mark')\n"
        "        if not mark.exists():\n            mark.touch(); os.kill(os.getpid(), 9)\n"
        "        return np.zeros(len(X))"
    ),
}
EXPECTED = {
    "good": ("done", ""),
    "raises": ("failed", "RuntimeError: the reason"),
    "nan": ("diverged", "NaN"),
    "wrong_shape": ("failed", "expected (5,)"),
    "exits": ("failed", "exit status 0"),
    "kills_itself": ("failed", "signal 11"),
    "sleeps": ("timeout", "limit of 3 s"),
    "eats_memory": ("oom", "its limit is 0.3"),
    "diverges": ("diverged", "step 3 of 9"),
}


def misbehave(copy: Path, name: str) -> None:
    """Write methods/bad.py, whose scoring does what `name` says, and a dataset for it to fit and score."""
    (copy / "methods/bad.py").write_text(
        "import numpy as np\n"
        "class Method:\n"
        "    def __init__(self, spec, seed, device): pass\n"
        "    def fit(self, X, X_valid=None): print('fitting', len(X))\n"
        f"    def decision_function(self, X):\n        {(METHODS | OTHERS)[name]}\n"
        "    def state_dict(self): return {'a': getattr(self, 'a', np.ones(3))}\n"
        "    def load_state_dict(self, state): pass\n"
    )
    data = copy / "data"
    data.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    np.save(data / "train.npy", rng.normal(size=(8, 1, 4)).astype(np.float32))
    np.save(data / "test.npy", rng.normal(size=(5, 1, 4)).astype(np.float32))
    Meta(dataset="mine", key="k", modality="series", level="window", shape=(1, 4)).save(data / "meta.json")
    seals.seal(data)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Builds a checkout of its own with one method that misbehaves, and the cell that runs it."""
    from tests.conftest import Checkout  # a plain copy; the child imports the package from there

    def build(name: str, **change: Any) -> Cell:
        copy = Checkout(tmp_path)
        misbehave(tmp_path, name)
        monkeypatch.chdir(copy.path)
        monkeypatch.setenv("PYTHONPATH", str(copy.path))
        return planned_cell(tmp_path, "bad", **change)

    return build


@pytest.mark.parametrize("name", METHODS)
def test_every_ending_is_an_outcome(job: Build, name: str) -> None:
    cell = job(name)
    record = run_cell(cell, Limits(seconds=3 if name == "sleeps" else 60, memory_gb=0.3))
    status, words = EXPECTED[name]
    assert record.status == status and words in record.reason, record
    assert_stored(cell, record, good=name == "good")


def assert_stored(cell: Cell, record: FitRecord, good: bool) -> None:
    """The folder of a cell holds its record, and the scores and the model of one that did well."""
    folder = Path(cell.folder)
    assert FitRecord.load(folder / "fit.json") == record
    with np.load(folder / "scores.npz") as stored:
        assert set(stored) == ({"score"} if good else set())
    assert (folder / "model.safetensors").exists() == good
    assert "fitting 8" in record.log
    assert record.cost.peak_memory_mb and record.cost.peak_memory_mb > 1
    leftovers = [p.name for p in folder.parent.iterdir() if p != folder]
    assert not leftovers, "nothing half-written stays behind"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a small file system takes the right to mount one")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_no_outcome_and_leaves_nothing(job: Build, small_disk: Path) -> None:
    cell = job("stores_much", folder=str(small_disk / "mine/bad/0-0"))
    with pytest.raises(AnomarkError, match=r"mine/bad/0-0: the disk was full.*free space and run"):
        run_cell(cell, Limits(seconds=60, memory_gb=2))
    assert not [path for path in small_disk.rglob("*") if path.is_file()]
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    assert run_cell(cell, Limits(seconds=60, memory_gb=2)).status == "done"


def test_a_cell_that_another_process_is_at_is_waited_for_and_not_run_again(job: Build, tmp_path: Path) -> None:
    cell = job("takes_a_while")
    planned_jobs(cells={cell.id: cell}).save(tmp_path / "plan.json")
    seals.seal(tmp_path / "plan.json")
    command = [sys.executable, "-m", "anomark.stages.job", "cell", str(tmp_path / "plan.json"), cell.id]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert sum("stored by another run" in text for text in said) == 1
    assert (Path(cell.folder) / "scores.npz").exists()


def test_a_child_that_somebody_killed_is_started_again(job: Build, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cell(job("killed_once"), Limits(seconds=60, memory_gb=2)).status == "done"
    assert "started again" in capsys.readouterr().err


def test_changed_sources_belong_to_no_key(job: Build) -> None:
    cell = job("good", sources={"methods/vae.py": "another hash"})
    with pytest.raises(AnomarkError, match="changed while"):
        run_cell(cell, Limits(seconds=30, memory_gb=2))
    assert not Path(cell.folder).exists()


@pytest.mark.parametrize("uses_valid", [True, False])
def test_held_out_normals_are_scored_only_where_they_were_held_out(job: Build, uses_valid: bool) -> None:
    cell = job("good", uses_valid=uses_valid)
    data = Path(cell.data)
    meta = Meta.load(data / "meta.json").model_copy(update={"fit": (0, 2, 3, 4, 6, 7), "valid": (5, 1)})
    meta.save(data / "meta.json")
    seals.seal(data)
    assert run_cell(cell, Limits(seconds=60, memory_gb=0.3)).status == "done"
    with np.load(Path(cell.folder) / "scores.npz") as stored:
        assert ("valid" in stored) == uses_valid
        if uses_valid:
            np.testing.assert_array_equal(stored["valid"], np.abs(np.load(data / "train.npy")[[5, 1]]).mean((1, 2)))


TRAINED = """
import time, torch
from anomark.detectors import training
from anomark.detectors.training import seeded, train_steps

training.CHECKPOINT_EVERY = -1.0  # after every step

class Method:
    def __init__(self, spec, seed, device, steps=STEPS):
        with seeded(seed):
            self.network = torch.nn.Linear(4, 4)
        self.seed, self.steps = seed, steps

    def fit(self, X, X_valid=None):
        optimiser = torch.optim.Adam(self.network.parameters(), lr=0.1)
        state = {"network": self.network, "optimiser": optimiser}
        for step in train_steps(X, steps=self.steps, batch_size=2, seed=self.seed, state=state):
            x = step.batch.flatten(1)
            noise = torch.randn(x.shape, generator=step.generator)
            step.minimise((self.network(x + noise) - x).square().mean(), optimiser)
            print("step", step.index, flush=True)
            time.sleep(PAUSE)

    def decision_function(self, X):
        x = torch.from_numpy(X).flatten(1)
        with torch.inference_mode():
            return (self.network(x) - x).square().mean(1)

    def state_dict(self): return self.network.state_dict()
    def load_state_dict(self, state): self.network.load_state_dict(state)
"""


def test_a_trained_method_leaves_its_curve_in_the_record(job: Build, tmp_path: Path) -> None:
    cell = job("good")
    (tmp_path / "methods/bad.py").write_text(TRAINED.replace("STEPS", "3").replace("PAUSE", "0"))
    record = run_cell(cell, Limits(seconds=600, memory_gb=4))
    assert record.status == "done", record
    assert [step for step, _ in record.info["loss"]["train"]] == [1, 2, 3]


def test_milestones_are_the_scores_of_shorter_fits_and_leave_the_last_as_they_are(job: Build, tmp_path: Path) -> None:
    cell = job("good")
    (tmp_path / "methods/bad.py").write_text(TRAINED.replace("STEPS", "0").replace("PAUSE", "0"))

    def run(steps: int, milestones: int = 0) -> tuple[FitRecord, dict[str, np.ndarray]]:
        parts = cell.parts.model_copy(update={"params": {"steps": steps}, "milestones": milestones})
        folder = str(tmp_path / f"results/cells/mine/bad/{steps}-{milestones}")
        record = run_cell(cell.model_copy(update={"parts": parts, "folder": folder}), Limits(seconds=600, memory_gb=4))
        assert record.status == "done", record
        with np.load(Path(folder) / "scores.npz") as stored:
            return record, dict(stored)

    record, scores = run(8, milestones=3)
    assert [milestone.steps for milestone in record.milestones] == [2, 4, 8]
    assert all(milestone.seconds > 0 and milestone.core_seconds >= 0 for milestone in record.milestones)
    alone, expected = run(8)
    assert alone.milestones == () and set(expected) == {"score"}
    np.testing.assert_array_equal(scores["score"], expected["score"])
    np.testing.assert_array_equal(scores["earlier"], [run(2)[1]["score"], run(4)[1]["score"]])
    assert record.info == alone.info and not Path(cell.checkpoints).exists()


def test_a_killed_fit_resumes_from_its_checkpoint_to_the_same_bits(job: Build, tmp_path: Path) -> None:
    cell, whole = job("good"), Path("results/cells/mine/whole/0-0").resolve()
    method = tmp_path / "methods/bad.py"
    method.write_text(TRAINED.replace("STEPS", "20").replace("PAUSE", "0"))
    run_cell(cell.model_copy(update={"folder": str(whole)}), Limits(seconds=600, memory_gb=4))

    method.write_text(TRAINED.replace("STEPS", "20").replace("PAUSE", "0.5"))
    planned_jobs(cells={cell.id: cell}).save(tmp_path / "plan.json")
    seals.seal(tmp_path / "plan.json")
    command = [sys.executable, "-m", "anomark.stages.job", "cell", str(tmp_path / "plan.json"), cell.id]
    process = subprocess.Popen(command)
    checkpoints = Path(cell.checkpoints)
    while not (checkpoints / "train.pt.sha256").exists():  # which is written after the checkpoint
        assert process.poll() is None
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGTERM)
    process.wait()
    assert not Path(cell.folder).exists()

    method.write_text(TRAINED.replace("STEPS", "20").replace("PAUSE", "0"))
    record = run_cell(cell, Limits(seconds=600, memory_gb=4))
    assert record.status == "done" and "step 20" in record.log and "step 1\n" not in record.log
    for name in ("scores.npz", "model.safetensors"):
        assert (Path(cell.folder) / name).read_bytes() == (whole / name).read_bytes()
    assert record.info == FitRecord.load(whole / "fit.json").info, "the curve of the losses has no gap"
    assert record.cost.fit_seconds is None, "its clock saw a part of the fit alone"
    assert not checkpoints.exists()


def test_a_damaged_checkpoint_is_dropped(job: Build, capsys: pytest.CaptureFixture[str]) -> None:
    cell = job("good")
    checkpoints = Path(cell.checkpoints)
    checkpoints.mkdir(parents=True)
    (checkpoints / "train.pt").write_bytes(b"half of one")
    record = run_cell(cell, Limits(seconds=60, memory_gb=2))
    assert record.status == "done" and record.cost.fit_seconds is not None, "the fit starts anew"
    assert "train.pt" in capsys.readouterr().err and not checkpoints.exists()


def test_a_cache_that_this_process_was_told_of_is_not_the_cells(job: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch names one in the environment once it is imported, as where `anomark run` trains f before the cell."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(Path("elsewhere").absolute()))
    record = run_cell(job("caches_where_told"), Limits(seconds=60, memory_gb=2))
    assert record.status == "done", record
