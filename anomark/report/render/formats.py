"""Every format that the tables of a report are written in; Markdown and CSV are made here."""

from __future__ import annotations

import re
from collections.abc import Callable

from tabulate import tabulate

from anomark import spreadsheet
from anomark.contracts import one_line
from anomark.report.render.html import to_html
from anomark.report.render.latex import to_latex
from anomark.report.table import Cell, Table


def to_csv(table: Table) -> str:
    return spreadsheet.write(table.data, float_format="%.6f")


def to_markdown(table: Table) -> str:
    """A pipe table with its caption above and its notes below, to paste into a README."""

    def show(cell: Cell) -> str:
        text = f"**{escape(cell.text)}**" if cell.best else escape(cell.text)
        text += f" {escape(cell.spread)}" if cell.spread else ""
        text += " †" if cell.below_control else ""
        return text + (f"<br><sub>{escape(cell.note)}</sub>" if cell.note else "")

    body = tabulate(
        [[show(cell) for cell in row.cells] for row in table.rows],
        headers=[escape(column.full) for column in table.columns],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["right" if column.numeric else "left" for column in table.columns] if table.rows else None,
    )
    notes = "".join(f"\n\n{escape(note)}" for note in table.notes)
    return f"**{escape(table.title)}.** {escape(table.caption)}\n\n{body}{notes}\n"


def escape(text: str) -> str:
    """The text on one line, in which no character ends a cell, marks code or a link, or begins an element of HTML."""
    line = one_line(text, len(text))
    return re.sub(r"([\\|`]|(?<=\])\()", r"\\\1", line.replace("<", "&lt;"))


FORMATS: dict[str, Callable[[Table], str]] = {"csv": to_csv, "md": to_markdown, "tex": to_latex, "html": to_html}


def render(table: Table, form: str) -> str:
    """The table in one of FORMATS: csv, md, tex or html."""
    return FORMATS[form](table)
