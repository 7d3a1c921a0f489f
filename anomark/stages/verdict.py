"""The last word of a run: exit status 1 if something failed or was refused, after everything else was built."""

from __future__ import annotations

import io
from pathlib import Path

from anomark import seals, spreadsheet
from anomark.outcomes import Outcome
from anomark.suite_records import Jobs


def run(jobs: Jobs, coverage: str, sweep: str, verdict: str) -> None:
    """Read the suite's coverage.csv and sweep.csv, and write `verdict` where no outcome is bad."""
    cells, sweeps = (spreadsheet.read(io.BytesIO(seals.read(Path(path)))) for path in (coverage, sweep))
    if "reference" in cells:  # how others' cells ended is no news of this run
        cells = cells[cells["reference"].isna()]
    bad = cells[~cells["status"].map(lambda status: Outcome(status).good)]
    refused = bad[bad["status"] == Outcome.REFUSED].drop_duplicates("dataset")
    failed = [*bad[bad["status"] != Outcome.REFUSED].to_dict("records")]
    lost = sweeps.dropna(subset=["failed"])
    failed += lost.assign(status="sweep failed", reason=lost["failed"]).to_dict("records")
    counts = ", ".join(f"{n} {status}" for status, n in cells["status"].value_counts().items())
    for row in refused.to_dict("records"):
        print(f"refused: {row['dataset']}: {row['reason']}")
    for row in failed:
        print(f"{row['status']}: {row['dataset']} {row['method']} seed {row['seed']:g}: {row['reason']}")
    hints = ["A refused dataset is tried again once its files or its parameters change."] * bool(len(refused))
    hints += ["`anomark retry` runs what failed again."] * bool(failed)
    if hints:
        raise SystemExit(
            f"{len(bad)} of {len(cells)} outcomes are bad ({counts}); the report is built and names them. "
            + " ".join(hints)
        )
    Path(verdict).write_text(f"{counts}\n")
    seals.seal(Path(verdict))
    print(counts)
