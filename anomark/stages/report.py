"""The last stage: tables, figures and the page of one suite, from what `evaluate` wrote.

    python -m anomark.stages.report --suite-json results/<suite>/suite.json --evaluation results/<suite>/evaluation \
        --out reports/<suite> --results results/<suite>
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from anomark.contracts import AnomarkError
from anomark.report.ablations import ablation_table
from anomark.report.audit import audit_table
from anomark.report.comparisons import comparison_table
from anomark.report.figures import draw_figures
from anomark.report.headline import headline_table
from anomark.report.left_open import left_open_table
from anomark.report.machine import to_json
from anomark.report.published import paper_table, published_table
from anomark.report.rank_tests import rank_table
from anomark.report.render.formats import FORMATS, render
from anomark.report.render.page import write_page
from anomark.report.results import Results, load_results
from anomark.report.sensitivity import sensitivity_table
from anomark.report.table import Table
from anomark.report.tables import alarm_table, leaderboard, protocol, reading_table
from anomark.suite.papers import PAPERS, Paper


def report(suite_json: Path, evaluation: Path, out: Path, results_folder: Path, papers: Path = PAPERS) -> Path:
    """Write metrics.csv, coverage.csv and sweep.csv into `results_folder`, all else into `out`.

    That is tables, figures, results.json and index.html.

    Returns:
        The path of the page.
    """
    results = load_results(suite_json, evaluation, papers)
    write_tidy(results, results_folder)
    tables = build_tables(results)
    (out / "tables").mkdir(parents=True, exist_ok=True)
    for table in tables:
        for form in FORMATS:
            (out / "tables" / f"{table.name}.{form}").write_text(render(table, form))
    (out / "results.json").write_text(to_json(results))
    pictures = draw_figures(results, out / "figures")
    write_page(results, tables, pictures, out / "index.html")
    return out / "index.html"


def build_tables(results: Results) -> list[Table]:
    """The headline, every paper's tables, what is made of them, other readings, the leaderboard."""
    tables = [headline_table(results), *(table for paper in results.papers for table in paper_tables(results, paper))]
    tables += [comparison_table(results, protocol(results, [*results.datasets])), rank_table(results)]
    tables.append(reading_table(results))
    if results.variants:
        tables.append(sensitivity_table(results))
    return [*tables, alarm_table(results), leaderboard(results)]


def paper_tables(results: Results, paper: Paper) -> list[Table]:
    """The tables of one paper's chapter. One without published numbers needs a dataset of its modality."""
    tables = [
        paper_table(results, paper, table)
        for table in paper.tables
        if table.numbers or results.of_modality(table.modality)
    ]
    tables += [ablation_table(results, paper, ablation) for ablation in paper.ablations]
    tables += [published_table(results, paper), audit_table(results, paper)]
    left_open = left_open_table(results, paper)
    return [*tables, left_open] if left_open else tables


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
