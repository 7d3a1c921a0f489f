"""Which differences between methods are more than chance: paired bootstrap and rank tests."""

from __future__ import annotations

from functools import partial

from anomark.report.comparisons import comparison_table
from anomark.report.rank_tests import fields, rank_table
from anomark.report.render.critical_difference import diagram
from anomark.report.results import Results
from anomark.report.section import Drawing, Section
from anomark.report.table import Table
from anomark.report.tables import protocol


def build(results: Results) -> Section:
    table, ranks = comparison_table(results, protocol(results, [*results.datasets])), rank_table(results)
    drawings = [
        Drawing(f"ranks-{field.name.replace(', ', '-').replace(' ', '-')}", partial(diagram, results, field))
        for field in fields(results)
        if field.large_enough
    ]
    return Section("comparisons-section", "What is distinguishable", lead(table), [*drawings, table, ranks])


def lead(table: Table) -> str:
    """How many differences the paired bootstrap tells from none."""
    found = [
        cell for row in table.rows if not row.summary for cell in row.cells if cell.sort is not None and cell.spread
    ]
    if not found:
        return "No two methods can be compared."
    told = sum(cell.best for cell in found)
    return (
        f"**{told} of {len(found)}** differences on single datasets are distinguishable from none (paired bootstrap, "
        "p < .05, not corrected for their number)."
    )
