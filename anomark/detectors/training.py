"""The loop that every trained method uses: it sets the order of batches, keeps the budget, and saves checkpoints.

Nothing here depends on how many steps a loop will have: its state after n steps is that of a loop with the budget n.
"""

from __future__ import annotations

import itertools
import math
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from anomark.contracts import Array, Diverged

#: Seconds between two progress lines, and between two checkpoints.
PROGRESS_EVERY, CHECKPOINT_EVERY = 5.0, 60.0
#: A recorded curve has at most this many points.
CURVE_POINTS = 50
#: One row for each stretch of equally many steps: the stretch's last step, then the mean of each loss over it.
Curve: TypeAlias = list[list[float]]

_folder: ContextVar[Path | None] = ContextVar("checkpoint_folder", default=None)
_recorded: ContextVar[dict[str, Curve] | None] = ContextVar("recorded_curves", default=None)
_milestones: ContextVar[Milestones | None] = ContextVar("milestones", default=None)


class Stateful(Protocol):
    """What a checkpoint can hold: a module, an optimiser, a learning-rate schedule."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...


@dataclass
class Step:
    """One gradient step.

    index
        1, 2, ..., steps.
    batch
        float32 (batch_size, *sample shape) on the device.
    generator
        Source of every random number that the step draws, on the device; continued from step to step.
    losses
        The values that this step minimised so far.
    """

    index: int
    steps: int
    batch: Tensor
    generator: torch.Generator
    losses: list[float] = field(default_factory=list)

    def minimise(self, loss: Tensor, optimiser: torch.optim.Optimizer, clip_norm: float | None = None) -> None:
        """Clear the optimiser's gradients, differentiate `loss` and update; a GAN calls this once per player.

        Args:
            loss: scalar.
            optimiser: what to update.
            clip_norm: largest allowed Euclidean norm of the optimiser's gradients together.

        Raises:
            Diverged: the loss is not finite. Nothing is updated then.
        """
        value = loss.item()
        if not math.isfinite(value):
            raise Diverged(f"loss is {value} at step {self.index} of {self.steps}")
        self.losses.append(value)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if clip_norm is not None:
            torch.nn.utils.clip_grad_norm_((p for g in optimiser.param_groups for p in g["params"]), clip_norm)
        optimiser.step()


@dataclass
class Milestones:
    """The first loop of a fit, whose states at a few of its steps are kept as checkpoints.

    A fit with such a step as its budget, inside `checkpoints(folder / str(step))`, takes no step of that loop any more
    and ends with the bits that it would have with this budget from the start.

    folder
        Where the checkpoints are kept; None if none are.
    count
        How many of `milestone_steps` there are, the last step of the loop among them.
    loop
        Name of the loop; None before it begins.
    clock
        How far it has come.
    """

    folder: Path | None
    count: int
    loop: str | None = None
    clock: Clock = field(default_factory=lambda: Clock())

    def begin(self, loop: str, steps: int, clock: Clock) -> set[int]:
        """The steps whose states are to be kept of a loop with so many steps; none of a fit's second loop."""
        if self.loop is not None:
            return set()
        self.loop, self.clock = loop, clock
        return set(milestone_steps(steps, self.count)[:-1]) if self.folder else set()


class Clock:
    """How long a loop has trained. Seconds before an interruption count, and those that saving takes don't.

    Attributes:
        steps: the last step that was taken.
        correction: what is added to the seconds that this process has been in the loop, as `now` gives them.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.correction = np.zeros(2)
        self.start = now()

    @property
    def trained(self) -> Array:
        """Seconds, as `now` gives them."""
        return now() - self.start + self.correction

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Leave out what is done inside."""
        begin = now()
        yield
        self.correction += begin - now()


def now() -> Array:
    """Seconds, float64 (2,): by the clock, and that this process has used of the processor."""
    return np.array([time.perf_counter(), time.process_time()])


def milestone_steps(steps: int, count: int) -> list[int]:
    """The last of `steps` steps, half of them, half of that, ..., at most `count` of them, in rising order."""
    return sorted({max(1, round(steps / 2**k)) for k in range(count)}) if steps else [0]


