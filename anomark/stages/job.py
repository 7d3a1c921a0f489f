"""What the jobs of the workflow share: they are told the plan and names in it, and an error is one sentence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from anomark.contracts import AnomarkError
from anomark.suite_records import Jobs


def run_job(work: Callable[..., object], *names: str) -> None:
    """Run a stage as a script: its first argument is the file of the plan, the others are named here.

    Args:
        work: called with the plan and the other arguments.
    """
    parser = argparse.ArgumentParser(description=sys.modules[work.__module__].__doc__)
    for name in ("plan", *names):
        parser.add_argument(name)
    plan, *others = vars(parser.parse_args()).values()
    try:
        work(Jobs.load(Path(plan)), *others)
    except (AnomarkError, OSError) as error:
        raise SystemExit(f"anomark {Path(sys.argv[0]).stem}: {error}") from None
