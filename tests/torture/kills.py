"""Runs of a small suite that are killed by SIGKILL at random moments and started again by the same plain command.

Every few kills a run gets to its end. What it stored must then be, byte for byte, what a run stores that nobody
disturbed, and nothing that the killed ones left may lie around.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil

from anomark.seals import ASIDE, SUMS
from tests.conftest import Checkout
from tests.torture.case import Case

FULL, SHORT = 100, 2
KIND = "SIGKILL at a random moment"

SUITE = """
suite: torture
datasets: [%s]
seeds: [0]
preprocessing: {size: 8}
only: [slow_steps, constant, random_score]
params: {slow_steps: {steps: %d}}
sweep: {methods: [slow_steps], samples: 8}
core_seconds: {other: 1}
"""

#: A method that trains slowly, stores a checkpoint after each step, and can be swept.
SLOW_STEPS = '''"""Planted: a linear autoencoder whose training takes its time."""

import time

import numpy as np
import torch

from anomark.detectors import training
from anomark.detectors.training import seeded, train_steps

DEFAULTS = {"steps": 20, "scale": 1.0}
SWEEP = {"scale": (2.0,)}
training.CHECKPOINT_EVERY = -1.0


class Method:
    weight = np.ones(1)

    def __init__(self, spec, seed, device, steps, scale):
        self.seed, self.steps, self.size, self.scale = seed, steps, int(np.prod(spec.shape)), scale
        with seeded(seed):
            self.network = torch.nn.Linear(self.size, self.size)

    def fit(self, X, X_valid=None):
        optimiser = torch.optim.Adam(self.network.parameters(), lr=0.01)
        state = {"network": self.network, "optimiser": optimiser}
        for step in train_steps(X, steps=self.steps, batch_size=4, seed=self.seed, state=state):
            x = step.batch.flatten(1)
            noisy = x + torch.randn(x.shape, generator=step.generator)
            step.minimise((self.network(noisy) - x).square().mean(), optimiser)
            time.sleep(0.1)

    def decision_function(self, X):
        x = torch.from_numpy(np.array(X, dtype=np.float32)).flatten(1)
        with torch.inference_mode():
            return self.scale * (self.network(x) - x).square().mean(1).numpy()

    def sweep(self, X, settings):
        for scale in (self.scale, *settings["scale"]):
            yield {"scale": scale}, scale / self.scale * self.decision_function(X)[:, None]

    def state_dict(self):
        return self.network.state_dict()

    def load_state_dict(self, state):
        self.network.load_state_dict(state)
'''


def run(count: int, folder: Path) -> Iterator[Case]:
    """Kill `count` times, over as many runs to the end as that takes."""
    rng = random.Random(0)
    suite = Suite(folder / "checkout", small=count < 20)
    try:
        began = time.monotonic()
        if code := suite.start().wait():
            raise RuntimeError(f"the undisturbed run ended with {code}: {suite.tail()}")
        life, expected = time.monotonic() - began, suite.stored()
        kills, whole = 0, 0
        while kills < count:
            suite.clear()
            whole += 1
            done, problem = suite.killed_run(rng, life, most=count - kills)
            kills += len(done)
            problems = [*filter(None, [problem]), *suite.differences(expected), *suite.leftovers()]
            for kill in done:
                yield Case(KIND, f"run {whole}: {kill}", not problems, "; ".join(problems[:3]) or "all bytes are equal")
    finally:
        suite.end()


class Suite:
    """A copy of the checkout, its suite, and the processes that run there."""

    def __init__(self, path: Path, small: bool) -> None:
        path.mkdir(parents=True)
        self.path = path.resolve()
        copy = Checkout(self.path)
        (self.path / "methods/slow_steps.py").write_text(SLOW_STEPS)
        copy.suite(SUITE % (("digits-0", 10) if small else ("digits-0, beats", 30)))
        self.log = self.path / "run.log"

    def start(self) -> subprocess.Popen[bytes]:
        """The plain command, in a process group of its own."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "suite.yaml"]
        environment = os.environ | {"PYTHONPATH": str(self.path)}
        with self.log.open("wb") as log:
            return subprocess.Popen(
                command, cwd=self.path, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def killed_run(self, rng: random.Random, life: float, most: int) -> tuple[list[str], str | None]:
        """Kill the run again and again, at most `most` times, until one gets to its end.

        Args:
            life: seconds that an undisturbed run takes.

        Returns:
            What was killed when, and what went wrong or None.
        """
        kills: list[str] = []
        while True:
            process, hurt, began = self.start(), False, time.monotonic()
            while process.poll() is None:
                if len(kills) == most:
                    process.wait()
                    break
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(rng.uniform(0.02, 0.4) * life)
                if process.poll() is None and (what := self.kill(process, rng)):
                    kills.append(f"{what} after {time.monotonic() - began:.1f} s")
                    hurt = True
            if process.returncode == 0:
                return kills, None
            if not hurt:
                return kills, f"a run that nobody hurt ended with {process.returncode}: {self.tail()}"

    def kill(self, process: subprocess.Popen[bytes], rng: random.Random) -> str | None:
        """Kill the whole process group, Snakemake alone, or one of the processes that it started."""
        what = rng.choice(("the whole group", "snakemake alone", "a job"))
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if what == "the whole group":
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            elif what == "snakemake alone":
                process.kill()
                process.wait()
            else:
                below = [p for p in psutil.Process(process.pid).children(recursive=True) if "python" in p.name()]
                if not below:
                    return None
                victim = rng.choice(below)
                words = victim.cmdline()
                modules = [" ".join(words[i : i + 2]) for i, word in enumerate(words) if word.startswith("anomark.")]
                victim.kill()
                return f"a process of {modules[0]}" if modules else "a process of a job"
            return what
        return None

    def stored(self) -> dict[str, str]:
        """{file: hash of its bytes} of all results but times, costs and what else differs from run to run."""
        found = {}
        for path in sorted((self.path / "results").rglob("*")):
            name = path.relative_to(self.path / "results").as_posix()
            results = name.split("/")[0] in ("cells", "data", "labels", "features", "sweeps")
            tables = name in ("torture/metrics.csv", "torture/sweep.csv")
            if path.is_file() and (results or tables) and path.name not in ("fit.json", SUMS):
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        outcomes = self.path / "results/torture/coverage.csv"
        if outcomes.exists():
            table = pd.read_csv(outcomes, keep_default_na=False)[["dataset", "method", "seed", "status", "reason"]]
            found["the outcomes of coverage.csv"] = table.to_csv()
        return found

    def differences(self, expected: dict[str, str]) -> list[str]:
        """What is missing, more or different, a sentence each."""
        found = self.stored()
        names = sorted(expected.keys() | found.keys())
        return [f"{name} differs" for name in names if expected.get(name) != found.get(name)]

    def leftovers(self) -> list[str]:
        """Temporary files, locks and marks that lie around, a sentence each. Processes get a moment to end."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.wait(30)
        hidden = [path for root in ("results", "reports") for path in (self.path / root).rglob(".*")]
        state = self.path / ".snakemake"
        marks = [path for path in (state / "incomplete").rglob("*") if path.is_file()]
        locks = [*(state / "locks").glob("*"), *state.glob("*.lock")]
        kept = [path for path in hidden if path.name not in (".snakemake_timestamp", ASIDE) and ASIDE not in path.parts]
        return [f"{path.relative_to(self.path)} is left" for path in (*kept, *marks, *locks)]

    def clear(self) -> None:
        """Back to a checkout in which nothing has run."""
        for name in ("results", "reports", ".snakemake"):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def processes(self) -> list[psutil.Process]:
        """Those that work in this copy of the checkout."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.cwd() == str(self.path):
                    found.append(process)
        return found

    def end(self) -> None:
        """Leave no process behind."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def tail(self) -> str:
        """The last line of the log that says what went wrong."""
        lines = self.log.read_text(errors="replace").splitlines()
        telling = [line.strip() for line in lines if "rror" in line or "anomark" in line]
        return telling[-1] if telling else "no error in its log"