def train_steps(
    X: Any,
    *,
    steps: int,
    batch_size: int,
    seed: int,
    device: str | torch.device = "cpu",
    state: Mapping[str, Stateful] | None = None,
    name: str = "train",
) -> Iterator[Step]:
    """Yield `steps` steps, each with exactly `batch_size` rows of X.

    Rows come in an order drawn anew for every epoch; a batch runs across the end of an epoch, so that any N >= 1
    works. While a folder is set by `checkpoints`, `state` and the random generators are saved there once a minute, and
    a later run continues from the last save to the same bits.

    Args:
        X: (N, ...) array, memory map or lazy windows; indexed with sorted integer arrays.
        steps: the budget, in gradient steps.
        batch_size: rows per step.
        seed: of the order and of `Step.generator`, in [0, 2**63).
        device: where batches and generator live.
        state: all that the loop changes, by name, for checkpoints; without it nothing is saved.
        name: tells the loops of one method apart, in the progress line and in the folder.
    """
    generator = torch.Generator(device).manual_seed(seed)
    folder = _folder.get()
    path = folder / f"{name}.pt" if folder and state else None
    losses, clock = _Losses(name, steps), Clock()
    marked = _milestones.get() or Milestones(None, 0)
    kept = marked.begin(name, steps, clock) if state else set()
    done = _load(path, state, generator, losses, clock) if path and state and path.exists() else 0
    clock.steps = done
    progress = _Progress(name, steps, done)
    saved = time.monotonic()
    rows = itertools.islice(batch_rows(len(X), batch_size, seed), done, None)
    for index in range(done + 1, steps + 1):
        batch = torch.from_numpy(np.array(X[next(rows)], dtype=np.float32)).to(device)
        step = Step(index, steps, batch, generator)
        clock.steps = index
        yield step
        losses.add(step)
        progress.show(step)
        due = [marked.folder / str(index) / f"{name}.pt"] if index in kept and marked.folder else []
        if path and time.monotonic() - saved > CHECKPOINT_EVERY:
            due.append(path)
            saved = time.monotonic()
        for file in due:
            with clock.stopped():
                _save(file, state or {}, generator, losses, clock, index)


def batch_rows(n: int, batch_size: int, seed: int) -> Iterator[Array]:
    """Row indices (batch_size,) of successive batches, sorted within a batch: permutations of 0..n-1, joined and cut.

    Raises:
        ValueError: there is no row, or no room for one.
    """
    if n < 1 or batch_size < 1:
        raise ValueError(f"training needs at least one row and a batch size of at least 1, got {n} and {batch_size}")
    rng = np.random.default_rng(seed)
    rows = np.empty(0, dtype=np.int64)
    while True:
        while len(rows) < batch_size:
            rows = np.concatenate([rows, rng.permutation(n)])
        yield np.sort(rows[:batch_size])
        rows = rows[batch_size:]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator inside, for initial weights, and leave it as it was before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def checkpoints(folder: Path | None) -> Iterator[None]:
    """Let every `train_steps` loop inside save to `folder` and resume from it; nothing is saved if it is None."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


@contextmanager
def milestones(folder: Path | None, count: int) -> Iterator[Milestones]:
    """Keep states of the first `train_steps` loop inside, as `Milestones` says; None only measures its seconds."""
    marked = Milestones(folder, count)
    token = _milestones.set(marked)
    try:
        yield marked
    finally:
        _milestones.reset(token)


@contextmanager
def recorded() -> Iterator[dict[str, Curve]]:
    """Record the losses of every `train_steps` loop inside, by the loop's name."""
    curves: dict[str, Curve] = {}
    token = _recorded.set(curves)
    try:
        yield curves
    finally:
        _recorded.reset(token)


def _save(
    path: Path, state: Mapping[str, Stateful], generator: torch.Generator, losses: _Losses, clock: Clock, index: int
) -> None:
    content = {
        "step": index,
        "seconds": clock.trained.tolist(),
        "generator": generator.get_state(),
        "global_generator": torch.get_rng_state(),  # dropout draws from it
        "losses": [losses.curve, losses.stretch],
        "state": {key: value.state_dict() for key, value in state.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    os.replace(partial, path)  # a kill leaves the old checkpoint or the new one, never half of one


def _load(path: Path, state: Mapping[str, Stateful], generator: torch.Generator, losses: _Losses, clock: Clock) -> int:
    content = torch.load(path, map_location="cpu", weights_only=True)
    for key, value in state.items():
        value.load_state_dict(content["state"][key])
    generator.set_state(content["generator"])
    torch.set_rng_state(content["global_generator"])
    losses.curve[:], losses.stretch = content["losses"]
    clock.correction += content["seconds"]
    return int(content["step"])


class _Losses:
    """The curve of one loop as far as it has come, kept by `recorded`."""

    def __init__(self, name: str, steps: int) -> None:
        self.every = math.ceil(steps / CURVE_POINTS)
        self.curve: Curve = []
        self.stretch: list[list[float]] = []
        if (curves := _recorded.get()) is not None:
            curves[name] = self.curve

    def add(self, step: Step) -> None:
        self.stretch.append(step.losses)
        if step.index % self.every == 0 or step.index == step.steps:
            means = [statistics.fmean(values) for values in zip(*self.stretch, strict=False)]
            self.curve.append([step.index, *means])
            self.stretch = []


class _Progress:
    """Progress as plain lines on stderr, which goes to a log file: the first step, then a line every few seconds."""

    def __init__(self, name: str, steps: int, done: int) -> None:
        self.name, self.steps, self.done = name, steps, done
        self.start = self.shown = time.monotonic()

    def show(self, step: Step) -> None:
        now = time.monotonic()
        if now - self.shown < PROGRESS_EVERY and step.index not in (self.done + 1, self.steps):
            return
        self.shown = now
        losses = " ".join(f"{loss:.4g}" for loss in step.losses)
        left = (now - self.start) / (step.index - self.done) * (self.steps - step.index)
        line = f"{self.name}: step {step.index}/{self.steps}  loss {losses}  elapsed {now - self.start:.0f} s"
        print(f"{line}  left {left:.0f} s", file=sys.stderr, flush=True)
