"""Where methods and datasets come from: papers, citations, sources and licences."""

from __future__ import annotations

from anomark.report.results import Results
from anomark.report.section import Section
from anomark.report.table import Cell, Row, Table, words


def build(results: Results) -> Section | None:
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
    for dataset, summary in results.prepared.items():
        source = summary.citation or summary.source
        cells = [Cell("dataset"), Cell(results.label(dataset)), Cell(source), Cell(summary.licence)]
        record = {"kind": "dataset", "id": dataset, "source": source, "licence": summary.licence}
        rows.append(Row(cells, dataset, summary.modality, record=record))
    caption = "The paper of each method, and the citation or the source of each dataset. Cite them with their numbers."
    return Table("sources", "Sources", caption, words("Kind", "Name", "Source", "Licence"), rows)
