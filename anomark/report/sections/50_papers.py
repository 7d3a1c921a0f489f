"""A chapter for each paper of the suite: its tables as measured here, ablations, audit, and what it leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from anomark.report.ablations import ablation_bars, ablation_sentence, ablation_table, changes
from anomark.report.papers.audit import audit_sentence, audit_table
from anomark.report.papers.published import (
    COLOURS,
    difference_sentence,
    file_name,
    heading,
    judge,
    paper_table,
    printed_table,
    published_table,
    scatter,
    tally_sentence,
)
from anomark.report.results import Results
from anomark.report.section import Drawing, Part, Section, Text
from anomark.report.table import Cell, Row, Table, words
from anomark.suite.papers import LeftOpen, Paper


def build(results: Results) -> list[Section]:
    """The sections of every paper; ids of sections and names of files are told apart where there are several papers."""
    return [
        Section(f"{file_name(results, paper, name)}-section", title, lead, parts, group=paper.title)
        for paper in results.papers
        for name, title, lead, parts in chapter(results, paper)
    ]


def chapter(results: Results, paper: Paper) -> Iterator[tuple[str, str, str, list[Part]]]:
    """Name, title, lead and parts of each section of one paper that has something to say."""
    yield "tables", "Its tables, measured", tally_sentence(results, paper), tables(results, paper)
    if paper.ablations:
        lead = ablation_sentence(results, paper) or "No variant is measured beside its full model."
        yield "ablations", "Ablations", lead, ablations(results, paper)
    if paper.numbers:
        title, lead = "Published and measured, cell by cell", difference_sentence(results, paper)
        yield "published", title, lead, [*scatters(results, paper), published_table(results, paper)]
    if paper.claims:
        title = "The published numbers against themselves"
        yield "audit", title, audit_sentence(paper), [audit_table(results, paper)]
    if paper.left_open and (table := left_open_table(results, paper, paper.left_open)).rows:
        lead = f"The paper does not give **{len(table.rows)}** parameters that its method needs."
        yield "parameters", "What the paper leaves open", lead, [table]


def tables(results: Results, paper: Paper) -> list[Part]:
    """The paper's tables in its own layout. One without published numbers needs a dataset of its modality."""
    alone = [table for table in paper.tables if table.printed_alone]
    shown = [t for t in paper.tables if t not in alone and (t.numbers or results.of_modality(t.modality))]
    links = f" Read it at {', '.join(paper.links)}." if paper.links else ""
    about = [Text(f"{paper.citation}{links}"), Text(paper.protocol)]
    measured = [paper_table(results, paper, table) for table in shown]
    return [*about, *measured, *(printed_table(results, paper, table) for table in alone)]


def scatters(results: Results, paper: Paper) -> list[Drawing]:
    """Published against measured, where a number of the paper could be compared."""
    if not any(judge(results, paper, *cell)[0] in COLOURS for cell in paper.numbers):
        return []
    return [Drawing(file_name(results, paper, "published-scatter"), partial(scatter, results, paper))]


def ablations(results: Results, paper: Paper) -> list[Part]:
    """What each part of the paper's full model is worth."""
    drawings = [
        Drawing(file_name(results, paper, f"ablation-{n}" if n else "ablation"), partial(ablation_bars, results, table))
        for n, table in enumerate(paper.ablations)
        if any(changes(results, table, modality) for modality in table.columns)
    ]
    return [*drawings, *(ablation_table(results, paper, table) for table in paper.ablations)]


def left_open_table(results: Results, paper: Paper, left_open: LeftOpen) -> Table:
    """Parameters that a paper does not give: name, value, meaning. Where datasets differ, a value names its own."""
    rows = []
    for name, meaning in left_open.parameters.items():
        concerned: dict[str, list[str]] = {}
        for dataset, summary in results.datasets.items():
            if name in (params := summary.method_params.get(left_open.method, {})):
                value = params[name].get(summary.modality) if isinstance(params[name], dict) else params[name]
                concerned.setdefault(str(value), []).append(results.label(dataset))
        values = [value if len(concerned) == 1 else f"{value} ({', '.join(d)})" for value, d in concerned.items()]
        if text := "; ".join(values):
            record = {"parameter": name, "meaning": meaning, "value": text}
            rows.append(Row([Cell(name), Cell(text), Cell(meaning)], record=record))
    label = results.methods[left_open.method].label if rows else ""
    caption = (
        f"Parameters of {label} that the paper does not give, as the cells of this suite were computed. "
        f"{left_open.chosen}"
    )
    name, title = file_name(results, paper, "parameters"), heading(results, paper, "What the paper leaves open")
    return Table(name, title, caption, words("Parameter", "Value", "Meaning"), rows)
