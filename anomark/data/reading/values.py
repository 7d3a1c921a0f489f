"""Columns of a series' table as people write them: its clock, its numbers, and gaps in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from anomark.contracts import Array, DataError
from anomark.data.streamed import BLOCK, blocks

#: Usual names of the column of time, and how people write that a value is missing.
TIMES = ("timestamp", "time", "date", "datetime", "timestamps", "date_time", "ts")
MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?")


def clock_column(columns: Sequence[str], time: str, first: pd.DataFrame | None = None) -> str | None:
    """The column called `time`, or where that is empty the first of the usual names, in capitals or not; or None.

    Args:
        first: the first rows as text. Where no column has a usual name, the first one that holds dates is taken, or
            one without a name that counts the rows, as pandas writes it.
    """
    if time:
        return time if time in columns else None
    if usual := next((column for column in columns if column.strip().lower() in TIMES), None):
        return usual
    if first is None or not len(first):
        return None
    return next((column for column in columns if _tells_time(column, first[column].head(LOOKED_AT))), None)


def _tells_time(column: str, texts: pd.Series) -> bool:
    numbers = _numbers(texts)
    if numbers.notna().any():
        return column.startswith("Unnamed:") and bool((numbers.diff().iloc[1:] == 1).all())
    dated = texts.str.contains(r"\d[-/.:T ]\d", regex=True)
    return bool(dated.all()) and bool(_dates(texts).notna().all())


#: Rows that tell a column of dates, and the share of the usual step by which steps may differ and still be even.
LOOKED_AT, EVEN = 100, 0.01


def irregular(times: Array, lines: Array | None = None) -> str:
    """What to say of steps of time that are not all alike; empty where they are.

    Args:
        times: rising, datetime64 or float64 (T,).
        lines: the line of each of them in its file (T,), or None where they follow each other.
    """
    if len(times) < 3:
        return ""
    first = np.sort(np.diff(times[: BLOCK + 1]))
    usual, longest = first[len(first) // 2], (first[0], 0)
    uneven = begin = 0
    for block in blocks(times, overlap=1):
        steps = np.diff(block)
        uneven += int((np.abs(steps - usual) > EVEN * usual).sum())
        longest = max(longest, (steps.max(), begin + int(np.argmax(steps)) + 1), key=lambda found: found[0])
        begin += len(steps)
    if not uneven:
        return ""
    step, row = longest
    return (
        f"time goes on in uneven steps: {uneven} of {len(times) - 1} differ from the usual {_length(usual)}, and the "
        f"longest, before line {row + 2 if lines is None else lines[row]}, is {_length(step)}; each row counts as one "
        "step"
    )


def _length(step: Any) -> str:
    return str(pd.Timedelta(step)).removeprefix("0 days ") if isinstance(step, np.timedelta64) else f"{step:g}"


def numbers_of(name: str, table: pd.DataFrame) -> Array:
    """Values float64 (T, C), NaN where a cell says that its value is missing."""
    empty = table.apply(lambda column: column.str.strip().str.lower().isin(MISSING)).to_numpy()
    values = table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    wrong = ~np.isfinite(values) & ~empty
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{name}: line {table.index[row] + 2} has {table.columns[column]} {table.iloc[row, column]!r}, expected a "
            "finite number; correct it, or remove the line"
        )
    return values


def fill_gaps(name: str, values: Array, columns: list[str], longest: int, lines: Array | None = None) -> None:
    """Replace NaN by straight lines between the values beside it, and at the ends by the nearest value.

    Args:
        lines: the line of each row in its file, where rows of other series stand between.

    Raises:
        DataError: a gap has more rows than `longest`, or a column holds nothing.
    """
    for i, column in enumerate(columns):
        gaps = np.isnan(values[:, i])
        if not gaps.any():
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[False], gaps, [False]]).astype(np.int8)))
        lengths = edges[1::2] - edges[::2]
        if (lengths > longest).any():
            first = int(np.argmax(lengths > longest))
            row = int(edges[2 * first])
            raise DataError(
                f"{name}: {column} has no value in {lengths[first]} rows from line "
                f"{row + 2 if lines is None else lines[row]} on, and gaps "
                f"of {longest} rows at most are filled; cut the table there, or raise longest_gap in dataset_params"
            )
        values[gaps, i] = np.interp(np.flatnonzero(gaps), np.flatnonzero(~gaps), values[~gaps, i])


class Clock:
    """The column of time, which must go on from row to row: numbers, or what pandas reads as dates."""

    def __init__(self, name: str, column: str) -> None:
        self.name, self.column = name, column
        self.read: Callable[[pd.Series], pd.Series] | None = None
        self.last: list[Any] = []

    def check(self, times: pd.Series) -> Array:
        """Go on with the next rows, and return their times as float64 or datetime64; the first tell which they are."""
        read = self.read = self.read or min((_numbers, _dates), key=lambda read: int(read(times).isna().sum()))
        clock = read(times)
        if clock.isna().any():
            row = int(np.argmax(clock.isna()))
            self._refuse(
                f"line {times.index[row] + 2} has {self.column} {times.iloc[row]!r}, expected a time or a number; "
                "correct it"
            )
        ticks = np.concatenate([self.last, clock.to_numpy()]) if self.last else clock.to_numpy()
        still = np.flatnonzero(ticks[1:] <= ticks[:-1]) + 1 - len(self.last)
        if len(still):
            self._refuse(
                f"time stands still or goes back at line {times.index[still[0]] + 2} ({times.iloc[still[0]]}); "
                f"sort the rows, or leave the column {self.column} out if their order is right"
            )
        self.last = list(ticks[-1:])
        return np.asarray(clock.to_numpy())

    def _refuse(self, reason: str) -> None:
        raise DataError(f"{self.name}: {reason}")


def _numbers(times: pd.Series) -> pd.Series:
    return pd.to_numeric(times, errors="coerce").astype(float)


def _dates(times: pd.Series) -> pd.Series:
    # Where dots stand between the numbers of a date, the day comes first.
    dotted = bool(times.head(LOOKED_AT).str.match(r"\s*\d{1,2}\.\d{1,2}\.").any())
    read = pd.to_datetime(times, format="mixed", errors="coerce", utc=True, dayfirst=dotted)
    return read.dt.tz_localize(None)


def times_of(texts: pd.Series) -> Array:
    """Times as float64 or datetime64 (T,), whichever reads more of them."""
    read = min((_numbers, _dates), key=lambda read: int(read(texts).isna().sum()))
    return np.asarray(read(texts).to_numpy())
