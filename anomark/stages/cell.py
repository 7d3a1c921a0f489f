"""Stages 2 and 3 of one cell: fit a method on normal data, then score the test samples.

It exits 0 whatever the method did, because a failure is an outcome of the cell too. Only an outcome that can't be
written fails the job.
"""

from __future__ import annotations

import signal
import sys

from anomark.contracts import AnomarkError
from anomark.outcomes import Outcome
from anomark.runtime.supervisor import run_cell
from anomark.suite_records import Jobs


def run(jobs: Jobs, name: str) -> None:
    """Run the cell of that id, <dataset>/<method>/<seed>-<key>, and print an outcome that is bad."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the child is ended and its folder cleared
    if name not in jobs.cells:
        raise AnomarkError(f"the plan has no cell {name}; the suite changed meanwhile, run snakemake again")
    record = run_cell(jobs.cells[name], jobs.limits)
    if not record.status.good and record.status != Outcome.REFUSED:  # `prepare` has printed a refusal already
        print(f"{name}: {record.status}: {record.reason}", file=sys.stderr)
