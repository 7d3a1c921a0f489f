"""Published against measured, the audit of the published numbers, and the rank tests, as the report prints them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from anomark.report.papers.audit import Finding, audit, compare_stated
from anomark.report.papers.published import COLOURS, MARK, VERDICTS, judge, paper_table, published_table, scatter
from anomark.report.rank_tests import fields, rank_table
from anomark.report.render.critical_difference import diagram
from anomark.report.results import Results, load_results
from anomark.statistics.ranks import cliques, critical_difference
from anomark.suite.paper_tables import Printed
from anomark.suite.papers import PAPERS, Difference, Paper, read_paper
from tests.report_fixture import write_evaluation


@pytest.fixture(scope="module")
def findings(results: Results) -> dict[str, Finding]:
    (paper,) = results.papers
    return {f"{f.subject}|{f.stated}": f for f in audit(paper)}


@pytest.fixture(scope="module")
def paper(results: Results) -> Paper:
    (paper,) = results.papers
    return paper


def printed(paper: Paper, cell: tuple[str, str], value: float, sd: float | None = None, **changes: Any) -> Paper:
    """The paper with one other number, and nothing said of what can't be compared."""
    changed = paper.model_copy(update=changes)
    changed.__dict__["numbers"] = paper.numbers | {cell: Printed(str(value), value, 0.0005, sd)}
    return changed


@pytest.mark.parametrize(
    ("away", "verdict"), [(0.0103, "reproduced"), (-0.0104, "reproduced"), (0.011, "higher"), (-0.0106, "lower")]
)
def test_verdict_follows_the_printed_difference(results: Results, paper: Paper, away: float, verdict: str) -> None:
    cell = ("mvtec-bottle", "ddpm")
    measured = results.score(*cell).mean
    assert measured is not None
    assert judge(results, printed(paper, cell, measured - away), *cell)[0] == verdict


def test_a_number_within_the_published_deviations_reproduces(results: Results, paper: Paper) -> None:
    cell = ("mvtec-bottle", "ddpm")
    measured = results.score(*cell).mean
    assert measured is not None
    found = {
        (sds, sd): judge(results, printed(paper, cell, measured - 0.03, sd, tolerance_sd=sds), *cell)[0]
        for sds in (None, 2.0)
        for sd in (None, 0.01, 0.02)
    }
    assert [key for key, verdict in found.items() if verdict == "reproduced"] == [(2.0, 0.02)]


def test_every_published_cell_has_a_row_and_a_verdict(results: Results, paper: Paper) -> None:
    table = published_table(results, paper)
    cells = {(row["dataset"], row["method"]): row for row in table.data.to_dict("records")}
    assert cells.keys() == results.published.keys() and len(cells) == 55
    assert set(table.data["verdict"]) <= set(VERDICTS)
    bottle = cells["mvtec-bottle", "wavediff"]
    mean = results.metrics.query("dataset == 'mvtec-bottle' and method == 'wavediff' and metric == 'auroc'")[
        "value"
    ].mean()
    assert bottle["difference"] == pytest.approx(mean - 0.946) and bottle["verdict"] == "lower"
    apart = {d for (d, _), row in cells.items() if row["verdict"] == "no comparable set-up"}
    assert apart == paper.not_comparable.keys() == {"ucr-ECG200", "ucr-Wafer", "pems-bay"}
    failed = cells["mvtec-metal_nut", "vae"]
    assert failed["verdict"] == "not measured" and failed["reason"].startswith("failed: ValueError")
    assert cells["mvtec-cable", "vae"]["reason"] == "not in suite"


def test_the_papers_rows_stand_first_and_what_reproduces_is_marked(results: Results, paper: Paper) -> None:
    table = paper_table(results, paper, paper.table("table2"))
    assert [row.dataset for row in table.rows] == ["nab-nyc_taxi", "ucr-ECG200", "series", ""]
    assert [row.rule for row in table.rows] == [False, False, True, False]
    for row in table.rows:
        for cell, method in zip(row.cells[2:], paper.table("table2").columns, strict=False):
            judged = (row.dataset, method) in paper.numbers and judge(results, paper, row.dataset, method)[0]
            assert (MARK in cell.note) == (judged == "reproduced")


def test_data_that_is_absent_says_how_to_get_it(results: Results, paper: Paper) -> None:
    suite = results.suite.model_copy(update={"absent": {"mvtec-cable": "mvtec/cable/: from its owner"}})
    reason = judge(replace(results, suite=suite), paper, "mvtec-cable", "vae")[1]
    assert reason == "mvtec/cable/: from its owner"


def test_audit_computes_the_known_inconsistencies(findings: dict[str, Finding]) -> None:
    gain = findings["Mean gain over DDPM, Table I|2.9%"]
    # By hand: means .9430 and .9125, so 3.05 points and .9430 / .9125 - 1 = 3.34%.
    assert (gain.found, gain.verdict) == ("3.3%, or 3.05 points", "differs")
    gain = findings["Mean gain over DDPM, Table II|1.7%"]
    # By hand: means .9200 and .9022, so 1.78 points and .9200 / .9022 - 1 = 1.97%.
    assert (gain.found, gain.verdict) == ("2.0%, or 1.78 points", "differs")
    for subject, mean in (("image|.941", ".9430"), ("series|.919", ".9200")):
        full = findings[f"AUROC of the full model, {subject}"]
        assert full.found.startswith(mean) and full.verdict == "differs"
    # By hand: .932 / .941 - 1 = -.956%, which rounds to -1.0%; .9324 / .9406 - 1 = -.87% prints the same digits.
    hybrid = findings["Drop, − Hybrid emb., image|−0.9%"]
    assert hybrid.found.startswith("−0.96%") and hybrid.verdict == "within rounding"
    text = findings["Drop on pems-bay|−3.9%"]
    assert text.verdict == "differs"
    assert {"urbansound8k", "ucr-FordA", "ucr-Lightning2", "msl"} <= {finding.subject for finding in findings.values()}


