"""Compares the stored results of two checkouts bit for bit: what a rebuild of the code must leave as it was.

    python tests/equal_results.py BEFORE AFTER

BEFORE and AFTER are folders that hold `results/`. Cells are matched by dataset, method and seed, because the key in a
cell's folder name changes with the code. The arrays in `scores.npz` must be equal to the last bit, and the rows of each
suite's `metrics.csv` must be equal as sets. The exit status is 1 where anything differs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd


def cells(root: Path) -> dict[tuple[str, str, str], Path]:
    """(dataset, method, seed) -> the `scores.npz` of every stored cell below `root`/results/cells."""
    found = {}
    for path in sorted((root / "results/cells").glob("*/*/*/scores.npz")):
        dataset, method, cell = path.parts[-4:-1]
        found[dataset, method, cell.partition("-")[0]] = path
    return found


def differing_arrays(before: Path, after: Path) -> list[str]:
    """Names of the arrays of two `scores.npz` files that are not equal in dtype, shape and every bit."""
    with np.load(before) as old, np.load(after) as new:
        names = sorted({*old.files, *new.files})
        return [
            name
            for name in names
            if name not in old.files or name not in new.files or old[name].tobytes() != new[name].tobytes()
        ]


def rows(path: Path) -> set[tuple[str, ...]]:
    """The rows of a `metrics.csv`, as text, so that equal means equal to the last printed digit."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return set(table[["dataset", "method", "seed", "metric", "value", "level"]].itertuples(index=False, name=None))


def main(before: Path, after: Path) -> int:
    """Print what differs and return the number of differences."""
    old, new = cells(before), cells(after)
    problems = [f"cell {'/'.join(cell)}: stored in one of the two only" for cell in sorted(old.keys() ^ new.keys())]
    shared = sorted(old.keys() & new.keys())
    for cell in shared:
        if names := differing_arrays(old[cell], new[cell]):
            problems.append(f"cell {'/'.join(cell)}: {', '.join(names)} differ")
    folders = [{path.parent.name for path in (root / "results").glob("*/metrics.csv")} for root in (before, after)]
    suites = sorted(folders[0] & folders[1])
    for suite in suites:
        first, second = (rows(root / "results" / suite / "metrics.csv") for root in (before, after))
        problems += [f"suite {suite}: only before: {row}" for row in sorted(first - second)]
        problems += [f"suite {suite}: only after: {row}" for row in sorted(second - first)]
        print(f"suite {suite}: {len(first)} rows before, {len(second)} after, {len(first & second)} equal")
    print(f"{len(shared)} cells compared, {len(problems)} differences")
    print(*problems[:50], sep="\n")
    return len(problems)


if __name__ == "__main__":
    sys.exit(bool(main(*map(Path, sys.argv[1:3]))))
