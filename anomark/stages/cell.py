"""One cell: fit and score in a supervised child, one record of whatever happened.

The supervisor imports no method. It gives the child its limits, waits, and writes fit.json last, so a folder with a
fit.json is complete. It exits 0 whatever the child did; only an outcome that can't be written fails the job.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from anomark.contracts import AnomarkError, Diverged, Status
from anomark.stages.score import save_scores
from anomark.suite import keys as provenance
from anomark.suite.dropins import ROOT

_POLL = 0.1  # seconds between two looks at the child
_TAIL = 4000  # characters of the log kept in the record


# -- the supervisor ------------------------------------------------------------------------------------------------


def run_cell(cell: dict[str, Any], limits: dict[str, float]) -> dict[str, Any]:
    """Run one cell and store its outcome under its folder.

    Returns:
        The record, as in fit.json.

    Raises:
        AnomarkError: the code changed while the cell ran, so its result belongs to no key.
    """
    folder = Path(cell["folder"])
    work = folder.with_name(f".{folder.name}.{os.getpid()}")
    work.mkdir(parents=True)
    try:
        status: str | None
        usage: dict[str, Any]
        device: dict[str, Any]
        if refused := _read(Path(cell["data"]) / "meta.json").get("refused"):
            status, reason, usage, log = "refused", refused, {}, ""
            device = {"record": {"kind": cell["device"]}}
        else:
            with claimed_device(cell["device"]) as device:
                (work / "cell.json").write_text(json.dumps(cell | {"device": device["name"]}))
                status, reason, usage = _supervise(work, limits, cell["threads"], device["environment"])
            log = (work / "log.txt").read_text(errors="replace")[-_TAIL:]
        result = _read(work / "result.json")
        if status is None:
            status, reason = result["status"], result["reason"]
        sources, _ = provenance.closure([ROOT / name for name in cell["parts"]["sources"]])
        if sources != cell["parts"]["sources"]:
            raise AnomarkError(
                f"the code of {cell['method']} changed while {cell['dataset']} was running; run snakemake again"
            )
        if status != "done":
            for leftover in work.glob("model.*"):
                leftover.unlink()
            save_scores(work)
        record = {
            "status": status,
            "reason": reason,
            **{key: cell[key] for key in ("dataset", "method", "base", "seed", "params", "key", "parts", "threads")},
            "device": device["record"],
            "cost": result.get("cost", {}) | usage,
            "model": result.get("model"),
            "info": result.get("info", {}),
            "log": log,
        }
        (work / "fit.json").write_text(json.dumps(record, indent=1))
        _move(work, folder)
        return record
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _supervise(
    work: Path, limits: dict[str, float], threads: int, environment: dict[str, str]
) -> tuple[Status | None, str, dict[str, Any]]:
    """Wait for the child within its limits.

    Returns:
        (status, reason, usage); status is None where the child wrote its own result.
    """
    pinned = {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA")}
    # glibc gives large blocks back when they are freed, and each new one is paid for in page faults: a sixth of a step.
    allocator = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**63 - 1)}
    # Unbuffered, so that the log of a child that is killed tells how far it came.
    own = {"PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1", "ANOMARK_PARENT": str(os.getpid())}
    env = os.environ | pinned | allocator | environment | own
    peak, started, verdict = 0, time.monotonic(), None
    with (work / "log.txt").open("wb") as log:
        child = psutil.Popen(
            [sys.executable, "-m", "anomark.stages.cell", "--child", str(work)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=env,
            start_new_session=True,
        )
        try:
            while child.poll() is None:
                used = _resident(child)
                peak = max(peak, used)
                if used > limits["memory_gb"] * 2**30:
                    verdict = ("oom", f"it used {used / 2**30:.1f} GiB, its limit is {limits['memory_gb']:g}")
                elif time.monotonic() - started > limits["seconds"]:
                    verdict = ("timeout", f"it ran past its limit of {limits['seconds']:g} s")
                if verdict:
                    break
                with contextlib.suppress(psutil.TimeoutExpired):
                    child.wait(_POLL)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            code = child.wait()
    usage = {"wall_seconds": round(time.monotonic() - started, 3), "peak_memory_mb": round(peak / 2**20, 1)}
    if verdict:
        return verdict[0], verdict[1], usage  # type: ignore[return-value]
    if not (work / "result.json").exists():
        if code == -signal.SIGKILL:
            return "oom", "it was killed from outside, most likely for memory", usage
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return "failed", f"its process ended with {how} before it had scores", usage
    return None, "", usage


def _resident(process: psutil.Process) -> int:
    total = 0
    with contextlib.suppress(psutil.Error):
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
    return total


@contextlib.contextmanager
def claimed_device(kind: str) -> Iterator[dict[str, Any]]:
    """The device of a cell. Snakemake counts GPUs but assigns none, so each card has a lock file."""
    if kind == "cpu":
        yield {"name": "cpu", "environment": {"CUDA_VISIBLE_DEVICES": ""}, "record": {"kind": "cpu"}}
        return
    cards = _visible_cards()
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"anomark-gpu-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    while True:
        for card in cards:
            with (folder / f"{card}.lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                environment = {"CUDA_VISIBLE_DEVICES": card, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
                yield {"name": "cuda", "environment": environment, "record": {"kind": "cuda", "card": card}}
                return
        time.sleep(0.5)


def _visible_cards() -> list[str]:
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",")
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise AnomarkError("the suite's device is cuda, but nvidia-smi shows no card; set device: cpu") from None
    return [str(i) for i in range(len(listing.splitlines()))]


def _read(path: Path) -> dict[str, Any]:
    try:
        result: dict[str, Any] = json.loads(path.read_text())
        return result
    except (OSError, ValueError):
        return {}


def _move(work: Path, folder: Path) -> None:
    """Put the files in place one by one, fit.json last."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [p.name for p in work.iterdir() if p.name == "scores.npz" or p.name.startswith("model.")]
    for name in (*sorted(names), "fit.json"):
        os.replace(work / name, folder / name)


