"""`anomark report`: a suite's report from what is evaluated."""

from __future__ import annotations

from typing import Annotated

import typer

from anomark.cli.shared import DEFAULT_SUITE, SuiteOption, plan_of
from anomark.contracts import AnomarkError, nearest


def report(
    suite: SuiteOption = DEFAULT_SUITE,
    format: Annotated[str | None, typer.Option(help="Print the tables as md, tex, csv, html or json.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of results.json.")] = False,
) -> None:
    """Build a suite's report from its evaluations, or print its tables in one format."""
    from anomark.report import machine
    from anomark.report.render.formats import FORMATS
    from anomark.stages.local import build_report

    if schema:
        print(machine.schema(), end="")
        return
    forms = (*FORMATS, "json")
    if format is not None and format not in forms:
        raise AnomarkError(f"unknown format {format!r}; {nearest(format, forms)}")
    folder = build_report(plan_of(suite))
    if format is None:
        print(folder / "index.html")
    elif format == "json":
        print((folder / "results.json").read_text(encoding="utf-8"), end="")
    else:
        for path in sorted((folder / "tables").glob(f"*.{format}")):
            print(path.read_text(encoding="utf-8"))
