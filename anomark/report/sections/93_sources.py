"""Where methods and datasets come from, and what was chosen where the sources of the data are silent."""

from __future__ import annotations

from anomark.report.results import Results
from anomark.report.section import Section
from anomark.report.table import Cell, Row, Table, words


def build(results: Results) -> list[Section]:
    return [section for section in (sources_section(results), choices_section(results)) if section]


def sources_section(results: Results) -> Section | None:
    table = source_table(results)
    methods = sum(1 for row in table.rows if row.method)
    sentence = f"**{methods}** methods and **{len(table.rows) - methods}** datasets have a source to cite."
    return Section("sources-section", "Sources", sentence, [table]) if table.rows else None


def source_table(results: Results) -> Table:
    """A row a method that is no variant, then a row a dataset that is no variant."""
    rows = []
    for method in results.methods.values():
        if method.is_variant or not method.paper:
            continue
        record = {"kind": "method", "id": method.id, "source": method.paper, "licence": ""}
        cells = [Cell("method"), Cell(method.label), Cell(method.paper), Cell("")]
        rows.append(Row(cells, method=method.id, record=record))
    for dataset, summary in results.datasets.items():
        source = summary.citation or summary.source
        cells = [Cell("dataset"), Cell(results.label(dataset)), Cell(source), Cell(summary.licence)]
        record = {"kind": "dataset", "id": dataset, "source": source, "licence": summary.licence}
        rows.append(Row(cells, dataset, summary.modality, record=record))
    caption = "The paper of each method, and the citation or the source of each dataset. Cite them with their numbers."
    return Table("sources", "Sources", caption, words("Kind", "Name", "Source", "Licence"), rows)


def choices_section(results: Results) -> Section | None:
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
