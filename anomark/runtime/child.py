"""The process that fits and scores one cell: `python -m anomark.runtime.child <work> <device>`.

It reads cell.json from the folder `work` and writes the model, scores.npz and, last of all, result.json into it. Its
supervisor started it with the environment, the limits and the device that it has. From the import of the method on it
is isolated (`anomark.runtime.isolation`), and ends at the first thing that it must not do.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomark import seals
from anomark.contracts import Array, Diverged, one_line
from anomark.outcomes import Outcome
from anomark.records import Cell, Cost, Meta, Result
from anomark.runtime import fit_score, store
from anomark.runtime.anytime import Course, score_earlier
from anomark.runtime.isolation import Isolation, isolate
from anomark.suite.registry import load_method


def run(cell: Cell, work: Path, device: str, checkpoints: Path | None) -> Result:
    """Fit, score and store one cell; whatever is raised becomes its outcome."""
    try:
        return _run(cell, work, device, checkpoints)
    except Diverged as error:
        return Result(status=Outcome.DIVERGED, reason=str(error))
    except MemoryError as error:
        return Result(status=Outcome.OOM, reason=f"MemoryError: {error}".rstrip(": "))
    except Exception as error:
        traceback.print_exc()
        oom = type(error).__name__ == "OutOfMemoryError"  # torch's, which may not be loaded
        message = one_line(f"{type(error).__name__}: {error}".splitlines()[0], 300)
        return Result(status=Outcome.OOM if oom else Outcome.FAILED, reason=message)


def _run(cell: Cell, work: Path, device: str, checkpoints: Path | None) -> Result:
    data = Path(cell.data)
    meta = Meta.load(data / "meta.json")
    cls = load_method(cell.base)
    skip = getattr(cls, "skip", lambda _: None)
    if (reason := skip(fit_score.spec_of(meta, cell.parts.resolution))) is not None:
        return Result(status=Outcome.SKIPPED, reason=one_line(str(reason), 300))
    losses: dict[str, Any] = {}
    course = Course(cell.parts.milestones, (checkpoints or work) / "milestones")
    with _maps(cell) as saved:
        watched = _watched(losses, checkpoints, saved, course)
        done = fit_score.fit_and_score(cls, cell, meta, data, device, cell.features, watched)
        fit_seconds, score_seconds = done.fit_seconds + saved.fit, done.score_seconds + saved.since_fit
        earlier, milestones = score_earlier(cls, cell, meta, data, device, cell.features, course)
    store.save_scores(work, score=done.scores, map=done.maps, valid=done.valid, earlier=earlier)
    model, count = store.save_model(done.method, work, done.probe)

    info = dict(getattr(done.method, "info", {})) | ({"loss": losses} if losses else {})
    cost = Cost(
        fit_seconds=round(fit_seconds, 4),
        score_seconds=round(score_seconds, 4),
        seconds_per_sample=score_seconds / len(done.scores),
        cpu_seconds=round(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), 3),
        parameters=info.pop("parameters", count),
        network_calls=info.pop("network_calls", None),
        flops_per_sample=_flops(done.method, done.probe),
    )
    return Result(status=Outcome.DONE, cost=cost, model=model, info=info, milestones=milestones)


@dataclass
class Saved:
    """Seconds that f would have taken for the stored maps that were read; they count as a method's own.

    fit
        Of those, what was read while fitting.
    """

    maps: Any = None
    fit: float = 0.0

    @property
    def since_fit(self) -> float:
        return self.maps.saved - self.fit if self.maps else 0.0


@contextlib.contextmanager
def _maps(cell: Cell) -> Iterator[Saved]:
    """Let the method read f's stored maps instead of running f; that moves no bit."""
    stored = sys.modules.get("anomark.detectors.latent.stored_maps")
    if stored is None:  # the method doesn't look through f
        yield Saved()
        return
    with stored.stored_maps(Path(cell.maps) if cell.maps else None) as maps:
        yield Saved(maps)


@contextlib.contextmanager
def _watched(losses: dict[str, Any], checkpoints: Path | None, saved: Saved, course: Course) -> Iterator[None]:
    """Keep the curves of the fit's losses in `losses`, let its loops resume from `checkpoints`, and watch its course.

    None of it changes a bit of what is learnt.
    """
    training = sys.modules.get("anomark.detectors.training")
    if training is None:  # the method takes no gradient steps
        yield
        saved.fit = saved.since_fit
        return
    loop: Any = training
    saving = loop._save

    def sealed(path: Path, *content: Any) -> None:
        saving(path, *content)
        seals.seal(path)

    loop._save = sealed  # from outside, since the loop's file is part of the key of every trained cell
    try:
        with training.recorded() as curves, training.checkpoints(checkpoints), course.watched(training):
            yield
    finally:
        loop._save = saving
    saved.fit = saved.since_fit
    losses |= {loop: curve for loop, curve in curves.items() if curve}


def _flops(method: Any, samples: Array) -> int | None:
    """Floating-point operations of scoring a sample, in torch's convolutions and matrix products, or None."""
    if "torch" not in sys.modules or hasattr(method, "dumps"):
        return None
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        method.decision_function(samples)
    return counter.get_total_flops() // len(samples) or None


def _isolate(cell: Cell, work: Path, checkpoints: Path | None) -> None:
    """Let this process touch nothing but what belongs to its cell, and end it where the method tries to."""
    process = os.getpid()

    def end(what: str) -> None:
        """A method could catch an exception and go on with what it knows, so none is raised."""
        traceback.print_stack()
        Result(status=Outcome.FORBIDDEN, reason=what).save(work / "result.json")
        os.kill(process, signal.SIGKILL)  # this may be another process, which the method has forked
        os._exit(1)

    own = filter(None, (cell.data, cell.features, cell.maps))
    isolate(Isolation(cell.private, own, filter(None, (work, checkpoints)), end))


def _die_with(parent: int) -> None:
    """End this process once its supervisor is gone: a supervisor that is killed outright can't do it."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("device", choices=("cpu", "cuda"))
    parser.add_argument("--checkpoints", type=Path)
    args = parser.parse_args()
    threading.Thread(target=_die_with, args=(int(os.environ["ANOMARK_PARENT"]),), daemon=True).start()
    cell = Cell.load(args.work / "cell.json")
    _isolate(cell, args.work, args.checkpoints)
    run(cell, args.work, args.device, args.checkpoints).save(args.work / "result.json")


if __name__ == "__main__":
    main()
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(0)  # at once: what the method still has running in threads changes nothing any more
