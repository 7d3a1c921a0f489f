"""The last stage: tables, figures and the page of one suite, from what `evaluate` wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anomark import seals, spreadsheet
from anomark.files import replacing
from anomark.report.machine import to_json
from anomark.report.render.draw import draw_picture
from anomark.report.render.formats import FORMATS, render
from anomark.report.render.page import write_page
from anomark.report.results import Results, load_results
from anomark.report.section import Drawing, Section, build_sections
from anomark.report.table import Table
from anomark.runtime.locks import making
from anomark.suite.papers import PAPERS
from anomark.suite_records import TIDY, Jobs, SuiteRecord

#: What a report has beside its page and its results.json.
FOLDERS = ("tables", "figures")


def report(suite_json: Path, evaluation: Path, out: Path, results_folder: Path, papers: Path = PAPERS) -> Path:
    """Write metrics.csv, coverage.csv and sweep.csv into `results_folder`, all else into `out`.

    That is index.html, results.json, and the folders tables/ and figures/. All are sealed, and what an earlier report
    left in their place goes.

    Returns:
        The path of the page.
    """
    results = load_results(suite_json, evaluation, papers)
    sections = build_sections(results)
    drawings = [part for section in sections for part in section.parts if isinstance(part, Drawing)]
    with making(out, f"the report {out}") as work:
        for name in FOLDERS:
            (work / name).mkdir()
        write_tables(sections, work / "tables")
        pictures = {drawing.name: draw_picture(results, drawing, work / "figures") for drawing in drawings}
        (work / "results.json").write_text(to_json(results))
        write_page(results, sections, pictures, work / "index.html")
        write_tidy(results, results_folder)
        made = [path.relative_to(work).as_posix() for name in FOLDERS for path in (work / name).iterdir()]
        seals.publish(work, out, ["index.html", "results.json", *made])
    return out / "index.html"


def write_tables(sections: Sequence[Section], folder: Path) -> None:
    """Every table of the sections in every format."""
    for table in (part for section in sections for part in section.parts if isinstance(part, Table)):
        for form in FORMATS:
            (folder / f"{table.name}.{form}").write_text(render(table, form))


def write_tidy(results: Results, folder: Path) -> None:
    """All datasets' metrics and outcomes, one row a number and one row a cell, and what settings are worth."""
    for name, table in zip(TIDY, (results.metrics, results.outcomes, results.sweep), strict=True):
        with replacing(folder / name) as partial:
            partial.write_text(spreadsheet.write(table), encoding="utf-8")
        seals.seal(folder / name)


def run(jobs: Jobs, suite_json: str, evaluation: str, out: str, results_folder: str) -> None:
    """Build the report of a suite.

    Raises:
        Damaged: what it reads is not what was stored.
    """
    for dataset in SuiteRecord.load_sealed(Path(suite_json)).datasets:
        seals.verify(Path(evaluation) / dataset)
    print(report(Path(suite_json), Path(evaluation), Path(out), Path(results_folder)))
