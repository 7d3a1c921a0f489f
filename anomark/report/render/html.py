"""A table as HTML, and the templates of the page."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from anomark.report.table import Table


def to_html(table: Table) -> str:
    """A <table> element in plain ASCII, so that it reads right in any page's encoding."""
    markup = templates().get_template("table.html.j2").render(table=table)
    return markup.encode("ascii", "xmlcharrefreplace").decode("ascii") + "\n"


def templates() -> Environment:
    return Environment(
        loader=PackageLoader("anomark.report.render"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
