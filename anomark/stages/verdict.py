"""The last word of a run: exit status 1 if something failed or was refused, after everything else was built."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from anomark.outcomes import Outcome


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("coverage", type=Path)
    parser.add_argument("sweep", type=Path)
    parser.add_argument("verdict", type=Path)
    args = parser.parse_args(argv)
    # "n/a" is an outcome, and would be read as missing.
    cells, sweeps = (pd.read_csv(path, keep_default_na=False, na_values=[""]) for path in (args.coverage, args.sweep))
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
    hints += ["`anomark gc --bad` drops what failed, so that the next run tries it again."] * bool(failed)
    if hints:
        raise SystemExit(
            f"{len(bad)} of {len(cells)} outcomes are bad ({counts}); the report is built and names them. "
            + " ".join(hints)
        )
    args.verdict.write_text(f"{counts}\n")
    print(counts)


if __name__ == "__main__":
    main()
