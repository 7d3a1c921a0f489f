"""Reads, computes on and writes long series a block at a time, so that a longer series takes no more memory.

In between, a series lies in a file without a name, which looks like any other array.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import IO, Protocol

import numpy as np
import pandas as pd

from anomark.contracts import Array, DataError
from anomark.data.reading.dialect import SAMPLE, dialect_of

#: How many numbers a block has, and how many rows of a CSV file are read at once.
BLOCK = 1 << 14
CHUNK = 1 << 12


class Openable(Protocol):
    """Files by their names, such as `anomark.data.rawfiles.RawFiles`."""

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]: ...


def read_csv(files: Openable, name: str, keep_default_na: bool = True) -> Iterator[pd.DataFrame]:
    """A CSV file as tables of text whose index goes on from one to the next. A file without rows gives one empty table.

    A file whose name ends in .parquet is read as Parquet, with the same result. Else it is a text.

    Values may be separated by commas, semicolons, tabs or bars, decimals may stand behind a comma, and the encoding may
    be UTF-8 or UTF-16; see `anomark.data.reading.dialect`.

    Args:
        keep_default_na: whether "", "NA" and their like are read as NaN, as pandas does.

    Raises:
        DataError: it can't be read or is no table.
    """
    if name.lower().endswith(".parquet"):
        yield from _read_parquet(files, name, keep_default_na)
        return
    with files.open(name) as stream:
        dialect = dialect_of(stream.read(SAMPLE))
    with files.open(name) as stream:
        try:
            tables = pd.read_csv(
                stream,
                dtype=str,
                chunksize=CHUNK,
                sep=dialect.separator,
                encoding=dialect.encoding,
                keep_default_na=keep_default_na,
            )
            for table in tables:
                if len(table) and not isinstance(table.index, pd.RangeIndex):  # pandas took a column for their names
                    raise DataError(f"{name}: its rows have more values than its first line has names; mend that line")
                if strange := [column for column in table.columns if "\0" in column]:  # pandas does not find it again
                    raise DataError(f"{name}: a column is called {strange[0]!r}, which holds a NUL; rename it")
                table.columns = table.columns.str.strip()
                ends = [c for c in table.columns if c.startswith("Unnamed:") and not table[c].replace("", None).count()]
                yield dialect.with_points(table.drop(columns=ends))  # a separator behind the last value names nothing
        except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OverflowError) as error:
            raise DataError(
                f"{name}: not a CSV table ({error}); mend the file, or replace it by a whole copy"
            ) from error


def _read_parquet(files: Openable, name: str, keep_default_na: bool) -> Iterator[pd.DataFrame]:
    """A Parquet file as `read_csv` gives a table of text."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise DataError(
            f"{name}: Parquet is read by the library pyarrow, which is not installed; install it with "
            "`pip install 'anomark[parquet]'`, or store the table as CSV"
        ) from None
    begin = 0
    with files.open(name) as stream:
        try:
            file = parquet.ParquetFile(stream)
            for batch in file.iter_batches(CHUNK):
                table = batch.to_pandas(ignore_metadata=True)
                table.index = pd.RangeIndex(begin, begin + len(table))
                table.columns = [re.sub("^__index_level_", "Unnamed: ", str(column)) for column in table.columns]
                begin += len(table)
                yield table.astype(str).astype(object).where(table.notna(), np.nan if keep_default_na else "")
            if not begin:
                yield pd.DataFrame(columns=file.schema_arrow.names, dtype=object)
        except (ArrowException, OSError, ValueError) as error:
            raise DataError(f"{name}: not a Parquet table ({error}); replace it by a whole copy") from error


def blocks(values: Array, overlap: int = 0) -> Iterator[Array]:
    """Views of an array (T, ...), one stretch of rows after the other, each with the `overlap` rows that follow it."""
    rows = max(1, BLOCK // max(1, values[:1].size))
    for start in range(0, max(len(values) - overlap, 1), rows):
        yield values[start : start + rows + overlap]


def stored(pieces: Iterable[Array]) -> Array:
    """Arrays one below the other, as one array that can be written to.

    It lies in a file without a name in `tempfile.gettempdir()`, which goes when the array does, or the process.

    Args:
        pieces: (n, ...), at least one, of one dtype and alike but for n.

    Raises:
        OSError: the disk is full.
    """
    with tempfile.TemporaryFile() as file:
        rows = 0
        for piece in pieces:
            file.write(piece.tobytes())
            rows += len(piece)
        shape = (rows, *piece.shape[1:])
        if not rows:
            return np.empty(shape, piece.dtype)
        file.flush()  # pages that lie on the disk already: a full one is an error here, not a signal on access
        return np.memmap(file, piece.dtype, "r+", shape=shape).view(np.ndarray)
