"""How a table of text is written: its encoding, what separates values, and what marks decimals."""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass

import pandas as pd

#: What may separate values, in the order in which a draw is decided.
SEPARATORS = (",", ";", "\t", "|")
#: A number whose decimals stand behind a comma, with dots between thousands or none.
COMMA_NUMBER = re.compile(r"\s*[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+([eE][+-]?\d+)?\s*")
#: Bytes of a file that its dialect is taken from, and lines of them.
SAMPLE, LINES = 1 << 16, 100
MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig"}


@dataclass(frozen=True)
class Dialect:
    """The separator, whether decimals stand behind a comma, and the encoding."""

    separator: str = ","
    comma: bool = False
    encoding: str = "utf-8"

    def with_points(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table of text, in which numbers have a point before their decimals; other words stay as they are."""
        if not self.comma:
            return table
        return table.map(
            lambda text: (
                text.replace(".", "").replace(",", ".")
                if isinstance(text, str) and COMMA_NUMBER.fullmatch(text)
                else text
            )
        )


def dialect_of(sample: bytes) -> Dialect:
    """The dialect of a table that begins with these bytes.

    The separator is the one that cuts most lines into as many values as the first has names, and into most of them. A
    comma marks decimals where it does not separate and some value is a number with one.
    """
    encoding = next((name for mark, name in MARKS.items() if sample.startswith(mark)), "utf-8")
    text = sample.decode(encoding, errors="replace")
    # The last line of a sample may be cut.
    lines = [line for line in text.splitlines() if line.strip()][: LINES if len(sample) < SAMPLE else LINES - 1]
    if not lines:
        return Dialect(encoding=encoding)

    def fit(separator: str) -> tuple[float, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=separator)]
        alike = sum(count == counts[0] for count in counts) / len(counts)
        return (alike if counts[0] > 1 else 0.0, counts[0])

    separator = max(SEPARATORS, key=lambda s: (fit(s), -SEPARATORS.index(s)))
    values = [value for row in csv.reader(lines[1:], delimiter=separator) for value in row]
    comma = separator != "," and any(COMMA_NUMBER.fullmatch(value) for value in values)
    return Dialect(separator, comma, encoding)
