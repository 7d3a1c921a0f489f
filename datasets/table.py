"""Own series: your time series as a CSV table with a column of labels, 0 normal and 1 anomalous.

It needs no code: `table-pump` in a suite reads `table/pump.csv` of the data folder. A table has a header, numbers, a
column of labels, and normal rows in its first half; `dataset_params` sets what differs. Values may be separated by
commas, semicolons, tabs or bars, and decimals may stand behind a comma. Labels are 0 and 1, false and true, no and yes,
normal and anomaly, or 1 and -1, of which -1 is the anomaly. Gaps of a few rows are filled along straight lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomark.contracts import Array, DataError, Prepared
from anomark.data.rawfiles import RawFiles
from anomark.data.reading.labels import label_column, meaning, usual_label
from anomark.data.series import autocorrelation_period, prepare_series
from anomark.data.streamed import read_csv, stored

NAME = "Own series"
LABEL = "Own series"
MODALITY = "series"
LEVEL = "point"
LICENCE = "yours"
SOURCE = "your own table"
CITATION = ""
#: Any name of a table, or of a folder with the tables train.csv and test.csv.
ITEMS: dict[str, dict] = {"*": {}}
#: Names of the column of time, which a table may lack, and of the column of labels: the usual ones where these are
#: empty. The label of normal rows, where it is an unusual one. A window of 0 stands for the period of the training
#: part. Longer gaps than `longest_gap` rows are refused.
DEFAULTS = {
    "time": "",
    "label": "",
    "normal": "",
    "train_share": 0.5,
    "window": 0,
    "stride_divisor": 8,
    "longest_gap": 5,
}
FILES = (("table/{item}.csv",), ("table/{item}/train.csv", "table/{item}/test.csv"))
#: Usual names of the column of time, and how people write that a value is missing.
TIMES = ("timestamp", "time", "date", "datetime")
MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?")
SHORTEST, LONGEST = 32, 512  # window length L where it is taken from the period, steps


def prepare(
    raw: Path,
    *,
    item: str,
    time: str,
    label: str,
    normal: str,
    train_share: float,
    window: int,
    stride_divisor: int,
    longest_gap: int,
) -> Prepared:
    """Every column but time and label is a variable; there is one label a row.

    Of a single table the first rows train, a share of `train_share`. Training rows must be normal, and time must go on
    from row to row.

    Raises:
        DataError: a file is missing or broken, or the training part holds an anomaly.
    """
    files = RawFiles(raw, FILES, item=item)
    name = files.one(f"{item}.csv", "test.csv")
    read = partial(_read, files, time=time, label=label, normal=normal, longest_gap=longest_gap)
    values, labels, columns, filled = read(name, needs_labels=True)
    if name.endswith("/test.csv"):
        train_name, split = files.one("train.csv"), 0
        train, train_labels, train_columns, more = read(train_name, needs_labels=False)
        filled += more
        if train_columns != columns:
            raise DataError(
                f"{train_name}: columns are {', '.join(train_columns)}, those of test.csv {', '.join(columns)}; "
                "give both the same"
            )
    else:
        train_name, split = name, int(len(values) * train_share)
        train, train_labels = values[:split], labels[:split]
    if train_labels.any():
        row = int(np.argmax(train_labels))
        raise DataError(
            f"{train_name}: line {row + 2} of the training part ({len(train)} rows) is labelled an anomaly; train on "
            f"normal rows alone, as with train_share below {row / len(values):.3g} in dataset_params"
        )
    if not len(train):
        raise DataError(f"{train_name}: no row to train on; raise train_share in dataset_params")
    length = window or int(np.clip(autocorrelation_period(train[:, 0]) or SHORTEST, SHORTEST, LONGEST))
    share = f"train = first {split} of {len(values)} rows" if split else "train and test are files of their own"
    return prepare_series(
        train,
        values[split:],
        labels[split:],
        window=length,
        stride_divisor=stride_divisor,
        source=name,
        normal_class="label 0",
        choices=(share, f"L = {length} steps"),
        notes=(f"variables: {', '.join(columns)}", *filled),
    )


def _read(
    files: RawFiles, name: str, *, time: str, label: str, normal: str, longest_gap: int, needs_labels: bool
) -> tuple[Array, Array, list[str], list[str]]:
    """Values float64 (T, C), labels uint8 (T,), the names of the C variables of one table, and what its notes tell."""
    columns: list[str] = []
    codes: list[Array] = []
    lines: dict[str, int] = {}
    missing = 0

    def rows() -> Iterator[Array]:
        nonlocal missing
        clock: _Clock | None = None
        for table in read_csv(files, name, keep_default_na=False):
            header = list(table.columns)
            told = label_column(name, header, label) if needs_labels else usual_label(header, label)
            when = time if time in header else next((c for c in header if not time and c.lower() in TIMES), None)
            columns[:] = [column for column in header if column not in (when, told)]
            if not columns:
                raise DataError(
                    f"{name}: columns are {', '.join(header)}, expected one variable at least; add its column"
                )
            if when:
                clock = clock or _Clock(name, when)
                clock.check(table[when])
            values = _numbers_of(name, table[columns])
            missing += int(np.isnan(values).sum())
            text = table[told].str.strip().str.lower() if told else pd.Series("0", index=table.index)
            first = text.drop_duplicates()
            for value, line in zip(first, (first.index + 2).tolist(), strict=True):
                lines.setdefault(value, line)
            number = {value: i for i, value in enumerate(lines)}
            codes.append(text.map(number).to_numpy(np.int64))
            yield values

    values = stored(rows())
    means = meaning(name, lines, normal)
    labels = np.array([*means.values()], np.uint8)[np.concatenate(codes)] if means else np.zeros(0, np.uint8)
    notes = [f"{missing} missing values, filled along straight lines"] * bool(missing)
    notes += ["labels are 1 and -1, of which -1 is an anomaly"] * any(value.startswith("-1") for value in means)
    if missing:
        _fill(name, values, columns, longest_gap)
    return values, labels, columns, notes


def _numbers_of(name: str, table: pd.DataFrame) -> Array:
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


def _fill(name: str, values: Array, columns: list[str], longest: int) -> None:
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


class _Clock:
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
