"""Own series: your time series as a CSV table with a column of labels, 0 normal and 1 anomalous.

It needs no code: `table-pump` in a suite reads `table/pump.csv` of the data folder. A table has a header, numbers, a
column `label`, and normal rows in its first half; `dataset_params` sets what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomark.contracts import Array, DataError, Prepared
from anomark.data.rawfiles import RawFiles
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
#: Names of the column of time, which a table may lack, and of the column of labels. A window of 0 stands for the period
#: of the training part.
DEFAULTS = {"time": "timestamp", "label": "label", "train_share": 0.5, "window": 0, "stride_divisor": 8}
FILES = (("table/{item}.csv",), ("table/{item}/train.csv", "table/{item}/test.csv"))
SHORTEST, LONGEST = 32, 512  # window length L where it is taken from the period, steps


def prepare(
    raw: Path, *, item: str, time: str, label: str, train_share: float, window: int, stride_divisor: int
) -> Prepared:
    """Every column but time and label is a variable; labels are 0 (normal) and 1 (anomalous), one a row.

    Of a single table the first rows train, a share of `train_share`. Training rows must be normal, and time must go on
    from row to row.

    Raises:
        DataError: a file is missing or broken, or the training part holds an anomaly.
    """
    files = RawFiles(raw, FILES, item=item)
    name = files.one(f"{item}.csv", "test.csv")
    values, labels, columns = _read(files, name, time, label, needs_labels=True)
    if name.endswith("/test.csv"):
        train_name, split = files.one("train.csv"), 0
        train, train_labels, train_columns = _read(files, train_name, time, label, needs_labels=False)
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
        notes=(f"variables: {', '.join(columns)}",),
    )


def _read(files: RawFiles, name: str, time: str, label: str, *, needs_labels: bool) -> tuple[Array, Array, list[str]]:
    """Values float64 (T, C), labels uint8 (T,) and the names of the C variables of one table."""
    columns: list[str] = []
    labels: list[Array] = []
    clock = _Clock(name, time)

    def rows() -> Iterator[Array]:
        for table in read_csv(files, name, keep_default_na=False):
            header = list(table.columns)
            if needs_labels and label not in header:
                raise DataError(
                    f"{name}: columns are {', '.join(header)}, expected a column {label!r} of 0 and 1; add it, or give "
                    "its name as `label` in dataset_params"
                )
            columns[:] = [column for column in header if column not in (time, label)]
            if not columns:
                raise DataError(
                    f"{name}: columns are {', '.join(header)}, expected one variable at least; add its column"
                )
            if time in header:
                clock.check(table[time])
            numbers = table.drop(columns=time, errors="ignore").apply(pd.to_numeric, errors="coerce")
            for column in numbers:
                is_label = column == label
                right = np.isin(numbers[column], (0, 1)) if is_label else np.isfinite(numbers[column].to_numpy(float))
                if not right.all():
                    row = table.index[int(np.argmin(right))]
                    kind = "0 or 1" if is_label else "a finite number"
                    raise DataError(
                        f"{name}: line {row + 2} has {column} {table.loc[row, column]!r}, expected {kind}; "
                        "correct it, or "
                        "remove the line"
                    )
            labels.append(numbers[label].to_numpy(np.uint8) if label in header else np.zeros(len(table), np.uint8))
            yield numbers[columns].to_numpy(np.float64)

    return stored(rows()), np.concatenate(labels), columns


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
