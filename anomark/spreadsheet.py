"""CSV files that people open in a spreadsheet: no name or reason in them becomes a formula, and all are read back.

A text that a spreadsheet would execute (it begins with = + - @, a tab or a carriage return) gets an apostrophe in
front, as does one that begins with apostrophes and then so. Numbers are no text and stay as they are; so does a text
that is a number, such as "-0.3".
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO, Any

import pandas as pd

from anomark.contracts import DataError

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?%?", re.IGNORECASE)


def protect(value: Any) -> Any:
    """What is written in the place of one value."""
    risky = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if risky else value


def restore(value: Any) -> Any:
    """The value that `protect` was given."""
    return value[1:] if isinstance(value, str) and value[:1] == "'" and _FORMULA.match(value[1:]) else value


def write(table: pd.DataFrame, **options: Any) -> str:
    """The table as CSV; `options` are those of pandas."""
    safe = table.rename(columns=protect)
    words = [name for name, kind in safe.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    safe = safe.assign(**{str(name): safe[name].map(protect) for name in words})
    return safe.to_csv(index=False, lineterminator="\n", **options)


#: Columns of text that may look like numbers: a key of sixteen digits, say, or one with an e in it.
TEXT = dict.fromkeys(("dataset", "method", "key", "reference", "data", "f", "resolution", "budget"), str)


def read(source: Path | IO[bytes]) -> pd.DataFrame:
    """A table that `write` gave. Only an empty field means missing: "n/a" is a status."""
    table = pd.read_csv(source, keep_default_na=False, na_values=[""], dtype=TEXT)
    return table.map(restore).rename(columns=restore)


def read_all(folders: list[Path], name: str, columns: list[str]) -> pd.DataFrame:
    """The tables `name` of several folders that `evaluate` wrote, one below the other.

    Raises:
        DataError: one is missing, empty, or lacks one of the columns.
    """
    frames = []
    for folder in folders:
        path = folder / name
        try:
            frame = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=TEXT)
        except FileNotFoundError:
            raise DataError(f"{path} does not exist; evaluate the dataset before reporting it") from None
        except pd.errors.EmptyDataError:
            raise DataError(f"{path} is empty, expected the columns {', '.join(columns)}; evaluate it again") from None
        absent = [column for column in columns if column not in frame.columns]
        if absent:
            raise DataError(f"{path} has no column {absent[0]!r}; delete it and evaluate the dataset again")
        frame["seed"] = frame["seed"].astype("Int64")
        frames.append(frame)
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    return pd.concat(filled, ignore_index=True)
