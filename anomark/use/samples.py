"""New files, read as the files of a dataset were when it was prepared, a few samples at a time.

What a file holds follows from the shape of the samples that the model was fitted on:

* (C, H, W): each file is an image, of any size, mode and format that Pillow opens. It is made grey or RGB and reduced
  to H x W pixels, each the mean of the area that it covers.
* (C, L) with a rate: each file is a sound. It is brought to that rate, and repeated or cut to L values.
* (C, L) at level "point": each file is a table of one series, a row a step, standardised as the training part was.
* other (C, L): each file is a table of numbers without names, with windows of one channel as its rows of L values, or
  one window as L rows of C values.
* (D,): each file is a table, a row a sample, encoded and standardised as the training part was.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from PIL import Image

from anomark import modality
from anomark.contracts import AnomarkError, Array, Columns, DataError
from anomark.data.audio import ENDINGS, read_clip
from anomark.data.images import resize_image
from anomark.data.reading.dialect import SAMPLE, dialect_of
from anomark.data.reading.folders import visible
from anomark.data.reading.labels import LABELS_OF_CASES, usual_label
from anomark.data.reading.photographs import Reader, suffixes
from anomark.data.reading.values import Clock, clock_column, fill_gaps, numbers_of
from anomark.data.streamed import blocks, read_csv, stored
from anomark.records import Meta

TEXTS = (".csv", ".tsv", ".txt")
TABLES = (*TEXTS, ".parquet")
#: Images, sounds or rows of a table that are read at once.
AT_ONCE = 64
#: Longer side of the copy of an image that its heat map is drawn on, in pixels.
COPY = 480
ADVICE = "replace it by a whole copy, or leave it out"


@dataclass
class Block:
    """Some samples (N, ...) as methods see them, or one series (T, C), and where they are from.

    files, rows
        (N,) or (T,): the file of each, and its place in it, counted from 0.
    times
        The text of each step's time, a line each, or None.
    names
        Of the channels of a series, where they are known.
    copies
        Images as they look, at most `COPY` pixels wide and high.
    scores, maps
        What a model says of them, once it has scored them.
    """

    samples: Array
    files: list[Path] = field(default_factory=list)
    rows: Array = field(default_factory=lambda: np.empty(0, np.int64))
    times: IO[str] | None = None
    names: tuple[str, ...] = ()
    copies: list[Image.Image] = field(default_factory=list)
    scores: Array = field(default_factory=lambda: np.empty(0))
    maps: Array | None = None

    def scored(self, scores: Array, maps: Array | None) -> Block:
        return replace(self, scores=scores, maps=maps)


def kind(meta: Meta) -> tuple[Callable[..., Iterator[Block]], frozenset[str]]:
    """How the samples of a dataset are read from new files, and the endings of such files."""
    if len(meta.shape) == 3:
        return _images, suffixes()
    if meta.rate:
        return _sounds, frozenset(ENDINGS)
    if meta.window:
        return _series, frozenset(TABLES)
    if len(meta.shape) == 2:
        return _windows, frozenset(TEXTS)
    return _rows, frozenset(TABLES)


def files(given: str | Path | Sequence[str | Path], meta: Meta) -> list[Path]:
    """Files as they are given, and those with a fitting ending below folders, in the order of their names.

    Raises:
        DataError: a name is of nothing that is there, or a folder holds no such file.
    """
    endings, found = kind(meta)[1], []
    for path in map(Path, [given] if isinstance(given, str | Path) else given):
        if not path.is_dir():
            if not path.is_file():
                raise DataError(f"{path}: there is no such file or folder; check its name")
            found.append(path)
            continue
        inside = sorted(file for file in path.rglob("*") if file.is_file() and visible(file, path))
        if not (fitting := [file for file in inside if file.suffix.lower() in endings]):
            raise DataError(
                f"{path}: holds {len(inside)} files, none of which ends as {_nouns(meta)} do ({_some(endings)}); "
                "name another folder"
            )
        found += fitting
    if not found:
        raise AnomarkError("no file to score; name files or folders")
    return found


def read(paths: Iterable[Path], meta: Meta, model: str) -> Iterator[Block]:
    """The samples of files, in blocks.

    Args:
        model: its name, for messages.

    Raises:
        DataError: a file is of another kind or shape than the dataset's, or broken.
    """
    reader, endings = kind(meta)

    def checked() -> Iterator[Path]:
        for path in paths:
            if path.suffix.lower() not in endings:
                raise DataError(
                    f"{path}: is a file of the kind {path.suffix or 'without an ending'!r}, and {model} scores "
                    f"{_nouns(meta)} ({_some(endings)}); leave it out, or name a model for such files"
                )
            yield path

    yield from reader(checked(), meta, model)


def _nouns(meta: Meta) -> str:
    return modality.load(meta.modality).NOUN


def _some(endings: Iterable[str]) -> str:
    usual = [end for end in (".png", ".jpg", ".tif", *ENDINGS[:3], *TABLES) if end in endings]
    return ", ".join(usual or sorted(endings)[:5])


def _grouped(items: Iterable[Any], count: int = AT_ONCE) -> Iterator[list[Any]]:
    group: list[Any] = []
    for item in items:
        group.append(item)
        if len(group) == count:
            yield group
            group = []
    if group:
        yield group


# -- images and sounds ---------------------------------------------------------------------------------------------


def _images(paths: Iterable[Path], meta: Meta, model: str) -> Iterator[Block]:
    channels, height, width = meta.shape
    if channels not in (1, 3):
        raise AnomarkError(
            f"{model}: its images have {channels} channels, and files with 1 or 3 are read; score arrays"
        )
    low, high = meta.value_range or (-1.0, 1.0)
    for group in _grouped(paths):
        samples, copies = [], []
        for path in group:
            photograph = Reader().photograph(path)
            # Grey is what Pillow makes of colours; its three equal channels are one.
            image = photograph.convert("L").convert("RGB") if channels == 1 else photograph
            pixels = resize_image(
                image if height == width else image.resize((width, height), Image.Resampling.BOX), width
            )
            samples.append(
                pixels[:channels] if (low, high) == (-1, 1) else low + (pixels[:channels] + 1) / 2 * (high - low)
            )
            photograph.thumbnail((COPY, COPY))
            copies.append(photograph)
        yield Block(np.stack(samples).astype(np.float32), group, np.zeros(len(group), np.int64), copies=copies)


def _sounds(paths: Iterable[Path], meta: Meta, model: str) -> Iterator[Block]:
    assert meta.rate
    seconds = meta.shape[1] / meta.rate
    for group in _grouped(paths):
        clips = np.stack([read_clip(path, meta.rate, seconds, ADVICE) for path in group])[:, None]
        yield Block(clips, group, np.zeros(len(group), np.int64))


# -- tables --------------------------------------------------------------------------------------------------------


class _Opened:
    """Files by their paths, as `anomark.data.streamed.read_csv` asks for them."""

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with Path(name).open("rb") as stream:
                yield stream
        except OSError as error:
            raise DataError(f"{name}: can't be read ({error.strerror}); {ADVICE}") from error


def _columns(path: Path, header: list[str], columns: Columns, count: int, model: str, when: str | None) -> list[str]:
    """The columns of a table that hold what the model was fitted on, in that order.

    Args:
        count: how many they are.
        when: the column of time.

    Raises:
        DataError: one is missing, or nobody can tell which they are.
    """
    wanted = [*columns.names, *columns.kinds]
    others = [column for column in header if column != when]
    shown = f"{', '.join(header[:8])}{' ...' * (len(header) > 8)}"
    if wanted:
        if missing := [column for column in wanted if column not in header]:
            raise DataError(
                f"{path}: has no column {missing[0]!r}, found {shown}; {model} was fitted on {', '.join(wanted[:8])}"
                f"{' ...' * (len(wanted) > 8)}, so give it these columns"
            )
        return wanted
    if len(others) != count:
        told = usual_label(others, columns.label, LABELS_OF_CASES)
        others = [column for column in others if column != told]
    if len(others) != count:
        raise DataError(
            f"{path}: has {len(others)} columns of values ({shown}), expected {count}, which {model} was fitted on; "
            "give it those, in the order of the training data"
        )
    return others


def _series(paths: Iterable[Path], meta: Meta, model: str) -> Iterator[Block]:
    known = meta.columns or Columns()
    for path in paths:
        times = tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n")  # noqa: SIM115 - it goes with its block
        used: list[str] = []
        values = stored(_steps(path, known, meta.shape[0], model, times, used))
        if len(values) < (meta.window or 1):
            raise DataError(
                f"{path}: has {len(values)} rows, expected {meta.window} at least, which is the window of {model}; "
                "give it a longer stretch"
            )
        fill_gaps(str(path), values, used, known.longest_gap)
        if known.mean:
            mean, scale = np.asarray(known.mean), np.asarray(known.scale)
            values = stored(((block - mean) / scale).astype(np.float32) for block in blocks(values))
        else:
            values = values.astype(np.float32)
        timed = times.tell() > 0
        times.seek(0)
        yield Block(values, [path] * len(values), np.arange(len(values)), times if timed else None, tuple(used))


def _steps(path: Path, known: Columns, channels: int, model: str, times: IO[str], used: list[str]) -> Iterator[Array]:
    """Values (n, C) of a series, NaN where one is missing; times go to a file, and names of columns to `used`."""
    clock = None
    for table in read_csv(_Opened(), str(path), keep_default_na=False):
        header = list(table.columns)
        when = clock_column(header, known.time)
        used[:] = _columns(path, header, known, channels, model, when)
        if when:
            clock = clock or Clock(str(path), when)
            clock.check(table[when])
            times.writelines(f"{' '.join(text.split())}\n" for text in table[when])
        yield numbers_of(str(path), table[used])


def _rows(paths: Iterable[Path], meta: Meta, model: str) -> Iterator[Block]:
    known = meta.columns or Columns()
    (width,) = meta.shape
    for path in paths:
        for table in read_csv(_Opened(), str(path), keep_default_na=False):
            if not len(table):
                raise DataError(f"{path}: has no row below its header; {ADVICE}")
            count = len(known.names) + len(known.kinds) or width
            used = _columns(path, list(table.columns), known, count, model, None)
            samples = standardised(encoded(str(path), table[used], known), known)
            for rows in _grouped(range(len(table))):
                places = table.index.to_numpy(np.int64)[rows]
                yield Block(samples[rows], [path] * len(rows), places)


def encoded(name: str, table: pd.DataFrame, known: Columns) -> Array:
    """Rows of text as numbers float64 (n, D): medians stand for missing numbers, words become zeros and ones."""
    numeric = list(known.names) if known.names or known.kinds else list(table.columns)
    parts = []
    if numeric:
        values = numbers_of(name, table[numeric])
        if known.medians:
            values = np.where(np.isnan(values), np.asarray(known.medians), values)
        elif np.isnan(values).any():
            row, column = np.argwhere(np.isnan(values))[0]
            raise DataError(
                f"{name}: line {table.index[row] + 2} has no {numeric[column]}, and the training data lacks no value; "
                "add it, or leave the line out"
            )
        parts.append(values)
    for column, kinds in known.kinds.items():
        words = table[column].to_numpy(str)
        zeros_and_ones = np.stack([words == word for word in kinds if word is not None], axis=1)
        if None in kinds:
            zeros_and_ones = np.column_stack([zeros_and_ones, ~zeros_and_ones.any(axis=1)])
        parts.append(zeros_and_ones.astype(np.float64))
    return np.concatenate(parts, axis=1)


def standardised(values: Array, known: Columns | None) -> Array:
    """Values (..., C) less the means of the training part, divided by its deviations, where these are known."""
    if known is None or not known.mean:
        return values
    return np.asarray((values - np.asarray(known.mean)) / np.asarray(known.scale))


def restored(values: Array, known: Columns | None) -> Array:
    """Standardised values (..., C) in the units of their file."""
    if known is None or not known.mean:
        return values
    return np.asarray(values * np.asarray(known.scale) + np.asarray(known.mean))


def _windows(paths: Iterable[Path], meta: Meta, model: str) -> Iterator[Block]:
    channels, length = meta.shape
    for path in paths:
        with _Opened().open(str(path)) as stream:
            content = stream.read(SAMPLE)
            dialect = dialect_of(content)
            text = (content + stream.read()).decode(dialect.encoding, errors="replace")
        lines = [line for line in csv.reader(text.splitlines(), delimiter=dialect.separator) if any(line)]
        table = dialect.with_points(pd.DataFrame(lines).fillna(""))
        if len(table) and pd.to_numeric(table.iloc[0], errors="coerce").isna().all():  # names of columns
            table = table.iloc[1:]
        if channels == 1 and table.shape[1] == length:
            shape: Any = (-1, 1, length)
        elif table.shape == (length, channels):
            shape = (1, length, channels)
        else:
            raise DataError(
                f"{path}: holds {table.shape[0]} rows of {table.shape[1]} values, expected "
                f"{f'rows of {length} values, or ' * (channels == 1)}{length} rows of {channels}, a window of {model}; "
                "cut it to that length"
            )
        values = numbers_of(str(path), table)
        if np.isnan(values).any():
            raise DataError(f"{path}: line {np.argwhere(np.isnan(values))[0][0] + 1} lacks a value; {ADVICE}")
        samples = values.reshape(shape)
        samples = (samples if shape[0] == -1 else samples.transpose(0, 2, 1)).astype(np.float32)
        for rows in _grouped(range(len(samples))):
            yield Block(samples[rows], [path] * len(rows), np.asarray(rows))


# -- arrays --------------------------------------------------------------------------------------------------------


def of_array(X: Array, meta: Meta, model: str) -> Iterator[Block]:
    """Samples (N, ...) of an array, or one series (T, C).

    Raises:
        DataError: its shape is another one than the dataset's, a value is not finite, or out of range.
    """
    wanted = (meta.shape[0],) if meta.window else tuple(meta.shape)
    if X.ndim != len(wanted) + 1 or X.shape[1:] != wanted or not len(X) or not np.issubdtype(X.dtype, np.number):
        shape = f"({'T' if meta.window else 'N'}, {', '.join(map(str, wanted))})"
        raise DataError(
            f"the array has shape {X.shape} and type {X.dtype}, expected numbers {shape}, which {model} was fitted on"
        )
    if meta.window and len(X) < meta.window:
        raise DataError(
            f"the series has {len(X)} steps, expected {meta.window} at least, which is the window of {model}"
        )
    if not np.isfinite(X).all():
        raise DataError("the array holds NaN or infinite values; fill them, or leave their samples out")
    if meta.value_range and (X.min() < meta.value_range[0] or X.max() > meta.value_range[1]):
        raise DataError(
            f"the array holds values from {X.min():g} to {X.max():g}, expected {meta.value_range[0]:g} to "
            f"{meta.value_range[1]:g}, as {model} was fitted on"
        )
    X = standardised(np.asarray(X, np.float64), meta.columns) if len(wanted) == 1 else X
    if meta.window:
        yield Block(X.astype(np.float32))
        return
    take = partial(np.asarray, dtype=np.float64 if len(wanted) == 1 else np.float32)
    for start in range(0, len(X), AT_ONCE):
        yield Block(take(X[start : start + AT_ONCE]))
