"""A table as the report's sections build it, before it has a format, and how its numbers are printed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Cell:
    """One cell as a reader sees it.

    text
        The number, or the word that stands in its place.
    spread
        The interval or range beside it.
    note
        Small print below it: the published number and the difference.
    sort
        The value that the column sorts by. None sorts last in both directions.
    title
        The reason behind a status, shown on hover.
    glyph
        A sign that the page shows in place of the text; readers of other formats and screen readers get the text.
    """

    text: str
    spread: str = ""
    note: str = ""
    sort: float | str | None = None
    title: str = ""
    best: bool = False
    below_control: bool = False
    tone: str = ""
    glyph: str = ""


@dataclass(frozen=True)
class Column:
    """One column. A column of a matrix belongs to a dataset, and the page's filter hides it with its dataset."""

    header: str
    note: str = ""
    numeric: bool = True
    dataset: str = ""
    modality: str = ""

    @property
    def full(self) -> str:
        """Header and note in one line, for formats without small print."""
        return f"{self.header}, {self.note}" if self.note else self.header


@dataclass(frozen=True)
class Row:
    """One row; dataset, modality and method are what the page filters by ("" is shown under every filter).

    record
        The same row for machines: column of the CSV file -> value. A row without one is for readers alone.
    summary
        It sums the rows above up; a rule stands above it.
    rule
        A rule stands above it.
    """

    cells: list[Cell]
    dataset: str = ""
    modality: str = ""
    method: str = ""
    record: dict[str, Any] = field(default_factory=dict)
    summary: bool = False
    rule: bool = False


@dataclass(frozen=True)
class Table:
    """A table for readers (`columns`, `rows`) and the same content for machines (`data`, written as CSV).

    fields
        Columns that the CSV file of a table without rows has.
    """

    name: str
    title: str
    caption: str
    columns: list[Column]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    fields: tuple[str, ...] = ()

    @property
    def data(self) -> pd.DataFrame:
        records = [row.record for row in self.rows if row.record]
        return pd.DataFrame(records, columns=None if records else self.fields)


#: What stands where a table has no number.
NONE = Cell("–", tone="quiet")


def words(*headers: str) -> list[Column]:
    """Columns of words, which are set to the left."""
    return [Column(header, numeric=False) for header in headers]


def number(value: float | None, digits: int = 3) -> str:
    """.943, 1.000, −.012: as papers print a number between -1 and 1."""
    if value is None:
        return ""
    text = f"{abs(value):.{digits}f}"
    sign = MINUS if value < 0 and float(text) else ""
    return sign + (text[1:] if text.startswith("0.") else text)


def signed(value: float, digits: int = 3) -> str:
    """+.012, −.012, ±.000"""
    text = number(value, digits)
    if not float(f"{abs(value):.{digits}f}"):
        return f"±{text}"
    return text if text.startswith(MINUS) else f"+{text}"


def percent(value: float, digits: int = 1) -> str:
    """+0.9%, −3.5%, ±0.0%"""
    sign = "±" if not float(f"{value:.{digits}f}") else MINUS if value < 0 else "+"
    return f"{sign}{abs(value):.{digits}f}%"
