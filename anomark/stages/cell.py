"""Stages 2 and 3 of one cell: fit a method on normal data, then score the test samples.

It exits 0 whatever the method did, because a failure is an outcome of the cell too. Only an outcome that can't be
written fails the job.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from anomark.contracts import AnomarkError
from anomark.outcomes import Outcome
from anomark.runtime.supervisor import run_cell
from anomark.suite_records import Jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("cell", help="<dataset>/<method>/<seed>-<key>")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the child is ended and its folder cleared
    try:
        jobs = Jobs.load(args.plan)
        if args.cell not in jobs.cells:
            raise AnomarkError(
                f"{args.plan}: it has no cell {args.cell}; the suite changed meanwhile, run snakemake again"
            )
        record = run_cell(jobs.cells[args.cell], jobs.limits)
    except (AnomarkError, OSError) as error:
        raise SystemExit(f"anomark cell: {error}") from None
    if not record.status.good and record.status != Outcome.REFUSED:  # `prepare` has printed a refusal already
        print(f"{args.cell}: {record.status}: {record.reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
