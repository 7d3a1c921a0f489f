"""Reads one table of a series: its values, its labels, when its steps were, and what a reader should know of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anomark.contracts import Array, DataError
from anomark.data.rawfiles import RawFiles
from anomark.data.reading.labels import label_column, meaning, usual_label
from anomark.data.reading.values import MISSING, Clock, clock_column, fill_gaps, irregular, numbers_of
from anomark.data.streamed import read_csv, stored

#: A column of entities has at most so many: each becomes a dataset of its own.
MOST_ENTITIES = 1000


@dataclass(frozen=True)
class Layout:
    """What the columns of a table are; an empty name stands for the usual ones.

    time, label
        Names of the column of time and of that of labels.
    normal
        The label of normal rows, where it is an unusual one.
    longest_gap
        Rows without a value that are filled.
    entity, only
        The column that tells whose row it is, and whose rows are read; empty where the table holds one series.
    """

    time: str = ""
    label: str = ""
    normal: str = ""
    longest_gap: int = 5
    entity: str = ""
    only: str = ""


@dataclass(frozen=True)
class Table:
    """A series as its table has it.

    values
        float64 (T, C), gaps filled.
    labels
        uint8 (T,), 1 an anomaly, or None where there is no column of labels.
    columns
        Names of the C variables.
    clock
        Name of the column of time, or "".
    times
        datetime64 or float64 (T,), or None.
    lines
        The line of each row in its file (T,), counted from 1; None where each row follows the one before.
    notes
        What was decided, in short sentences.
    """

    values: Array
    labels: Array | None
    columns: list[str]
    clock: str
    times: Array | None
    lines: Array | None
    notes: list[str]

    def line(self, row: int) -> int:
        """The line of a row in its file."""
        return row + 2 if self.lines is None else int(self.lines[row])


def read_table(files: RawFiles, name: str, layout: Layout, must_have_label: bool = False) -> Table:
    """Read one table a block at a time.

    Args:
        must_have_label: whether a table without the column `layout.label` is refused.

    Raises:
        DataError: it is no table, lacks a column, or has a value, label or time that nobody can read.
    """
    columns: list[str] = []
    codes: list[Array] = []
    times: list[Array] = []
    lines: list[Array] = []
    labelled = False
    first_lines: dict[str, int] = {}
    clock: Clock | None = None

    def blocks() -> Iterator[Array]:
        nonlocal clock, labelled
        for number, table in enumerate(read_csv(files, name, keep_default_na=False)):
            header = list(table.columns)
            if number == 0 and pd.to_numeric(pd.Series(header, dtype=object), errors="coerce").notna().all():
                raise DataError(
                    f"{name}: its first line holds numbers alone ({', '.join(header[:8])}), expected names of columns; "
                    "add a line of names"
                )
            told = usual_label(header, layout.label)
            if must_have_label:
                told = label_column(name, header, layout.label)
            labelled = told is not None
            if number == 0:
                when = clock_column(header, layout.time, table)
                clock = Clock(name, when) if when else None
            rows = _of_entity(name, table, layout)
            columns[:] = [c for c in header if c not in (clock and clock.column, told, layout.entity)]
            if not columns:
                raise DataError(
                    f"{name}: columns are {', '.join(header)}, expected one variable at least; add its column"
                )
            if not len(rows):
                yield np.empty((0, len(columns)))
                continue
            _no_words(name, rows[columns])
            if clock:
                times.append(clock.check(rows[clock.column]))
            if layout.entity:
                lines.append(rows.index.to_numpy(np.int64) + 2)
            if told is not None:
                text = rows[told].str.strip().str.lower()
                first = text.drop_duplicates()
                for value, line in zip(first, (first.index + 2).tolist(), strict=True):
                    first_lines.setdefault(value, line)
                place = {value: i for i, value in enumerate(first_lines)}
                codes.append(text.map(place).to_numpy(np.int32))
            yield numbers_of(name, rows[columns])

    values = stored(blocks())
    if layout.only and not len(values):
        raise DataError(f"{name}: no row has {layout.entity} {layout.only!r}; correct `only` in dataset_params")
    means = meaning(name, first_lines, layout.normal)
    at: Array | None = np.concatenate(lines) if lines else None
    notes = []
    if missing := int(np.isnan(values).sum()):
        notes.append(f"{missing} missing values, filled along straight lines")
        fill_gaps(name, values, columns, layout.longest_gap, at)
    if any(value.startswith("-1") for value in means):
        notes.append("labels are 1 and -1, of which -1 is an anomaly")
    ticks = stored(_emptied(times)) if times else None
    if ticks is not None and (uneven := irregular(ticks, at)):
        notes.append(uneven)
    labels = np.concatenate([np.zeros(0, np.uint8), *(np.array([*means.values()], np.uint8)[part] for part in codes)])
    return Table(values, labels if labelled else None, columns, clock.column if clock else "", ticks, at, notes)


def _emptied(pieces: list[Array]) -> Iterator[Array]:
    """Pieces of a column of time in one unit, each let go of once it is handed on."""
    dated = pieces[0].dtype.kind == "M"
    while pieces:
        piece = pieces.pop(0)
        yield piece.astype("datetime64[us]") if dated else piece


def _no_words(name: str, table: pd.DataFrame) -> None:
    """Refuse a column that holds words alone: it tells whose row it is, or nothing that a method can use."""
    for column in table:
        texts = table[column].str.strip()
        given = texts[~texts.str.lower().isin(MISSING)]
        if len(given) and pd.to_numeric(given, errors="coerce").isna().all():
            raise DataError(
                f"{name}: the column {column} holds words, such as {given.iloc[0]!r} in line {given.index[0] + 2}, "
                "expected numbers; remove it, or name it in dataset_params: as `entity` where it tells whose row it "
                "is, as `label` or `time` where it is one"
            )


def _of_entity(name: str, table: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """The rows of one entity, or all where the table holds one series."""
    if not layout.entity:
        return table
    if layout.entity not in table:
        raise DataError(
            f"{name}: columns are {', '.join(map(str, table.columns))}, expected one called {layout.entity}, which "
            "`entity` in dataset_params names; correct it"
        )
    return table[table[layout.entity].str.strip() == layout.only]


def entities_of(files: RawFiles, name: str, entity: str) -> list[str]:
    """The values of a column of entities, in the order in which they come.

    Raises:
        DataError: there is no such column, or it has too many values to be one of entities.
    """
    found: dict[str, int] = {}
    for table in read_csv(files, name, keep_default_na=False):
        _of_entity(name, table, Layout(entity=entity))
        for value, line in table[entity].str.strip().drop_duplicates().items():
            found.setdefault(str(line), int(str(value)) + 2)
        if len(found) > MOST_ENTITIES:
            raise DataError(
                f"{name}: the column {entity} has more than {MOST_ENTITIES:,} values, each of which would be a "
                "dataset; name another column as `entity` in dataset_params"
            )
    if "" in found:
        raise DataError(f"{name}: line {found['']} has no {entity}; add it, or remove the line")
    return [*found]
