"""Runs one cell in a process of its own, holds it to its limits, and records whatever happened.

The supervisor imports no method. The folder of a cell is there whole, with its seal, or not at all.
"""

from __future__ import annotations

import compileall
import contextlib
import errno
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from anomark import seals
from anomark.contracts import AnomarkError
from anomark.outcomes import Outcome
from anomark.records import Cell, CellInfo, Device, FitRecord, Result
from anomark.runtime.device import claimed_device, device_environment
from anomark.runtime.forkserver import LOG, Forked, library_variables, start
from anomark.runtime.isolation import own_caches
from anomark.runtime.locks import making
from anomark.runtime.store import save_scores
from anomark.suite import keys
from anomark.suite.dropins import ROOT
from anomark.suite_records import Limits

_POLL = 0.1  # seconds between two looks at the child
_TAIL = 4000  # characters of the log kept in the record
_NO_SPACE = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT))


def run_cell(cell: Cell, limits: Limits) -> FitRecord:
    """Run one cell and store its outcome in its folder. Where another process is at it, wait and take what it stored.

    Returns:
        The record, as in fit.json.

    Raises:
        AnomarkError: the code changed while the cell ran, so its result belongs to no key; or its process was killed.
        Damaged: what the cell reads, or what another process stored of it, is not what was stored.
    """
    folder = Path(cell.folder)
    with making(folder, f"the cell {cell.id}") as work:
        if cell.exists:
            print(f"{cell.id}: stored by another run meanwhile", file=sys.stderr)
            return cell.record()
        if refused := cell.meta().refused:
            result, device, log = Result(status=Outcome.REFUSED, reason=refused), Device(kind=cell.parts.device), ""
        else:
            for path in filter(None, (cell.data, cell.features)):
                seals.verify(Path(path))
            if cell.maps and Path(cell.maps, seals.SUMS).exists():
                seals.verify(Path(cell.maps))
            _absolute(cell).save(work / "cell.json")
            for name in cell.parts.sources:  # its process may not store what it compiles
                compileall.compile_file(ROOT / name, quiet=2)
            with claimed_device(cell.parts.device) as device, _checkpoints(cell) as checkpoints:
                result = _supervise(cell, work, limits, device, checkpoints)
            with (work / LOG).open("rb") as stream:  # of a method that prints without end it is large
                stream.seek(max(0, stream.seek(0, os.SEEK_END) - 4 * _TAIL))
                log = stream.read().decode(errors="replace")[-_TAIL:]
        if result.status == Outcome.FAILED and any(word in result.reason + log for word in _NO_SPACE):
            raise AnomarkError(
                f"{folder}: the disk was full while {cell.method} ran on {cell.dataset}, which is no outcome of it; "
                "free space and run snakemake again"
            )
        sources, _ = keys.closure([ROOT / name for name in cell.parts.sources])
        if sources != cell.parts.sources:
            raise AnomarkError(
                f"the code of {cell.method} changed while {cell.dataset} was running; run snakemake again"
            )
        if result.status != Outcome.DONE:
            for leftover in work.glob("model.*"):
                leftover.unlink()
            save_scores(work)
        record = FitRecord(**cell.only(CellInfo), **dict(result), device=device, log=log)
        record.save(work / "fit.json")
        for file in work.iterdir():
            if file.name not in ("fit.json", "scores.npz") and not file.name.startswith("model."):
                shutil.rmtree(file) if file.is_dir() else file.unlink()
        seals.publish(work, folder)
        return record


@contextlib.contextmanager
def _checkpoints(cell: Cell) -> Iterator[Path | None]:
    """The folder that the fit of a cell resumes from, for this process alone; None while another process has it.

    It goes when the cell ends, whatever its outcome is. It stays when this process is stopped before that.
    """
    folder = Path(cell.checkpoints)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process has it, or the file system knows no locks
            yield None
            return
        for path in folder.rglob("*.pt"):
            try:
                seals.verify(path)
            except seals.Damaged as error:
                print(f"{path}: {error.what}; it is dropped, and its steps are taken anew", file=sys.stderr)
                path.unlink()
        ended = False
        try:
            yield folder
            ended = True
        finally:
            if ended or not any(folder.glob("*.pt")):
                shutil.rmtree(folder, ignore_errors=True)


