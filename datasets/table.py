"""Own series: your time series as a CSV table with a column of labels, 0 normal and 1 anomalous.

It needs no code: `table-pump` in a suite reads `table/pump.csv` of the data folder. A table has a header, numbers, a
column of labels, and normal rows in its first half; `dataset_params` sets what differs. Values may be separated by
commas, semicolons, tabs or bars, and decimals may stand behind a comma. Labels are 0 and 1, false and true, no and yes,
normal and anomaly, or 1 and -1, of which -1 is the anomaly. Gaps of a few rows are filled along straight lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from glob import escape
from pathlib import Path

import numpy as np
import pandas as pd

from anomark.contracts import Array, Columns, DataError, Prepared
from anomark.data.rawfiles import RawFiles, named
from anomark.data.reading.labels import label_column, meaning, usual_label
from anomark.data.reading.values import Clock, clock_column, fill_gaps, numbers_of
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
#: part. Longer gaps than `longest_gap` rows are refused. `path` names the file or folder, where it does not lie in the
#: data folder.
DEFAULTS = {
    "time": "",
    "label": "",
    "normal": "",
    "train_share": 0.5,
    "window": 0,
    "stride_divisor": 8,
    "longest_gap": 5,
    "path": "",
}
FILES = (("table/{item}.csv",), ("table/{item}/train.csv", "table/{item}/test.csv"))
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
    path: str = "",
) -> Prepared:
    """Every column but time and label is a variable; there is one label a row.

    Of a single table the first rows train, a share of `train_share`. Training rows must be normal, and time must go on
    from row to row.

    Raises:
        DataError: a file is missing or broken, or the training part holds an anomaly.
    """
    files = RawFiles(raw, FILES, item=item, path=path)
    name = files.one(escape(named(path).name) if path else f"{item}.csv", "test.csv")
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
        columns=Columns(tuple(columns), time=time, label=label, longest_gap=longest_gap),
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
        clock: Clock | None = None
        for table in read_csv(files, name, keep_default_na=False):
            header = list(table.columns)
            told = label_column(name, header, label) if needs_labels else usual_label(header, label)
            when = clock_column(header, time)
            columns[:] = [column for column in header if column not in (when, told)]
            if not columns:
                raise DataError(
                    f"{name}: columns are {', '.join(header)}, expected one variable at least; add its column"
                )
            if when:
                clock = clock or Clock(name, when)
                clock.check(table[when])
            values = numbers_of(name, table[columns])
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
        fill_gaps(name, values, columns, longest_gap)
    return values, labels, columns, notes
