"""What the commands share: their options, errors in one sentence, columns of text."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from anomark.contracts import AnomarkError

if TYPE_CHECKING:
    from anomark.suite.plan import Plan

SuiteOption = Annotated[
    list[str], typer.Option("--suite", "-s", help="A suite's name or YAML file; several are laid over each other.")
]
DEFAULT_SUITE = ["default"]


class PlainErrors(TyperGroup):
    """Commands whose user's mistakes end in one sentence and exit status 1, not in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AnomarkError as error:
            print(f"anomark: {error}", file=sys.stderr)
            raise typer.Exit(1) from None


def plan_of(suites: list[str]) -> Plan:
    """The plan of a suite under its overlays."""
    from anomark.suite.config import load
    from anomark.suite.plan import Plan

    return Plan(load(*suites))


def print_columns(rows: Iterable[tuple[str, ...]]) -> None:
    """A table as text, each column as wide as its longest value; the first row is the head."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())
