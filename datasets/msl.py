"""MSL: telemetry of NASA's Curiosity rover, one dataset per channel."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import numpy as np
import pandas as pd

from anomark.contracts import Array, DataError, Prepared
from anomark.rawfiles import RawFiles
from anomark.signal.series import prepare_series

NAME = "Mars Science Laboratory telemetry"
LABEL = "MSL"
MODALITY = "series"
LEVEL = "point"
LICENCE = "Caltech, BSD-like"
SOURCE = "https://github.com/khundman/telemanom"
CITATION = "Hundman et al.: Detecting Spacecraft Anomalies Using LSTMs, KDD 2018"
ITEMS: dict[str, dict] = {
    "C-1": {},
    "C-2": {},
    "D-14": {},
    "D-15": {},
    "D-16": {},
    "F-4": {},
    "F-5": {},
    "F-7": {},
    "F-8": {},
    "M-1": {},
    "M-2": {},
    "M-3": {},
    "M-4": {},
    "M-5": {},
    "M-6": {},
    "M-7": {},
    "P-10": {},
    "P-11": {},
    "P-14": {},
    "P-15": {},
    "S-2": {},
    "T-12": {},
    "T-13": {},
    "T-4": {},
    "T-5": {},
    "T-8": {},
    "T-9": {},
}
DEFAULTS = {"window": 100, "stride_divisor": 8}
FILES = (
    ("msl.zip",),
    ("msl/data/train/{item}.npy", "msl/data/test/{item}.npy", "msl/labeled_anomalies.csv"),
    ("telemanom/data/train/{item}.npy", "telemanom/data/test/{item}.npy", "telemanom/labeled_anomalies.csv"),
)


def prepare(raw: Path, *, item: str, window: int, stride_divisor: int) -> Prepared:
    """The owner's split and labels; column 0 is telemetry, the others are 0/1 commands.

    Raises:
        DataError: a file is missing or broken, or the channel has no labelled range.
    """
    files = RawFiles(raw, FILES, item=item)
    train_name, test_name = files.one(f"train/{item}.npy"), files.one(f"test/{item}.npy")
    train, test = _read_array(train_name, files.read(train_name)), _read_array(test_name, files.read(test_name))
    if train.shape[1] != test.shape[1]:
        raise DataError(f"{test_name}: {test.shape[1]} columns, the training part has {train.shape[1]}")
    table_name = files.one("labeled_anomalies.csv")
    labels = np.zeros(len(test), dtype=np.uint8)
    for first, last in _read_ranges(table_name, files.read(table_name), item):
        if not 0 <= first <= last < len(test):
            raise DataError(f"{table_name}: range {first}-{last} of {item} lies outside its {len(test)} test steps")
        labels[first : last + 1] = 1  # the owner's ranges include their end
    constant = int((train == train[0]).all(axis=0).sum())
    return prepare_series(
        train,
        test,
        labels,
        window=window,
        stride_divisor=stride_divisor,
        source=test_name,
        normal_class="outside the labelled ranges",
        choices=(f"L = {window} steps", "labelled ranges include their end"),
        notes=(f"{constant} of {train.shape[1]} columns are constant in training",),
    )


def _read_array(name: str, content: bytes) -> Array:
    try:
        values = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{name}: not a readable NumPy array ({error}); fetch it again") from error
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.number):
        raise DataError(f"{name}: array of shape {values.shape} and type {values.dtype}, expected numbers (T, C)")
    return values


def _read_ranges(name: str, content: bytes, channel: str) -> list[tuple[int, int]]:
    """The channel's labelled ranges (first, last), both inclusive."""
    try:
        table = pd.read_csv(io.BytesIO(content), dtype=str)
        rows = table.loc[table["chan_id"] == channel, "anomaly_sequences"]
        return [(int(first), int(last)) for row in rows for first, last in ast.literal_eval(row)]
    except KeyError as error:
        raise DataError(f"{name}: no column {error}; expected chan_id and anomaly_sequences") from error
    except (ValueError, SyntaxError, TypeError) as error:
        raise DataError(f"{name}: not telemanom's table of ranges ({error}); fetch it again") from error
