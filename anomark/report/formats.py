"""Render a report table as CSV, Markdown, LaTeX (booktabs) or HTML."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from tabulate import tabulate

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
        What the column sorts by; None sorts last, whatever the direction.
    title
        The reason behind a status, shown on hover.
    """

    text: str
    spread: str = ""
    note: str = ""
    sort: float | str | None = None
    title: str = ""
    best: bool = False
    below_control: bool = False
    tone: str = ""


@dataclass(frozen=True)
class Column:
    header: str
    note: str = ""
    numeric: bool = True

    @property
    def full(self) -> str:
        """Header and note in one line, for formats without small print."""
        return f"{self.header}, {self.note}" if self.note else self.header


@dataclass(frozen=True)
class Row:
    """One row; dataset, modality and method are what the page filters by ("" is shown under every filter)."""

    cells: list[Cell]
    dataset: str = ""
    modality: str = ""
    method: str = ""
    summary: bool = False


@dataclass(frozen=True)
class Table:
    """A table for readers (`columns`, `rows`) and the same content for machines (`data`, written as CSV)."""

    name: str
    title: str
    caption: str
    columns: list[Column]
    rows: list[Row]
    data: pd.DataFrame
    notes: list[str] = field(default_factory=list)


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


def to_csv(table: Table) -> str:
    return table.data.to_csv(index=False, lineterminator="\n", float_format="%.6f")


def to_markdown(table: Table) -> str:
    """A pipe table with its caption above and its notes below, to paste into a README."""

    def show(cell: Cell) -> str:
        text = f"**{cell.text}**" if cell.best else cell.text
        text += f" {cell.spread}" if cell.spread else ""
        text += " †" if cell.below_control else ""
        text += f"<br><sub>{cell.note}</sub>" if cell.note else ""
        return text.replace("|", "\\|")

    body = tabulate(
        [[show(cell) for cell in row.cells] for row in table.rows],
        headers=[column.full for column in table.columns],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["right" if column.numeric else "left" for column in table.columns] if table.rows else None,
    )
    notes = "".join(f"\n\n{note}" for note in table.notes)
    return f"**{table.title}.** {table.caption}\n\n{body}{notes}\n"


def to_latex(table: Table) -> str:
    """A floating table for \\usepackage{booktabs}; small print stands in a line of its own below its row."""

    def show(cell: Cell) -> str:
        text = escape_latex(cell.text)
        text = rf"\textbf{{{text}}}" if cell.best else text
        text += f" {escape_latex(cell.spread)}" if cell.spread else ""
        return text + (r"\textsuperscript{\dag}" if cell.below_control else "")

    lines = []
    for row in table.rows:
        if row.summary:
            lines.append(r"\midrule")
        lines.append(" & ".join(show(cell) for cell in row.cells) + r" \\")
        if any(cell.note for cell in row.cells):
            small = [rf"{{\scriptsize {escape_latex(cell.note)}}}" if cell.note else "" for cell in row.cells]
            lines.append(" & ".join(small) + r" \\[2pt]")
    notes = [rf"\par\smallskip{{\footnotesize {escape_latex(note)}}}" for note in table.notes]
    return "\n".join(
        [
            r"% \usepackage{booktabs}",
            r"\begin{table}[t]",
            r"\centering\small",
            rf"\caption{{{escape_latex(table.caption)}}}",
            rf"\label{{tab:{table.name}}}",
            rf"\begin{{tabular}}{{@{{}}{''.join('r' if column.numeric else 'l' for column in table.columns)}@{{}}}}",
            r"\toprule",
            " & ".join(escape_latex(column.full) for column in table.columns) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            *notes,
            r"\end{table}",
            "",
        ]
    )


def to_html(table: Table) -> str:
    """A <table> element in plain ASCII, so that it reads right in any page's encoding."""
    markup = templates().get_template("table.html.j2").render(table=table)
    return markup.encode("ascii", "xmlcharrefreplace").decode("ascii") + "\n"


_LATEX = {
    **{char: rf"\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    MINUS: "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    "—": "---",
    "†": r"\dag{}",
    "≈": r"$\approx$",
    "≥": r"$\ge$",
    "τ": r"$\tau$",
    "·": r"\textperiodcentered{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}
_LATEX_PATTERN = re.compile("|".join(re.escape(char) for char in _LATEX))


def escape_latex(text: str) -> str:
    return _LATEX_PATTERN.sub(lambda match: _LATEX[match[0]], text)


def templates() -> Environment:
    return Environment(
        loader=PackageLoader("anomark.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


FORMATS: dict[str, Callable[[Table], str]] = {"csv": to_csv, "md": to_markdown, "tex": to_latex, "html": to_html}


def render(table: Table, form: str) -> str:
    """The table in one of FORMATS: csv, md, tex or html."""
    return FORMATS[form](table)
