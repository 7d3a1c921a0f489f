"""The last stage: tables, figures and the page of one suite, from what `evaluate` wrote.

    python -m anomark.stages.report --suite-json results/<suite>/suite.json --evaluation results/<suite>/evaluation \
        --out reports/<suite> --results results/<suite>
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from anomark.contracts import AnomarkError
from anomark.report.machine import to_json
from anomark.report.render.draw import draw_picture
from anomark.report.render.formats import FORMATS, render
from anomark.report.render.page import write_page
from anomark.report.results import Results, load_results
from anomark.report.section import Drawing, Section, build_sections
from anomark.report.table import Table
from anomark.suite.papers import PAPERS


def report(suite_json: Path, evaluation: Path, out: Path, results_folder: Path, papers: Path = PAPERS) -> Path:
    """Write metrics.csv, coverage.csv and sweep.csv into `results_folder`, all else into `out`.

    That is index.html, results.json, and the folders tables/ and figures/, which are emptied before.

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
    results.metrics.to_csv(folder / "metrics.csv", index=False, lineterminator="\n")
    results.outcomes.to_csv(folder / "coverage.csv", index=False, lineterminator="\n")
    results.sweep.to_csv(folder / "sweep.csv", index=False, lineterminator="\n")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="anomark.stages.report", description=__doc__.splitlines()[0])
    parser.add_argument("--suite-json", type=Path, required=True, help="what the suite is: results/<suite>/suite.json")
    parser.add_argument("--evaluation", type=Path, required=True, help="one folder a dataset, as evaluate writes them")
    parser.add_argument("--out", type=Path, required=True, help="where tables, figures and index.html go")
    parser.add_argument("--results", type=Path, required=True, help="where metrics.csv and coverage.csv go")
    parser.add_argument("--papers", type=Path, default=PAPERS, help="the folder of the papers")
    arguments = parser.parse_args(argv)
    try:
        page = report(arguments.suite_json, arguments.evaluation, arguments.out, arguments.results, arguments.papers)
    except AnomarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
