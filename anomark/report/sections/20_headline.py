"""The table for readers in a hurry: what the suite highlights, and what a user would pick instead."""

from __future__ import annotations

from anomark.report.headline import headline_sentence, headline_table
from anomark.report.results import Results
from anomark.report.section import Section


def build(results: Results) -> Section | None:
    table = headline_table(results)
    lead = headline_sentence(results) or f"The strongest of each kind on {len(results.datasets)} datasets."
    return Section("headline-section", "In one table", lead, [table]) if table.rows else None
