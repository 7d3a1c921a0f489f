"""Fuzz every parser: `python -m tests.fuzz --cases 50000`; what a parser lets out is printed, and the exit status is 1.

Equal numbers of cases give equal cases. `--only NAME` runs one parser, `--seed` draws others.
"""

from __future__ import annotations

import argparse
import sys
import time

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.breaking import Files, broken
from tests.fuzz.parsers import PARSERS, Parser, accepts


def fuzz(parser: Parser, cases: int, number: int = 0) -> tuple[int, int]:
    """Run so many cases through a parser.

    Returns:
        How many ran, and how many of them the parser took in spite of the damage.

    Raises:
        Exception: what the parser let out, for the smallest files that were found to do it.
    """
    counts = {"ran": 0, "taken": 0}

    @seed(number)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=False,
    )
    @given(broken(parser.valid))
    def each(files: Files) -> None:
        counts["ran"] += 1
        counts["taken"] += accepts(parser, files)

    each()
    return counts["ran"], counts["taken"]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cases", type=int, default=50_000)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--only")
    args = arguments.parse_args()
    chosen = [parser for parser in PARSERS if args.only in (None, parser.name)]
    shares, ran, lost, started = sum(parser.share for parser in chosen), 0, 0, time.monotonic()
    for parser in chosen:
        begin = time.monotonic()
        try:
            count, taken = fuzz(parser, -(-args.cases * parser.share // shares), args.seed)
        except BaseExceptionGroup as group:
            failures: list[BaseException] = list(group.exceptions)
        except Exception as error:
            failures = [error]
        else:
            ran += count
            seconds = time.monotonic() - begin
            print(f"{parser.name}: {count} cases, {taken} taken, {count - taken} refused, {seconds:.0f} s", flush=True)
            continue
        lost += 1
        for error in failures:
            print(
                f"{parser.name}: {type(error).__name__}: {str(error)[:400]}",
                *getattr(error, "__notes__", ()),
                flush=True,
            )
    print(f"{ran} cases, {lost} of {len(chosen)} parsers let an error out, {time.monotonic() - started:.0f} s")
    return bool(lost)


if __name__ == "__main__":
    sys.exit(main())
