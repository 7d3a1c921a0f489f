"""Means over the series of one file: each is a dataset of its own, and counts as much as the others."""

from __future__ import annotations

from anomark.report.results import ORACLE, Results, average
from anomark.report.section import Section
from anomark.report.table import Cell, Column, Row, Table, number, words
from anomark.report.tables import machine_fields, protocol, score_cell


def build(results: Results) -> Section | None:
    table = means_table(results)
    if not table.rows:
        return None
    series, method, mean = (cell.text for cell in table.rows[0].cells[:3])
    lead = f"Over {series} the best mean AUROC belongs to {method} (**{mean}**)."
    return Section("series-of-one-file", "Series of one file", lead, [table])


def members(results: Results) -> dict[str, list[str]]:
    """The files of which several series have numbers, each with the datasets that these are."""
    found: dict[str, list[str]] = {}
    for dataset, summary in results.datasets.items():
        if summary.base not in ("", dataset):
            found.setdefault(summary.base, []).append(dataset)
    return {base: datasets for base, datasets in found.items() if len(datasets) > 1}


def means_table(results: Results) -> Table:
    """A row a method and file: the mean over its series, the lowest and the highest of them."""
    rows: list[Row] = []
    groups = members(results)
    for base, datasets in groups.items():
        methods = [method for method in results.methods if method != ORACLE]
        means = {method: average(results.score(dataset, method) for dataset in datasets) for method in methods}
        means = {method: score for method, score in means.items() if score.status != "not in suite"}
        order = sorted(means, key=lambda m: (results.methods[m].is_control, -(means[m].mean or 0.0)))
        for place, method in enumerate(order):
            single = {d: mean for d in datasets if (mean := results.score(d, method).mean) is not None}
            ends = [f(single, key=lambda d: single[d]) for f in (min, max)] if single else []
            cells = [Cell(f"the {len(datasets)} series of {base}"), Cell(results.methods[method].label)]
            cells.append(score_cell(means[method], best=not place))
            cells += [Cell(number(single[d]), note=results.label(d), sort=single[d]) for d in ends]
            cells += [Cell("–", tone="quiet")] * (5 - len(cells))
            record = {"file": base, "count": len(datasets), "method": method} | machine_fields(means[method], "auroc")
            modality = results.summaries[datasets[0]].modality
            rows.append(Row(cells, "", modality, method, record, rule=not place and bool(rows)))
    shown = [dataset for datasets in groups.values() for dataset in datasets]
    caption = (
        "AUROC, mean over the series of one file, each of which counts the same; beside it the series on which the "
        f"method is worst and best. {protocol(results, shown)}"
    )
    columns = [*words("Series", "Method"), Column("Mean"), Column("Lowest"), Column("Highest")]
    return Table("series_of_one_file", "Series of one file", caption, columns, rows)
