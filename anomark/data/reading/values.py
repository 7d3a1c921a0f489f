"""Columns of a series' table as people write them: its clock, its numbers, and gaps in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from anomark.contracts import Array, DataError

#: Usual names of the column of time, and how people write that a value is missing.
TIMES = ("timestamp", "time", "date", "datetime")
MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?")


def clock_column(columns: Sequence[str], time: str) -> str | None:
    """The column called `time`, or where that is empty the first of the usual names, in capitals or not; or None."""
    if time:
        return time if time in columns else None
    return next((column for column in columns if column.lower() in TIMES), None)


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


def fill_gaps(name: str, values: Array, columns: list[str], longest: int) -> None:
    """Replace NaN by straight lines between the values beside it, and at the ends by the nearest value.

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
            raise DataError(
                f"{name}: {column} has no value in {lengths[first]} rows from line {edges[2 * first] + 2} on, and gaps "
                f"of {longest} rows at most are filled; cut the table there, or raise longest_gap in dataset_params"
            )
        values[gaps, i] = np.interp(np.flatnonzero(gaps), np.flatnonzero(~gaps), values[~gaps, i])


class Clock:
    """The column of time, which must go on from row to row: numbers, or what pandas reads as dates."""

    def __init__(self, name: str, column: str) -> None:
        self.name, self.column = name, column
        self.read: Callable[[pd.Series], pd.Series] | None = None
        self.last: list[Any] = []

    def check(self, times: pd.Series) -> None:
        """Go on with the next rows; the first ones tell numbers from dates."""
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

    def _refuse(self, reason: str) -> None:
        raise DataError(f"{self.name}: {reason}")


def _numbers(times: pd.Series) -> pd.Series:
    return pd.to_numeric(times, errors="coerce").astype(float)


def _dates(times: pd.Series) -> pd.Series:
    return pd.to_datetime(times, format="mixed", errors="coerce", utc=True).dt.tz_localize(None)


def times_of(texts: pd.Series) -> Array:
    """Times as float64 or datetime64 (T,), whichever reads more of them."""
    read = min((_numbers, _dates), key=lambda read: int(read(texts).isna().sum()))
    return np.asarray(read(texts).to_numpy())