# -- the child -----------------------------------------------------------------------------------------------------


def _child(work: Path) -> None:
    """Fit, save, score; write result.json with the outcome."""
    threading.Thread(target=_die_with, args=(int(os.environ["ANOMARK_PARENT"]),), daemon=True).start()
    cell = json.loads((work / "cell.json").read_text())
    try:
        result = _fit_and_score(cell, work)
    except Diverged as error:
        result = {"status": "diverged", "reason": str(error)}
    except MemoryError as error:
        result = {"status": "oom", "reason": f"MemoryError: {error}".rstrip(": ")}
    except Exception as error:
        traceback.print_exc()
        oom = type(error).__name__ == "OutOfMemoryError"
        message = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        result = {"status": "oom" if oom else "failed", "reason": message}
    partial = work / "result.tmp"
    partial.write_text(json.dumps(result))
    partial.replace(work / "result.json")


def _flops(method: Any, samples: Any) -> int | None:
    """Floating-point operations of scoring a sample, in torch's convolutions and matrix products, or None."""
    if "torch" not in sys.modules or hasattr(method, "dumps"):
        return None
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        method.decision_function(samples)
    return counter.get_total_flops() // len(samples) or None


def _fit_and_score(cell: dict[str, Any], work: Path) -> dict[str, Any]:
    from anomark.seeds import seed_of
    from anomark.stages import fit, score
    from anomark.suite.registry import load_method

    data = Path(cell["data"])
    meta = fit.read_meta(data)
    spec = fit.spec_of(meta, cell["resolution"])
    cls = load_method(cell["base"])
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(cell["threads"])
        torch.use_deterministic_algorithms(True, warn_only=True)
    if (reason := getattr(cls, "skip", lambda _: None)(spec)) is not None:
        return {"status": "skipped", "reason": str(reason)}
    X, X_valid = fit.training_data(data, meta, cell["uses_valid"], cell["resolution"])
    seed = seed_of(dataset=cell["dataset"], method=cell["method"], repetition=cell["seed"])

    started = time.perf_counter()
    features = {"features": cell["features"]} if cell["features"] else {}
    method = fit.build(cls, spec, seed, cell["device"], cell["params"] | features)
    training = sys.modules.get("anomark.detectors.training")  # absent where the method takes no gradient steps
    with training.recorded() if training else contextlib.nullcontext({}) as losses:
        method.fit(X, X_valid)
    fitted = time.perf_counter()
    model = fit.save_model(method, work, probe=X[:8])
    X_test = fit.test_data(data, meta, cell["resolution"])
    begin = time.perf_counter()
    scores, maps = score.score(method, X_test, spec)
    scored = time.perf_counter()
    valid = None if X_valid is None else score.score(method, X_valid, spec)[0]
    score.save_scores(work, score=scores, map=maps, valid=valid)

    curves = {loop: curve for loop, curve in losses.items() if curve}
    info = dict(getattr(method, "info", {})) | ({"loss": curves} if curves else {})
    cost = {
        "fit_seconds": round(fitted - started, 4),
        "score_seconds": round(scored - begin, 4),
        "seconds_per_sample": (scored - begin) / len(X_test),
        "cpu_seconds": round(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), 3),
        "parameters": info.pop("parameters", model.pop("parameters")),
        "network_calls": info.pop("network_calls", None),
        "flops_per_sample": _flops(method, X_test[:8]),
    }
    return {"status": "done", "reason": "", "cost": cost, "model": model, "info": info}


def _die_with(parent: int) -> None:
    """End this process if its supervisor is gone (killed outright, it could not take us along)."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", type=Path)
    parser.add_argument("plan", type=Path, nargs="?")
    parser.add_argument("cell", nargs="?", help="<dataset>/<method>/<seed>-<key>")
    args = parser.parse_args()
    if args.child:
        _child(args.child)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` ends the child and clears up
    plan = json.loads(args.plan.read_text())
    if args.cell not in plan["cells"]:
        raise SystemExit(
            f"anomark: {args.plan} has no cell {args.cell}; the suite changed meanwhile, run snakemake again"
        )
    try:
        record = run_cell(plan["cells"][args.cell], plan["limits"])
    except (AnomarkError, OSError) as error:
        raise SystemExit(f"anomark: {error}") from None
    if record["status"] not in ("done", "skipped", "refused"):  # a refusal was printed when the data was prepared
        print(f"{args.cell}: {record['status']}: {record['reason']}", file=sys.stderr)


if __name__ == "__main__":
    main()
