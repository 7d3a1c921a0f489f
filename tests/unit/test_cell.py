"""Whatever a method does, its cell ends with a record; one that did well can be used again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomark.stages import cell as cells

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


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Builds a checkout of its own with one method that misbehaves, and the cell that runs it."""
    from tests.conftest import Checkout  # a plain copy; the child imports the package from there

    def build(name: str) -> dict[str, Any]:
        copy = Checkout(tmp_path)
        (tmp_path / "methods/bad.py").write_text(
            "import numpy as np\n"
            "class Method:\n"
            "    def __init__(self, spec, seed, device): pass\n"
            "    def fit(self, X, X_valid=None): print('fitting', len(X))\n"
            f"    def decision_function(self, X):\n        {METHODS[name]}\n"
            "    def state_dict(self): return {'a': np.ones(3)}\n"
            "    def load_state_dict(self, state): pass\n"
        )
        data = tmp_path / "data"
        data.mkdir()
        rng = np.random.default_rng(0)
        np.save(data / "train.npy", rng.normal(size=(8, 1, 4)).astype(np.float32))
        np.save(data / "test.npy", rng.normal(size=(5, 1, 4)).astype(np.float32))
        meta = {"modality": "series", "level": "window", "shape": [1, 4], "value_range": None, "valid": [], "fit": []}
        (data / "meta.json").write_text(json.dumps(meta))
        monkeypatch.chdir(copy.path)
        monkeypatch.setenv("PYTHONPATH", str(copy.path))
        return {
            "dataset": "d", "method": "bad", "base": "bad", "seed": 0, "params": {}, "uses_valid": False,
            "resolution": None, "device": "cpu", "threads": 1, "key": "0" * 16, "parts": {"sources": {}},
            "data": str(data), "features": None, "folder": str(tmp_path / "results/cells/d/bad/0-0"),
        }  # fmt: skip

    return build


@pytest.mark.parametrize("name", METHODS)
def test_every_ending_is_an_outcome(job: Any, name: str, tmp_path: Path) -> None:
    cell = job(name)
    record = cells.run_cell(cell, {"seconds": 3 if name == "sleeps" else 60, "memory_gb": 0.3})
    status, words = EXPECTED[name]
    assert record["status"] == status and words in record["reason"], record
    folder = Path(cell["folder"])
    assert json.loads((folder / "fit.json").read_text()) == record
    with np.load(folder / "scores.npz") as stored:
        assert set(stored) == ({"score"} if name == "good" else set())
    assert (folder / "model.safetensors").exists() == (name == "good")
    assert "fitting 8" in record["log"]
    assert record["cost"]["peak_memory_mb"] > 1
    leftovers = [p.name for p in folder.parent.iterdir() if p != folder]
    assert not leftovers, "nothing half-written stays behind"


def test_changed_sources_belong_to_no_key(job: Any) -> None:
    cell = job("good")
    cell["parts"]["sources"] = {"methods/vae.py": "another hash"}
    with pytest.raises(cells.AnomarkError, match="changed while"):
        cells.run_cell(cell, {"seconds": 30, "memory_gb": 2})
    assert not Path(cell["folder"]).exists()


@pytest.mark.parametrize("uses_valid", [True, False])
def test_held_out_normals_are_scored_only_where_they_were_held_out(job: Any, uses_valid: bool) -> None:
    cell = job("good") | {"uses_valid": uses_valid}
    data = Path(cell["data"])
    meta = json.loads((data / "meta.json").read_text()) | {"fit": [0, 2, 3, 4, 6, 7], "valid": [5, 1]}
    (data / "meta.json").write_text(json.dumps(meta))
    assert cells.run_cell(cell, {"seconds": 60, "memory_gb": 0.3})["status"] == "done"
    with np.load(Path(cell["folder"]) / "scores.npz") as stored:
        assert ("valid" in stored) == uses_valid
        if uses_valid:
            np.testing.assert_array_equal(stored["valid"], np.abs(np.load(data / "train.npy")[[5, 1]]).mean((1, 2)))


def test_a_trained_method_leaves_its_curve_in_the_record(job: Any, tmp_path: Path) -> None:
    cell = job("good")
    (tmp_path / "methods/bad.py").write_text(
        "import torch\n"
        "from anomark.detectors.training import train_steps\n"
        "class Method:\n"
        "    def __init__(self, spec, seed, device): self.level = torch.nn.Parameter(torch.zeros(1))\n"
        "    def fit(self, X, X_valid=None):\n"
        "        optimiser = torch.optim.SGD([self.level], lr=0.1)\n"
        "        for step in train_steps(X, steps=3, batch_size=2, seed=0):\n"
        "            step.minimise((self.level - 1).square().sum(), optimiser)\n"
        "    def decision_function(self, X): return X[:, 0, 0]\n"
        "    def state_dict(self): return {}\n"
        "    def load_state_dict(self, state): pass\n"
    )
    record = cells.run_cell(cell, {"seconds": 600, "memory_gb": 4})
    assert record["status"] == "done", record
    assert record["info"]["loss"] == {"train": [[1, 1.0], [2, pytest.approx(0.64)], [3, pytest.approx(0.4096)]]}
