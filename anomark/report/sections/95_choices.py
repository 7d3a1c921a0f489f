"""What was chosen where the sources of the data are silent."""

from __future__ import annotations

from anomark.report.results import Results
from anomark.report.section import Section
from anomark.report.table import Cell, Row, Table, words


def build(results: Results) -> Section | None:
    found = choices(results)
    if not found:
        return None
    records = [{"choice": choice, "datasets": ", ".join(labels)} for choice, labels in found.items()]
    rows = [Row([Cell(text) for text in record.values()], record=record) for record in records]
    caption = "Made where the sources of the data are silent."
    table = Table("choices", "Choices", caption, words("Choice", "Datasets"), rows)
    lead = f"The sources of the data leave **{len(found)}** things open; each choice moves the numbers."
    return Section("choices-section", "Choices", lead, [table])


def choices(results: Results) -> dict[str, list[str]]:
    """Each choice and the datasets it concerns; of a variant what it adds to its dataset's."""
    concerned: dict[str, list[str]] = {}
    for dataset, summary in results.summaries.items():
        if summary.draw_of:
            continue  # its variant says the same
        base = results.summaries.get(summary.base) if summary.protocol else None
        known = base.choices if base else ()
        for choice in summary.choices:
            if choice not in known:
                concerned.setdefault(choice, []).append(results.label(dataset))
    return concerned