def _absolute(cell: Cell) -> Cell:
    """The cell as its process is told of it, which does not start in the folder that paths begin at."""
    known = {"data": cell.data, "features": cell.features, "maps": cell.maps}
    paths = {name: path and os.path.abspath(path) for name, path in known.items()}
    return cell.model_copy(update=paths | {"private": tuple(map(os.path.abspath, cell.private))})


def _environment(work: Path) -> dict[str, str]:
    """The variables of a cell's process: none names the plan or the owners' files, and what it caches goes with it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANOMARK_")}
    (temporary := work / "tmp").mkdir(exist_ok=True)
    code = os.pathsep.join(filter(None, [kept.get("PYTHONPATH"), str(ROOT)]))
    return kept | own_caches(temporary) | {"PYTHONPATH": code}


def _supervise(
    cell: Cell, work: Path, limits: Limits, device: Device, checkpoints: Path | None, again: bool = True
) -> Result:
    """Start the child, wait for it within its limits, and say how it ended and what it used.

    A child that somebody killed is started `again`, once: that says nothing about the method.
    """
    resume = ["--checkpoints", str(checkpoints.absolute())] if checkpoints else []
    work = work.absolute()
    resumed = checkpoints is not None and any(checkpoints.glob("*.pt"))
    peak, started, verdict = 0, time.monotonic(), None
    short_of_memory = _kills_for_memory()
    variables = _environment(work) | device_environment(device) | library_variables(cell.parts.threads)
    child = start([str(work), device.kind, *resume], work, variables)
    try:
        while child.poll() is None:
            used = _resident(child)
            peak = max(peak, used)
            if used > limits.memory_gb * 2**30:
                reason = f"it used {used / 2**30:.1f} GiB, its limit is {limits.memory_gb:g}"
                verdict = Result(status=Outcome.OOM, reason=reason)
            elif time.monotonic() - started > limits.seconds:
                reason = f"it ran past its limit of {limits.seconds:g} s"
                verdict = Result(status=Outcome.TIMEOUT, reason=reason)
            if verdict:
                break
            with contextlib.suppress(psutil.TimeoutExpired):
                child.wait(_POLL)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
    killed = code == -signal.SIGKILL and not verdict and not (work / "result.json").exists()
    if killed and short_of_memory == _kills_for_memory() is not None:
        if again:
            print("the process of the cell was killed from outside; it is started again", file=sys.stderr)
            return _supervise(cell, work, limits, device, checkpoints, again=False)
        verdict = Result(status=Outcome.FAILED, reason="it was killed from outside twice, and not for memory")
    result = verdict or _own_result(work, code)
    used_in_all: dict[str, Any] = {
        "wall_seconds": round(time.monotonic() - started, 3),
        "peak_memory_mb": round(peak / 2**20, 1),
    }
    if resumed:  # the clocks saw a part of the fit alone
        used_in_all |= {"wall_seconds": None, "cpu_seconds": None, "fit_seconds": None}
    return result.model_copy(update={"cost": result.cost.model_copy(update=used_in_all)})


def _own_result(work: Path, code: int) -> Result:
    """What a child that ended by itself wrote, or what its exit status says."""
    if (work / "result.json").exists():
        return Result.load(work / "result.json")
    if code == -signal.SIGKILL:
        return Result(status=Outcome.OOM, reason="it was killed from outside, most likely for memory")
    how = f"signal {-code}" if code < 0 else f"exit status {code}"
    return Result(status=Outcome.FAILED, reason=f"its process ended with {how} before it had scores")


def _kills_for_memory() -> int | None:
    """How many processes this machine has killed for want of memory since it started; None where it doesn't tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None


def _resident(process: psutil.Process | Forked) -> int:
    """Bytes of memory that a process and its children hold."""
    total = 0
    with contextlib.suppress(psutil.Error):
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
    return total