def test_audit_reads_the_tables_and_types_nothing(tmp_path: Path, findings: dict[str, Finding]) -> None:
    folder = tmp_path / "chen2025"
    shutil.copytree(PAPERS / "chen2025", folder)
    for name, old, new in (("table3.csv", ".883,-2.8%,-3.9%", ".900,-2.8%,-2.1%"), ("table1.csv", ".891", ".500")):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))
    found = {finding.subject: finding for finding in audit(read_paper(folder))}
    # By hand: .900 / .919 - 1 = -2.07%.
    assert found["Drop, − MHA, series"].found == "−2.07%, or −1.9 points"
    assert found["Drop, − MHA, series"].verdict == "agrees"
    assert found["Order of the datasets, Table I"].found != findings["Order of the datasets, Table I|"].found


def test_statements_are_judged_by_their_own_digits() -> None:
    stated = Printed.read("2.9%")
    assert compare_stated(stated, 2.949, 0.0) == "agrees"
    assert compare_stated(stated, 3.0, 0.06) == "within rounding"
    assert compare_stated(stated, 3.0, 0.05) == "differs"


def test_rank_fields_hold_complete_methods_of_one_track(results: Results) -> None:
    image, latent, series = fields(results)
    assert (image.modality, image.track) == ("image", "from scratch")
    assert image.methods == ["wavediff", "iforest", "knn"] and image.absent == ["ddpm", "vae"]
    assert image.scores.shape == (3, 3)
    assert image.scores[0, 0] == pytest.approx(results.score("mvtec-bottle", "wavediff").mean, abs=5e-4)
    assert latent.methods == ["patchcore"] and not latent.large_enough
    assert series.methods == ["vae", "wavediff", "autoformer", "iforest"]


def test_rank_table_prints_tests_and_what_they_can_reach(results: Results) -> None:
    table = rank_table(results)
    image, *_, series = fields(results)
    rows = {(r["modality"], r["method"]): r for r in table.data.to_dict("records")}
    assert len(rows) == len(image.methods) + len(series.methods)
    ranks = (-series.scores).argsort(axis=1).argsort(axis=1).mean(axis=0) + 1  # no ties here
    for method, rank in zip(series.methods, ranks, strict=True):
        assert rows["series", method]["average rank"] == pytest.approx(rank)
    assert np.isclose(rows["series", "vae"]["critical difference"], critical_difference(4, 3))
    # By hand: (3!)^-2 = .028; three datasets give Wilcoxon 2 / 2^3, times three pairs.
    assert all(p in " ".join(table.notes) for p in (".028", ".750"))


def test_few_datasets_have_no_rank_test(tmp_path: Path) -> None:
    results = load_results(*write_evaluation(tmp_path, ["textures", "series"]))
    assert not rank_table(results).rows


def test_diagram_names_every_method_and_joins_what_nemenyi_cannot_tell_apart(results: Results) -> None:
    *_, series = fields(results)
    figure, _, alt = diagram(results, series)
    texts = {text.get_text() for text in figure.axes[0].texts}
    labels = [results.methods[method].label for method in series.methods]
    assert all(any(label in text for text in texts) and label in alt for label in labels)
    bars = [line for line in figure.axes[0].lines if line.get_linewidth() == 3]
    assert len(bars) == len(cliques(series.friedman.ranks, series.critical_difference)) == 1
    plt.close(figure)


def test_a_method_whose_base_is_itself_is_no_variant(results: Results) -> None:
    methods = tuple(m.model_copy(update={"base": m.base or m.id}) for m in results.suite.methods)
    image = next(fields(replace(results, suite=results.suite.model_copy(update={"methods": methods}))))
    assert image.methods == ["wavediff", "iforest", "knn"]


def test_the_scatter_has_a_dot_for_each_number_that_could_be_compared(results: Results, paper: Paper) -> None:
    figure, _, _ = scatter(results, paper)
    dots = sum(len(line.get_xdata()) for line in figure.axes[0].lines[:-1])
    plt.close(figure)
    compared = [cell for cell in paper.numbers if judge(results, paper, *cell)[0] in COLOURS]
    assert dots == len(compared) > 0


def test_a_number_that_differs_says_why_where_the_paper_does(results: Results, paper: Paper) -> None:
    cell = ("mvtec-bottle", "ddpm")
    reason = Difference(method="ddpm", why="Another resolution.")
    measured = results.score(*cell).mean
    assert measured is not None
    for away, why in ((0.2, "Another resolution."), (0.0, "")):
        assert judge(results, printed(paper, cell, measured - away, differences=[reason]), *cell)[1] == why
