"""Tries to break the benchmark in many ways, and fails if it was broken once: `make torture`.

    python -m tests.torture                the long form
    python -m tests.torture --short        under two minutes
    python -m tests.torture --only kills   one of its parts; may be given several times

A part is a module of this folder with `run(count, folder)`, which yields the cases as they are decided, and with its
counts for both forms, FULL and SHORT.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby
from pathlib import Path

from tests.torture.case import Case

PARTS = sorted(
    {path.stem for path in Path(__file__).parent.glob("*.py")} - {"__init__", "__main__", "case", "attempts"}
)


def cases(part: str, short: bool, folder: Path) -> Iterator[Case]:
    """The cases of one part. A part that breaks down is a case that did not survive."""
    try:
        module = import_module(f"tests.torture.{part}")
        yield from module.run(module.SHORT if short else module.FULL, folder)
    except Exception as error:
        traceback.print_exc()
        yield Case(part, "the test itself", False, f"{type(error).__name__}: {error}".splitlines()[0])


def summary(tried: list[Case]) -> list[tuple[str, int, int]]:
    """(kind, tried, survived) of each kind, in the alphabet's order."""
    kinds = groupby(sorted(tried, key=lambda case: case.kind), key=lambda case: case.kind)
    counted = [(kind, [case.survived for case in group]) for kind, group in kinds]
    return [(kind, len(survived), sum(survived)) for kind, survived in counted]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=PARTS, help="a part to run instead of all")
    parser.add_argument("--short", action="store_true", help="a few cases of each part")
    parser.add_argument("--out", type=Path, default=Path("reports/torture"), help="where summary.csv and cases.csv go")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    tried: list[Case] = []
    with (args.out / "cases.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["kind", "name", "survived", "detail"])
        for part in args.only or PARTS:
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix=f"anomark-{part}-") as folder:
                for case in cases(part, args.short, Path(folder)):
                    tried.append(case)
                    table.writerow([case.kind, case.name, case.survived, case.detail])
                    stream.flush()
                    mark = "survived" if case.survived else "LOST"
                    print(f"{len(tried):4} {mark:8} {case.kind}: {case.name}: {case.detail}", flush=True)
            print(f"{part}: {time.monotonic() - began:.0f} s", flush=True)
    rows = summary(tried)
    with (args.out / "summary.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("case", "tried", "survived"), *rows])
    for kind, count, survived in rows:
        print(f"{kind}: {survived} of {count} survived")
    print(args.out / "summary.csv")
    return int(any(survived < count for _, count, survived in rows))


if __name__ == "__main__":
    sys.exit(main())
