"""Own series: your time series as a CSV or Parquet table, with a column of labels or without one.

It needs no code: `table-pump` in a suite reads `table/pump.csv` of the data folder. A table has a header and numbers,
and normal rows in its first half; `dataset_params` sets what differs. Values may be separated by commas, semicolons,
tabs or bars, and decimals may stand behind a comma. Labels are 0 and 1, false and true, no and yes, normal and anomaly,
or 1 and -1, of which -1 is the anomaly. Gaps of a few rows are filled along straight lines.

Without a column of labels there are scores, pictures and the stretches that score highest, and no metrics. A table of
several series, one for each device, say, becomes a dataset for each of them: name the column as `entity`.
"""

from __future__ import annotations

from glob import escape
from pathlib import Path

import numpy as np

from anomark.contracts import Columns, DataError, Prepared
from anomark.data.rawfiles import RawFiles, named
from anomark.data.reading.tables import Layout, entities_of, read_table
from anomark.data.series import autocorrelation_period, prepare_series

NAME = "Own series"
LABEL = "Own series"
MODALITY = "series"
LEVEL = "point"
LICENCE = "yours"
SOURCE = "your own table"
CITATION = ""
#: Any name of a table, or of a folder with the tables train.csv and test.csv.
ITEMS: dict[str, dict] = {"*": {}}
#: Names of the column of time, and of that of labels, either of which a table may lack: the usual ones where these are
#: empty. The label of normal rows, where it is an unusual one. The column that tells whose row it is, and the only one
#: whose rows are read; where that is empty, each is a dataset. A window of 0 stands for the period of the training
#: part. Longer gaps than `longest_gap` rows are refused. `path` names the file or folder, where it does not lie in the
#: data folder.
DEFAULTS = {
    "time": "",
    "label": "",
    "normal": "",
    "entity": "",
    "only": "",
    "train_share": 0.5,
    "window": 0,
    "stride_divisor": 8,
    "longest_gap": 5,
    "path": "",
}
FILES = (
    ("table/{item}.csv",),
    ("table/{item}/train.csv", "table/{item}/test.csv"),
    ("table/{item}.parquet",),
    ("table/{item}/train.parquet", "table/{item}/test.parquet"),
    ("table/{item}.tsv",),
    ("table/{item}.txt",),
)
ENDINGS = (".csv", ".parquet", ".tsv", ".txt")
SHORTEST, LONGEST = 32, 512  # window length L where it is taken from the period, steps


def prepare(
    raw: Path,
    *,
    item: str,
    time: str,
    label: str,
    normal: str,
    entity: str = "",
    only: str = "",
    train_share: float,
    window: int,
    stride_divisor: int,
    longest_gap: int,
    path: str = "",
) -> Prepared:
    """Every column but time, label and entity is a variable; there is one label a row, or none at all.

    Of a single table the first rows train, a share of `train_share`. Rows that are known to be anomalous must not
    train, and time must go on from row to row.

    Raises:
        DataError: a file is missing or broken, or the training part holds an anomaly.
    """
    files = RawFiles(raw, FILES, item=item, path=path)
    name = _main(files, item, path)
    if entity and not only:
        found = entities_of(files, name, entity)
        raise DataError(
            f"{name}: holds {len(found)} series by its column {entity}; name one as `only` in dataset_params, or run "
            "all of them from a suite"
        )
    layout = Layout(time, label, normal, longest_gap, entity, only)
    table = read_table(files, name, layout, must_have_label=bool(label))
    notes, split = [f"variables: {', '.join(table.columns)}", *table.notes], 0
    train_name, training = name, table
    if Path(name).stem == "test":
        train_name = files.one(f"train{Path(name).suffix}")
        training = read_table(files, train_name, layout)
        notes += training.notes
        if training.columns != table.columns:
            raise DataError(
                f"{train_name}: columns are {', '.join(training.columns)}, those of {Path(name).name} "
                f"{', '.join(table.columns)}; give both the same"
            )
        train, labels = training.values, training.labels
    else:
        split = int(len(table.values) * train_share)
        train, labels = table.values[:split], None if table.labels is None else table.labels[:split]
    if labels is not None and labels.any():
        row = int(np.argmax(labels))
        raise DataError(
            f"{train_name}: line {training.line(row)} of the training part ({len(train)} rows) is labelled an "
            f"anomaly; train on normal rows alone, as with train_share below {row / len(training.values):.3g} in "
            "dataset_params"
        )
    if not len(train):
        raise DataError(f"{train_name}: no row to train on; raise train_share in dataset_params")
    if labels is None:
        notes.append(f"nothing says whether the {len(train)} rows that train are normal; anomalies may be among them")
    length = window or int(np.clip(autocorrelation_period(train[:, 0]) or SHORTEST, SHORTEST, LONGEST))
    share = f"train = first {split} of {len(table.values)} rows" if split else "train and test are files of their own"
    return prepare_series(
        train,
        table.values[split:],
        None if table.labels is None else table.labels[split:],
        window=length,
        stride_divisor=stride_divisor,
        source=name,
        times=None if table.times is None else table.times[split:],
        columns=Columns(tuple(table.columns), time=time or table.clock, label=label, longest_gap=longest_gap),
        normal_class="" if table.labels is None else "label 0",
        choices=(share, f"L = {length} steps"),
        notes=tuple(notes),
    )


def entities(raw: Path, *, item: str, entity: str, path: str, **params: object) -> list[str]:
    """Whose rows the table holds, by its column `entity`: each becomes a dataset.

    Raises:
        DataError: the table is missing, or has no such column.
    """
    files = RawFiles(raw, FILES, item=item, path=path)
    return entities_of(files, _main(files, item, path), entity)


def _main(files: RawFiles, item: str, path: str) -> str:
    """The table that is tested."""
    names = [escape(named(path).name)] if path else [f"{item}{ending}" for ending in ENDINGS]
    return files.one(*names, *(f"test{ending}" for ending in ENDINGS))
