"""Telemetry in the layout of telemanom: train/<channel>.npy, test/<channel>.npy and labeled_anomalies.csv.

The layout is that of Hundman et al.: Detecting Spacecraft Anomalies Using LSTMs, KDD 2018.
"""

from __future__ import annotations

import ast
import io
from pathlib import Path

import numpy as np
import pandas as pd

from anomark.contracts import Array, DataError, Prepared
from anomark.data.rawfiles import RawFiles
from anomark.data.series import prepare_series


def prepare_channel(
    raw: Path, *, layouts: tuple[tuple[str, ...], ...], item: str, window: int, stride_divisor: int
) -> Prepared:
    """One channel with its owner's split and labels. Column 0 is telemetry, and the others are commands, 0 or 1.

    Args:
        layouts: `FILES` of the dataset.

    Raises:
        DataError: a file is missing or broken, or the channel has no labelled range.
    """
    files = RawFiles(raw, layouts, item=item)
    name = files.one(f"test/{item}.npy")
    train, test, labels = read_channel(files, item)
    constant = int((train == train[0]).all(axis=0).sum())
    return prepare_series(
        train,
        test,
        labels,
        window=window,
        stride_divisor=stride_divisor,
        source=name,
        normal_class="outside the labelled ranges",
        choices=(f"L = {window} steps", "labelled ranges include their end"),
        notes=(f"{constant} of {train.shape[1]} columns are constant in training",),
    )


def read_channel(files: RawFiles, channel: str) -> tuple[Array, Array, Array]:
    """Training part (T, C), test part (T', C) and its labels uint8 (T',)."""
    train_name, test_name = files.one(f"train/{channel}.npy"), files.one(f"test/{channel}.npy")
    train, test = _read_array(train_name, files.read(train_name)), _read_array(test_name, files.read(test_name))
    if train.shape[1] != test.shape[1]:
        raise DataError(
            f"{test_name}: {test.shape[1]} columns, the training part has {train.shape[1]}; "
            "delete both and fetch them again"
        )
    labels = np.zeros(len(test), dtype=np.uint8)
    for first, last in _read_ranges(files, channel):
        if not 0 <= first <= last < len(test):
            table_name = files.one("labeled_anomalies.csv")
            raise DataError(
                f"{table_name}: range {first}-{last} of {channel} lies outside its {len(test)} test steps; "
                "delete the table and fetch it again"
            )
        labels[first : last + 1] = 1  # the owner's ranges include their end
    return train, test, labels


def _read_array(name: str, content: bytes) -> Array:
    try:
        values = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # arrays of objects, which could run code, and whatever NumPy raises on other bytes
        raise DataError(
            f"{name}: not a readable NumPy array of numbers ({error}); delete it and fetch it again"
        ) from error
    if values.ndim != 2 or not len(values) or values.dtype.kind not in "fiu":
        raise DataError(
            f"{name}: array of shape {values.shape} and type {values.dtype}, expected numbers (T, C); "
            "delete it and fetch it again"
        )
    return values


def channels_of(files: RawFiles, spacecraft: str) -> list[str]:
    """Names of a spacecraft's channels, sorted."""
    table = _read_table(files)
    return sorted(set(table.loc[table["spacecraft"] == spacecraft, "chan_id"]))


def _read_table(files: RawFiles) -> pd.DataFrame:
    name = files.one("labeled_anomalies.csv")
    try:
        table = pd.read_csv(io.BytesIO(files.read(name)), dtype=str)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{name}: not telemanom's table of ranges ({error}); delete it and fetch it again") from error
    if missing := [c for c in ("chan_id", "spacecraft", "anomaly_sequences") if c not in table]:
        raise DataError(
            f"{name}: no column {missing[0]!r}; expected chan_id, spacecraft and anomaly_sequences; "
            "delete it and fetch it again"
        )
    return table


def _read_ranges(files: RawFiles, channel: str) -> list[tuple[int, int]]:
    """The channel's labelled ranges (first, last), both inclusive."""
    table = _read_table(files)
    rows = table.loc[table["chan_id"] == channel, "anomaly_sequences"]
    try:
        return [(int(first), int(last)) for row in rows for first, last in ast.literal_eval(row)]
    except (ValueError, SyntaxError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        name = files.one("labeled_anomalies.csv")
        raise DataError(f"{name}: not telemanom's table of ranges ({error}); delete it and fetch it again") from error
