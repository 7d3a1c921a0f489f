"""Every format that the tables of a report are written in."""

from __future__ import annotations

from collections.abc import Callable

from anomark.report import spreadsheet
from anomark.report.render.html import to_html
from anomark.report.render.latex import to_latex
from anomark.report.render.markdown import to_markdown
from anomark.report.table import Table


def to_csv(table: Table) -> str:
    return spreadsheet.write(table.data, float_format="%.6f")


FORMATS: dict[str, Callable[[Table], str]] = {"csv": to_csv, "md": to_markdown, "tex": to_latex, "html": to_html}


def render(table: Table, form: str) -> str:
    """The table in one of FORMATS: csv, md, tex or html."""
    return FORMATS[form](table)
