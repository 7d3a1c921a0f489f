"""A chapter for each paper of the suite: its tables as measured here, ablations, audit, and what it leaves open."""

from __future__ import annotations

from functools import partial

from anomark.report.ablations import ablation_bars, ablation_sentence, ablation_table, changes
from anomark.report.audit import audit_sentence, audit_table
from anomark.report.left_open import left_open_table
from anomark.report.published import difference_sentence, file_name, paper_table, published_table, tally_sentence
from anomark.report.results import Results
from anomark.report.section import Drawing, Facts, Section, Text
from anomark.report.table import Table
from anomark.suite.papers import Paper


def build(results: Results) -> list[Section]:
    return [section for paper in results.papers for section in chapter(results, paper)]


def chapter(results: Results, paper: Paper) -> list[Section]:
    """The sections of one paper; ids of sections and names of files are told apart where there are several papers."""
    return [
        section
        for section in (
            tables(results, paper),
            ablations(results, paper),
            cells(results, paper),
            audit(results, paper),
            left_open(results, paper),
        )
        if section
    ]


def tables(results: Results, paper: Paper) -> Section:
    """The paper's tables in its own layout. One without published numbers needs a dataset of its modality."""
    shown = [
        paper_table(results, paper, table)
        for table in paper.tables
        if table.numbers or results.of_modality(table.modality)
    ]
    links = f" Read it at {', '.join(paper.links)}." if paper.links else ""
    about = [Text(f"{paper.citation}{links}"), Text(paper.protocol)]
    return _section(results, paper, "tables", "Its tables, measured", tally_sentence(results, paper), [*about, *shown])


def ablations(results: Results, paper: Paper) -> Section | None:
    """What each part of the paper's full model is worth."""
    if not paper.ablations:
        return None
    drawings = [
        Drawing(file_name(results, paper, f"ablation-{n}" if n else "ablation"), partial(ablation_bars, results, table))
        for n, table in enumerate(paper.ablations)
        if any(changes(results, table, modality) for modality in table.columns)
    ]
    shown = [ablation_table(results, paper, table) for table in paper.ablations]
    lead = ablation_sentence(results, paper) or "No variant is measured beside its full model."
    return _section(results, paper, "ablations", "Ablations", lead, [*drawings, *shown])


def cells(results: Results, paper: Paper) -> Section | None:
    """Every published number with its verdict."""
    if not paper.numbers:
        return None
    table = published_table(results, paper)
    lead = difference_sentence(results, paper)
    return _section(results, paper, "published", "Published and measured, cell by cell", lead, [table])


def audit(results: Results, paper: Paper) -> Section | None:
    """The paper's numbers against themselves and its text."""
    if not paper.claims:
        return None
    title = "The published numbers against themselves"
    return _section(results, paper, "audit", title, audit_sentence(paper), [audit_table(results, paper)])


def left_open(results: Results, paper: Paper) -> Section | None:
    """What the paper does not give, and what was chosen."""
    table = left_open_table(results, paper)
    if table is None:
        return None
    lead = f"The paper does not give **{len(table.rows)}** parameters that its method needs."
    return _section(results, paper, "parameters", "What the paper leaves open", lead, [table])


def _section(
    results: Results, paper: Paper, name: str, title: str, lead: str, parts: list[Table | Drawing | Text | Facts]
) -> Section:
    return Section(f"{file_name(results, paper, name)}-section", title, lead, parts, group=paper.title)
