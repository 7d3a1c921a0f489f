"""The progress line of a run: cells done, cells in all, and the time left by the suite's declared costs."""

from __future__ import annotations

import sys
import threading
import time

from anomark.suite.plan import Cell, Plan

_LOOK = 2.0  # seconds between two looks at the results folder


def watch(plan: Plan, cores: int) -> None:
    """Print a line whenever cells were finished, from a thread that ends with the process."""
    for how in plan.absent.values():
        print(f"anomark: not available: {how}", file=sys.stderr)
    missing = [cell for cell in plan.cells if not cell.exists]
    print(
        f"anomark: suite {plan.suite.suite}: {len(plan.cells)} cells, {len(missing)} to compute "
        f"(declared: {sum(c.core_seconds for c in missing):.0f} core-seconds)",
        file=sys.stderr,
    )
    if missing:
        threading.Thread(target=_watch, args=(plan, cores, missing), daemon=True).start()


def _watch(plan: Plan, cores: int, missing: list[Cell]) -> None:
    declared = sum(cell.core_seconds for cell in missing)
    started, total, waiting = time.monotonic(), len(plan.cells), list(missing)
    while waiting:
        time.sleep(_LOOK)
        left = [cell for cell in waiting if not cell.exists]
        if len(left) == len(waiting):
            continue
        waiting = left
        rest = sum(cell.core_seconds for cell in left)
        elapsed = time.monotonic() - started
        # Declared costs until a tenth has been measured, then their ratio to the clock.
        rate = (declared - rest) / elapsed if declared - rest > declared / 10 else float(cores)
        print(f"anomark: {total - len(left)}/{total} cells, {_about(rest / max(rate, 1e-9))} left", file=sys.stderr)


def _about(seconds: float) -> str:
    return f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"
