"""The report's numbers: statistics over seeds, the paper's tables, ranking, statuses, formats."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomark import spreadsheet
from anomark.contracts import DataError
from anomark.report.render.formats import FORMATS, render
from anomark.report.render.latex import escape_latex
from anomark.report.results import Results, load_results
from anomark.report.score import Score, average
from anomark.report.table import Cell, Column, Row, Table, number, percent, signed, words
from anomark.report.tables import ranks
from anomark.report.verdict import verdict
from tests.report_fixture import BAD, DATASETS, METHODS, tables_of, write_evaluation


@pytest.fixture(scope="module")
def tables(results: Results) -> dict[str, Table]:
    return tables_of(results)


def records(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(table, "csv"))))


def test_interval_is_student_t_from_three_seeds_on() -> None:
    score = Score("done", by_seed={0: 0.90, 1: 0.92, 2: 0.94}, seeds=3)
    # Standard deviation .02; t(.975, 2) = 4.302653 in any printed table.
    assert score.mean == pytest.approx(0.92)
    assert score.ci95 == pytest.approx(4.302653 * 0.02 / 3**0.5, rel=1e-6)


def test_two_seeds_have_a_range_and_no_interval() -> None:
    score = Score("done", by_seed={0: 0.8, 1: 0.9}, seeds=2)
    assert (score.ci95, score.low, score.high) == (None, 0.8, 0.9)


def test_deterministic_score_has_no_interval() -> None:
    assert Score("done", by_seed={0: 0.8}, deterministic=True).ci95 is None


def test_average_is_taken_seed_by_seed_and_needs_every_dataset() -> None:
    seeded = Score("done", by_seed={0: 0.8, 1: 0.9}, seeds=2)
    once = Score("done", by_seed={0: 0.6}, deterministic=True)
    assert average([seeded, once]).by_seed == {0: pytest.approx(0.7), 1: pytest.approx(0.75)}
    assert average([seeded, Score("failed", "no")]).status == "incomplete"
    assert average([Score("not in suite")]).status == "not in suite"


@pytest.mark.parametrize(
    ("value", "text"), [(0.9434, ".943"), (1.0, "1.000"), (-0.0123, "−.012"), (-0.0001, ".000"), (None, "")]
)
def test_numbers_are_printed_as_papers_do(value: float | None, text: str) -> None:
    assert number(value) == text


def test_signs() -> None:
    assert [signed(0.012), signed(-0.012), signed(0.0001)] == ["+.012", "−.012", "±.000"]
    assert [percent(-3.52), percent(0.9), percent(0.01)] == ["−3.5%", "+0.9%", "±0.0%"]


def test_columns_stand_in_the_papers_order_then_others_then_controls(tables: dict[str, Table]) -> None:
    plain = [c for c in tables["table1"].data.columns if " " not in c]
    assert plain[2:7] == ["vae", "anogan", "patch_svdd", "ddpm", "wavediff"]
    assert [c.header for c in tables["table1"].columns[2:7]] == ["VAE", "AnoGAN", "PatchSVDD", "DDPM", "Ours"]
    others = [m["id"] for m in METHODS if m["kind"] == "method" and m["id"] not in ("vae", "ddpm", "wavediff")]
    controls = [m["id"] for m in METHODS if m["kind"] == "control"]
    assert plain[7:] == others + controls
    assert [c.header for c in tables["table2"].columns[2:7]] == ["VAE", "Trans-AD", "Autoformer", "DDPM", "Ours"]


def test_cells_hold_measured_published_and_their_difference(results: Results, tables: dict[str, Table]) -> None:
    row = records(tables["table1"])[0]
    metrics = results.metrics.query("dataset == 'mvtec-bottle' and method == 'wavediff' and metric == 'auroc'")
    assert float(row["wavediff"]) == pytest.approx(metrics["value"].mean(), abs=1e-6)
    assert float(row["wavediff published"]) == 0.946
    assert float(row["wavediff difference"]) == pytest.approx(float(row["wavediff"]) - 0.946, abs=1e-6)
    half = 4.302653 * metrics["value"].std() / 3**0.5
    assert float(row["wavediff ci95"]) == pytest.approx(half, abs=1e-6)


def test_a_cell_without_a_score_prints_its_status(tables: dict[str, Table]) -> None:
    first = {row["dataset"]: row for row in records(tables["table1"])}
    assert first["mvtec-metal_nut"]["vae"] == "failed"
    assert first["textures"]["ddpm"] == "oom"
    assert first["mvtec-bottle"]["anogan"] == "not in suite"
    assert first["mvtec-bottle"]["autoformer"] == "n/a"
    assert {row["dataset"]: row["ddpm"] for row in records(tables["table2"])}["nab-nyc_taxi"] == "diverged"


def test_no_score_is_empty_and_only_measured_ones_are_numbers(results: Results, tables: dict[str, Table]) -> None:
    rows = records(tables["leaderboard"])
    assert len(rows) == len(DATASETS) * len(METHODS)
    for row in rows:
        measured = bool(results.score(row["dataset"], row["method"]))
        assert row["auroc"]
        assert row["auroc"].replace(".", "").isdigit() == measured


def test_a_lost_seed_is_printed_beside_the_mean(results: Results) -> None:
    score = results.score("mvtec-bottle", "iforest")
    assert (len(score.by_seed), score.seeds, score.status) == (2, 3, "timeout")
    table = tables_of(results)["leaderboard"]
    row = next(row for row in table.rows if (row.dataset, row.method) == ("mvtec-bottle", "iforest"))
    cell = next(cell for cell in row.cells if "seeds" in cell.spread)
    assert "2/3 seeds" in cell.spread
    assert cell.title == BAD["mvtec-bottle", "iforest", 2][1]


def test_ranks_stay_within_a_track_and_leave_controls_out(results: Results) -> None:
    rank = ranks(results, "mvtec-bottle")
    assert rank["patchcore"] == 1  # alone in its track
    assert sum(r == 1 for m, r in rank.items() if m != "patchcore") == 1
    assert not {"oracle", "nearest_train", "random_score", "constant"} & set(rank)


def test_a_variant_is_nobodys_rival(results: Results) -> None:
    metrics = results.metrics.copy()
    metrics.loc[metrics["method"] == "wavediff-no-wavelet", "value"] = 0.999
    best = replace(results, metrics=metrics)
    assert best.score("textures", "wavediff-no-wavelet").mean == 0.999
    assert ranks(best, "textures") == ranks(results, "textures")
    variant, found = best.methods["wavediff-no-wavelet"].label, tables_of(best)
    for name in ("table1", "table2"):
        assert any(cell.best for row in found[name].rows for cell in row.cells), "the best of the rivals stays bold"
        assert not any(cell.note == variant for row in found[name].rows for cell in row.cells)
    assert not any(variant in sentence for sentence in verdict(best))


def test_methods_below_the_strongest_control_are_marked(results: Results, tables: dict[str, Table]) -> None:
    for row in records(tables["leaderboard"]):
        score, bar = results.score(row["dataset"], row["method"]).mean, results.best_control(row["dataset"])
        assert bar is not None
        assert bar[0] != "oracle"
        expected = row["kind"] == "method" and score is not None and score < bar[1]
        assert row["below control"] == str(expected)
    assert "†" in render(tables["table1"], "md")


def test_ablation_compares_on_common_datasets(results: Results, tables: dict[str, Table]) -> None:
    row = {record["method"]: record for record in records(tables["table3"])}
    images = ["mvtec-bottle", "mvtec-metal_nut", "textures"]
    full = sum(results.score(d, "wavediff").mean or 0 for d in images) / 3
    variant = sum(results.score(d, "wavediff-no-wavelet").mean or 0 for d in images) / 3
    measured = row["wavediff-no-wavelet"]
    assert float(measured["image"]) == pytest.approx(variant, abs=1e-6)
    assert measured["image datasets"] == "3"
    assert float(measured["image drop percent"]) == pytest.approx(100 * (variant / full - 1), abs=0.05)
    assert float(measured["image drop percent published"]) == -3.5
    assert row["wavediff-no-mha"]["image"] == "not in suite"


def test_drops_and_differences_are_tested_on_paired_replicates(results: Results, tables: dict[str, Table]) -> None:
    row = {record["method"]: record for record in records(tables["table3"])}["wavediff-no-wavelet"]
    images = ["mvtec-bottle", "mvtec-metal_nut", "textures"]
    full, variant = (
        np.mean([results.replicates[d, m] for d in images], axis=0) for m in ("wavediff", "wavediff-no-wavelet")
    )
    low, high = np.quantile(100 * (variant / full - 1), [0.025, 0.975])
    assert float(row["image drop percent low"]) == pytest.approx(low, abs=1e-4)
    assert float(row["image drop percent high"]) == pytest.approx(high, abs=1e-4)
    assert (float(row["image drop p"]) < 0.05) == (low > 0 or high < 0)

    found = {(r["datasets"], r["method"]): r for r in records(tables["comparisons"])}
    cell = found["mvtec-bottle", "wavediff"]
    bottle = {m["id"]: results.score("mvtec-bottle", m["id"]).mean for m in METHODS}
    assert bottle["wavediff"] is not None and bottle["ddpm"] is not None
    assert float(cell["ddpm"]) == pytest.approx(bottle["wavediff"] - bottle["ddpm"], abs=1e-6)
    controls = [m["id"] for m in METHODS if m["kind"] == "control" and m["id"] != "oracle"]
    assert cell["strongest control is"] == max(controls, key=lambda m: bottle[m] or 0)
    assert cell["strongest classical method is"] == max(("knn", "iforest"), key=lambda m: bottle[m] or 0)
    assert not found["mvtec-bottle", "ddpm"]["ddpm"], "a method is not compared with itself"
    assert not found["nab-nyc_taxi", "wavediff"]["ddpm"], "DDPM diverged there"
    mean = found["nab-nyc_taxi ucr-ECG200 series", "wavediff"]
    assert not mean["ddpm"] and float(mean["strongest control low"]) < float(mean["strongest control high"])


def test_methods_that_cannot_be_told_from_the_best_are_marked(results: Results, tables: dict[str, Table]) -> None:
    rows = {(r["dataset"], r["method"]): r for r in records(tables["leaderboard"])}
    place = {method: rows["mvtec-bottle", method]["rank"] for method in ("wavediff", "ddpm", "patchcore", "vae")}
    assert place["wavediff"] == place["patchcore"] == "1", "each the best of its own track"
    for method, row in rows.items():
        if row["tied with best"] != "True":
            continue
        best = next(
            m for (d, m), r in rows.items() if d == method[0] and r["rank"] == "1" and r["track"] == row["track"]
        )
        low, high = np.quantile(results.replicates[method[0], best] - results.replicates[method], [0.025, 0.975])
        assert low <= 0 <= high
    assert rows["mvtec-bottle", "ddpm"]["tied with best"] == "True"
    assert rows["mvtec-bottle", "vae"]["tied with best"] == "False"
    assert "≈" in render(tables["table1"], "md") and r"$\approx$" in render(tables["table1"], "tex")


def test_readings_rank_the_same_scores_again(results: Results, tables: dict[str, Table]) -> None:
    rows = {row["method"]: row for row in records(tables["readings"]) if row["dataset"] == "series"}
    assert "oracle" not in rows and rows["random_score"]["auroc rank"] == ""
    methods = [m.id for m in results.methods.values() if m.is_rival and results.score("series", m.id)]
    assert rows["wavediff-no-wavelet"]["auroc rank"] == "", "a variant is nobody's rival"
    for metric in ("auroc", "vus_pr", "point_adjusted_f1"):
        order = sorted(methods, key=lambda m: -(results.score("series", m, metric).mean or 0))
        assert [rows[method][f"{metric} rank"] for method in order] == [str(k + 1) for k in range(len(order))]


def test_false_alarms_stand_beside_the_oracles(results: Results, tables: dict[str, Table]) -> None:
    rows = {(row["dataset"], row["method"]): row for row in records(tables["alarms"])}
    assert ("series", "oracle") not in rows and ("nab-nyc_taxi", "ddpm") not in rows, "it diverged there"
    ours, knn = rows["series", "wavediff"], rows["series", "knn"]
    assert [float(ours[f"{m}_held_out"]) for m in ("false_alarm_rate", "recall")] == [0.06, 0.5]
    assert float(ours["false_alarm_rate_oracle"]) == float(knn["false_alarm_rate_oracle"]) == 0.2
    assert knn["false_alarm_rate_held_out"] == knn["recall_held_out"] == "n/a"
    assert rows["textures", "wavediff"]["recall_held_out"] == "undefined"
    methods = [row.method for row in tables["alarms"].rows if row.dataset == "series"]
    assert {*methods[:2]} == {"wavediff", "wavediff-no-wavelet"}, "what has a threshold comes first"


def test_headline_sets_the_flagship_beside_what_a_user_would_pick(results: Results, tables: dict[str, Table]) -> None:
    rows = {record["dataset"]: record for record in records(tables["headline"])}
    assert list(rows) == list(results.datasets)
    bottle = rows["mvtec-bottle"]
    assert float(bottle["published"]) == 0.946
    assert float(bottle["wavediff"]) == pytest.approx(results.score("mvtec-bottle", "wavediff").mean)
    rivals = [m for m in results.methods.values() if not m.is_control and not m.is_variant]
    for dataset, row in rows.items():
        means = {m.id: mean for m in rivals if (mean := results.score(dataset, m.id).mean) is not None}
        assert row["strongest of all is"] == max(means, key=lambda method: means[method])
        assert results.methods[row["strongest control is"]].is_control
        assert row["strongest control is"] != "oracle"
    assert rows["series"]["published"] == ""


def test_every_format_shows_every_row(tables: dict[str, Table]) -> None:
    for table in tables.values():
        assert render(table, "csv").count("\n") == len(table.data) + 1
        assert render(table, "md").count("\n|") == len(table.rows) + 2
        assert render(table, "html").count("<tr") == len(table.rows) + 1
        tex = render(table, "tex")
        assert tex.count("{") == tex.count("}")
        assert all(rule in tex for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert set(FORMATS) == {"csv", "md", "tex", "html"}


def test_formats_escape_what_they_must() -> None:
    cell = Cell("a|b <c> & 5%_x", title='say "no"')
    table = Table("t", "T", "50% & more", [Column("h_1")], [Row([cell], record={"h": "a,b"})])
    assert "a\\|b" in render(table, "md")
    html = render(table, "html")
    assert "&lt;c&gt; &amp; 5%_x" in html
    assert 'title="say &#34;no&#34;"' in html
    assert r"\textless{}c\textgreater{} \& 5\%\_x" in render(table, "tex")
    assert render(table, "csv") == 'h\n"a,b"\n'
    assert escape_latex("\\{−") == r"\textbackslash{}\{$-$"
    assert escape_latex("ü ● “λ”") == r"ü  “$\lambda$”", "pdflatex has no glyph for every sign"


def test_html_is_ascii(tables: dict[str, Table]) -> None:
    assert all(render(table, "html").isascii() for table in tables.values())


def test_undefined_metric_is_named(tmp_path: Path) -> None:
    suite, evaluation = write_evaluation(tmp_path)
    path = evaluation / "textures" / "metrics.csv"
    table = pd.read_csv(path)
    table.loc[(table["method"] == "vae") & (table["metric"] == "auroc"), "value"] = float("nan")
    table.to_csv(path, index=False)
    assert load_results(suite, evaluation).score("textures", "vae").status == "undefined"


def test_missing_column_is_named(tmp_path: Path) -> None:
    suite, evaluation = write_evaluation(tmp_path)
    path = evaluation / "textures" / "outcomes.csv"
    pd.read_csv(path).drop(columns="reason").to_csv(path, index=False)
    with pytest.raises(DataError, match=r"outcomes\.csv has no column 'reason'"):
        load_results(suite, evaluation)


def test_suite_without_a_modality_says_so(tmp_path: Path) -> None:
    suite, evaluation = write_evaluation(tmp_path)
    description = json.loads(suite.read_text())
    description["datasets"] = ["textures"]
    suite.write_text(json.dumps(description))
    tables = tables_of(load_results(suite, evaluation))
    assert not tables["table2"].rows and tables["table2"].notes
    for form in FORMATS:
        assert render(tables["table2"], form)


def test_partial_data_is_marked_wherever_its_number_stands(results: Results) -> None:
    tables = tables_of(results)
    for name in ("table1", "leaderboard"):
        (note,) = [note for note in tables[name].notes if "partial" in note]
        assert "metal nut" in note and "8 of 22 good test images" in note
        assert all(note in render(tables[name], form) for form in ("md", "tex"))
    assert not any("partial" in note for note in tables["table2"].notes)


HOSTILE = ('=HYPERLINK("x")', "@SUM(1)", "+cmd", "-cmd", "\tx", "'=x", "a|b", "a\\|b", "`x`", "<b>", "[x](y)")
HOSTILE += ("$a$b$", "x\n\ny")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_text_in_every_format(name: str, tmp_path: Path) -> None:
    record = {"dataset": name, "value": -0.3, "change": "-0.3%"}
    row = Row([Cell(name), Cell("[1, 2]", note=name)], record=record)
    table = Table("t", name, name, [*words(name, "n")], [row], [name])
    path = tmp_path / "t.csv"
    path.write_text(render(table, "csv"), newline="")
    assert spreadsheet.read(path).to_dict("records") == [record], "reading gives back what was written"
    cell = pd.read_csv(path)["dataset"][0]
    assert cell[0] not in "=+-@\t\r" and "-0.300000,-0.3%" in path.read_text()
    md = render(table, "md")
    (line,) = [line for line in md.splitlines() if line.startswith("|")][2:]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3, "two cells"
    assert "<b>" not in md and "](y)" not in md
    tex = render(table, "tex")
    assert not re.search(r"\\\\\*?(\[2pt\])?\s*\n\[", tex) and "\n\n" not in tex and not re.search(r"(?<!\\)\$a", tex)
    assert "<b>" not in render(table, "html")
