"""The last stage: tables, figures and the page of one suite, from what `evaluate` wrote."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from anomark import seals
from anomark.report import spreadsheet
from anomark.report.machine import to_json
from anomark.report.render.draw import draw_picture
from anomark.report.render.formats import FORMATS, render
from anomark.report.render.page import write_page
from anomark.report.results import Results, load_results
from anomark.report.section import Drawing, Section, build_sections
from anomark.report.table import Table
from anomark.suite.papers import PAPERS
from anomark.suite_records import TIDY, Jobs, SuiteRecord


def report(suite_json: Path, evaluation: Path, out: Path, results_folder: Path, papers: Path = PAPERS) -> Path:
    """Write metrics.csv, coverage.csv and sweep.csv into `results_folder`, all else into `out`.

    That is index.html, results.json, and the folders tables/ and figures/, which are emptied before. All are sealed.

    Returns:
        The path of the page.
    """
    results = load_results(suite_json, evaluation, papers)
    write_tidy(results, results_folder)
    sections = build_sections(results)
    write_tables(sections, _empty(out / "tables"))
    drawings = [part for section in sections for part in section.parts if isinstance(part, Drawing)]
    folder = _empty(out / "figures")
    pictures = {drawing.name: draw_picture(results, drawing, folder) for drawing in drawings}
    (out / "results.json").write_text(to_json(results))
    write_page(results, sections, pictures, out / "index.html")
    made = [path.relative_to(out).as_posix() for name in ("tables", "figures") for path in (out / name).iterdir()]
    seals.seal(out, ["index.html", "results.json", *made])
    return out / "index.html"


def write_tables(sections: Sequence[Section], folder: Path) -> None:
    """Every table of the sections in every format."""
    for table in (part for section in sections for part in section.parts if isinstance(part, Table)):
        for form in FORMATS:
            (folder / f"{table.name}.{form}").write_text(render(table, form))


def _empty(folder: Path) -> Path:
    """The folder without what an earlier report left there: a section that went takes its files with it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_tidy(results: Results, folder: Path) -> None:
    """All datasets' metrics and outcomes, one row a number and one row a cell, and what settings are worth."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in zip(TIDY, (results.metrics, results.outcomes, results.sweep), strict=True):
        (folder / name).write_text(spreadsheet.write(table), encoding="utf-8")
        seals.seal(folder / name)


def run(jobs: Jobs, suite_json: str, evaluation: str, out: str, results_folder: str) -> None:
    """Build the report of a suite.

    Raises:
        Damaged: what it reads is not what was stored.
    """
    for dataset in SuiteRecord.load_sealed(Path(suite_json)).datasets:
        seals.verify(Path(evaluation) / dataset)
    print(report(Path(suite_json), Path(evaluation), Path(out), Path(results_folder)))
