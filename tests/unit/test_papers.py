"""Papers as folders: what the loader reads and refuses, and a made-up second paper beside the first in one report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from anomark.contracts import AnomarkError
from anomark.report.papers.audit import audit
from anomark.report.papers.published import paper_table, printed_table, published_table
from anomark.report.results import Results, load_results
from anomark.report.section import Drawing, build_sections
from anomark.report.table import Table
from anomark.suite import config, plan
from anomark.suite.papers import PAPERS, SCHEMAS, find_paper, paper_ids, papers, read_paper
from anomark.suite.plan import Plan
from tests.report_fixture import DATASETS, tables_of, write_evaluation

#: A paper of two methods, two datasets and one claim: percent, standard deviations, another order than the ids'.
SECOND: dict[str, Any] = {
    "title": "A second look",
    "authors": ["Ada Lovelace", "Charles Babbage"],
    "year": 1843,
    "citation": "Lovelace and Babbage: A second look. 1843.",
    "protocol": "Five seeds.",
    "ours": "knn",
    "baseline": "iforest",
    "tolerance": 0.001,
    "tolerance_sd": 2,
    "tables": [
        {
            "id": "main",
            "title": "Table 1",
            "caption": "AUROC",
            "file": "main.csv",
            "modality": "series",
            "unit": "percent",
            "datasets": {"Synthetic": "series", "Taxi": "nab-nyc_taxi"},
            "methods": {"IForest": "iforest", "k nearest": "knn"},
        }
    ],
    "claims": [{"kind": "gain", "table": "main", "measure": "points", "stated": "8.2", "where": "abstract"}],
}
WIDE = (
    "dataset,IForest,IForest sd,k nearest,k nearest sd,Other\nTaxi,73.10,3.00,81.00,0.10,50\nSynthetic,74.4,,83,,50\n"
)
LONG = "dataset,method,auroc,sd\nTaxi,IForest,73.10,3.00\nTaxi,k nearest,81.00,0.10\nTaxi,Other,50,\n"
LONG += "Synthetic,IForest,74.4,\nSynthetic,k nearest,83,\nSynthetic,Other,50,\n"


def write_paper(root: Path, content: dict[str, Any] = SECOND, table: str = WIDE) -> Path:
    folder = root / "lovelace1843"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "paper.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
    (folder / "main.csv").write_text(table)
    return folder


@pytest.mark.parametrize("table", [WIDE, LONG])
def test_wide_and_long_tables_read_alike(tmp_path: Path, table: str) -> None:
    paper = read_paper(write_paper(tmp_path, table=table))
    assert paper.id == "lovelace1843" and paper.name == "Lovelace 1843"
    found = {cell: (printed.value, printed.half, printed.sd) for cell, printed in paper.numbers.items()}
    assert list(found) == [(d, m) for d in ("series", "nab-nyc_taxi") for m in ("iforest", "knn")]
    assert found["nab-nyc_taxi", "iforest"] == pytest.approx((0.731, 0.00005, 0.03))
    assert found["series", "iforest"][:2] == pytest.approx((0.744, 0.0005)) and found["series", "iforest"][2] is None
    assert paper.tables[0].further == ("Other",)


def test_the_project_has_papers_and_each_can_be_read() -> None:
    found = papers()
    assert list(found) == paper_ids() and found
    for paper in found.values():
        assert paper.numbers and paper.citation and paper.claims


def changed(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update(changes)


def in_table(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["tables"][0].update(changes)


def without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.pop(key)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (without("tolerance"), ("paper.yaml", "'tolerance'")),
        (changed(titel="x"), ("paper.yaml", "'titel'", "'title'")),
        (changed(year="soon"), ("paper.yaml", "year", "'soon'")),
        (changed(ours="knm"), ("paper.yaml", "ours", "'knm'", "'knn'")),
        (in_table(modality="serie"), ("tables.0.modality", "'serie'", "'series'")),
        (in_table(modality="image"), ("main", "'series'", "series", "image")),
        (changed(left_open={"method": "vae", "parameters": {"widht": "x"}}), ("left_open", "'width'")),
        (in_table(unit="permille"), ("tables.0.unit", "'permille'", "percent")),
        (in_table(file="mian.csv"), ("'mian.csv'", "can't be read")),
        (in_table(methods={"IForest": "iforest", "kNN": "knn"}), ("main.csv", "column 'kNN'", "k nearest")),
        (in_table(methods={"IForest": "knn", "k nearest": "knn"}), ("methods", "'knn'", "twice")),
        (in_table(datasets={"Taxi": "series", "Synthetic": "series"}), ("datasets", "'series'", "twice")),
        (in_table(datasets={"Taxi": "nab-nyc_txi"}), ("tables.0.datasets.Taxi", "'nab-nyc_txi'", "'nab-nyc_taxi'")),
        (in_table(datasets={"Taxis": "nab-nyc_taxi"}), ("main.csv", "row 'Taxis'", "'Taxi'")),
        (in_table(not_comparable={"seris": "x"}), ("not_comparable", "'seris'", "'series'")),
        (changed(left_out={"Othr": "x"}), ("left_out", "'Othr'", "'Other'")),
        (changed(claims=[{"kind": "order", "table": "mani"}]), ("'order'", "'mani'", "'main'")),
        (changed(claims=[{"kind": "hunch"}]), ("claims.0", "hunch")),
        (changed(baseline=None), ("gain", "'over'")),
    ],
)
def test_errors_name_file_key_and_what_was_expected(tmp_path: Path, change: Any, names: tuple[str, ...]) -> None:
    content = json.loads(json.dumps(SECOND))
    change(content)
    with pytest.raises(AnomarkError) as error:
        read_paper(write_paper(tmp_path, content))
    sentence = str(error.value)
    assert str(tmp_path) in sentence and "\n" not in sentence
    assert all(name in sentence for name in names), sentence


def test_a_number_that_is_none_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(AnomarkError, match=r"main\.csv, row 'Taxi', column 'k nearest' is '8l\.00 ± 0\.10'"):
        read_paper(write_paper(tmp_path, table=WIDE.replace("81.00", "8l.00")))


def test_a_suite_names_its_papers_and_highlights() -> None:
    default = config.load("default")
    for key, name, near in (("papers", "chen2052", "chen2025"), ("highlight", "wavedif", "wavediff")):
        with pytest.raises(AnomarkError, match=f"{name}.*{near}"):
            Plan(default.model_copy(update={key: [name]}))
    with pytest.raises(AnomarkError, match="unknown paper"):
        find_paper("none", PAPERS / "none")


def test_a_table_moves_the_key_of_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(PAPERS, tmp_path / "papers")
    monkeypatch.setattr(plan, "PAPERS", tmp_path / "papers")
    suite = config.load("smoke")
    before = Plan(suite).report_key()
    table = next((tmp_path / "papers" / suite.papers[0]).glob("*.csv"))
    assert Plan(suite).report_key() == before
    table.write_text(table.read_text() + "\n")
    assert Plan(suite).report_key() != before


# -- two papers in one report ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("two")
    shutil.copytree(PAPERS, root / "papers")
    write_paper(root / "papers")
    suite, evaluation = write_evaluation(root)
    suite.write_text(json.dumps(json.loads(suite.read_text()) | {"papers": ["chen2025", "lovelace1843"]}))
    return load_results(suite, evaluation, root / "papers")


@pytest.fixture(scope="module")
def tables(results: Results) -> dict[str, Table]:
    return tables_of(results)


def test_every_paper_has_its_own_tables(results: Results, tables: dict[str, Table]) -> None:
    assert {"chen2025-table1", "chen2025-table3", "chen2025-audit", "lovelace1843-main"} <= tables.keys()
    assert "table1" not in tables
    table = tables["lovelace1843-main"]
    assert table.title == "Lovelace 1843, Table 1"
    assert [column.header for column in table.columns[2:4]] == ["IForest", "k nearest"]
    assert [row.dataset for row in table.rows] == ["series", "nab-nyc_taxi", "ucr-ECG200", ""]
    assert [row.rule for row in table.rows] == [False, False, True, False]
    assert any("Other" in note for note in table.notes)


def test_published_numbers_of_both_are_judged_in_fractions(results: Results, tables: dict[str, Table]) -> None:
    rows = {(r["dataset"], r["method"]): r for r in tables["lovelace1843-published"].data.to_dict("records")}
    taxi = rows["nab-nyc_taxi", "iforest"]
    assert taxi["published"] == pytest.approx(0.731) and taxi["published sd"] == pytest.approx(0.03)
    measured = results.score("nab-nyc_taxi", "iforest").mean
    assert measured is not None and taxi["difference"] == pytest.approx(measured - 0.731)
    assert (taxi["verdict"] == "reproduced") == (abs(measured - 0.731) <= 0.06)
    assert results.published["nab-nyc_taxi", "knn"] == pytest.approx(0.81)
    assert results.published["mvtec-bottle", "vae"] == 0.891


def test_the_second_papers_claim_is_checked(results: Results) -> None:
    claim, varies = audit(results.papers[1])
    # By hand: (83 - 74.4 + 81 - 73.1) / 2 = 8.25 points; 8.2 or 8.3 by the digits printed.
    assert claim.found.startswith("8.25 points") and claim.verdict in ("agrees", "within rounding")
    assert "7.9" in varies.found and "8.6" in varies.found


def test_methods_are_compared_with_each_papers_baseline(tables: dict[str, Table]) -> None:
    frame = tables["comparisons"].data
    assert {"ddpm", "iforest", "strongest control", "strongest classical method"} <= set(frame.columns)
    assert "knn" in set(frame.loc[frame["modality"] == "series", "method"])


def test_a_suite_without_papers_has_no_chapter(results: Results, tmp_path: Path) -> None:
    suite, evaluation = write_evaluation(tmp_path, ["textures", "series"])
    suite.write_text(json.dumps(json.loads(suite.read_text()) | {"papers": [], "highlight": []}))
    found = set(tables_of(load_results(suite, evaluation)))
    assert {"headline", "comparisons", "leaderboard"} <= found and not {"table1", "published", "audit"} & found


def test_every_paper_has_a_chapter_with_leads_and_files_of_its_own(results: Results, tables: dict[str, Table]) -> None:
    titles = [paper.title for paper in results.papers]
    sections = [section for section in build_sections(results) if section.group in titles]
    assert list(dict.fromkeys(section.group for section in sections)) == titles
    assert len({section.id for section in sections}) == len(sections) and all(section.lead for section in sections)
    parts = [part.name for section in sections for part in section.parts if isinstance(part, Table | Drawing)]
    assert len(set(parts)) == len(parts) and "chen2025-ablation" in parts
    assert {name for name in tables if name.startswith(("chen2025-", "lovelace1843-"))} <= set(parts)


def test_a_table_may_be_of_a_variant_of_a_dataset(tmp_path: Path) -> None:
    content = json.loads(json.dumps(SECOND))
    content["tables"][0]["datasets"] = {"Synthetic": "series-train-50", "Taxi": "nab-nyc_taxi"}
    paper = read_paper(write_paper(tmp_path, content))
    suite, evaluation = write_evaluation(tmp_path, [*DATASETS, "series-train-50"])
    results = load_results(suite, evaluation)
    table = paper_table(results, paper, paper.tables[0])
    assert [row.dataset for row in table.rows] == ["series-train-50", "nab-nyc_taxi", "ucr-ECG200", "series", ""]
    frame = published_table(results, paper).data.set_index(["dataset", "method"])
    assert frame.loc[("series-train-50", "knn"), "measured"] == pytest.approx(
        results.score("series-train-50", "knn").mean
    )


def test_every_key_of_a_paper_says_what_it_means() -> None:
    for where, part in SCHEMAS.items():
        assert part.__doc__
        for name, field in part.model_fields.items():
            assert field.description or name == "kind", (where, name)


def test_a_table_of_another_protocol_is_printed_alone(results: Results, tmp_path: Path) -> None:
    alone = SECOND["tables"][0] | {"id": "alone", "datasets": {}, "printed_alone": "It trains on the test set."}
    paper = read_paper(write_paper(tmp_path, SECOND | {"tables": [*SECOND["tables"], alone]}))
    assert paper.numbers.keys() == read_paper(write_paper(tmp_path / "other")).numbers.keys()
    data = printed_table(results, paper, paper.table("alone")).data.set_index("dataset")
    assert list(data.index) == ["Taxi", "Synthetic"]
    assert data.loc["Taxi", "IForest"] == pytest.approx(0.731) and data.loc["Taxi", "IForest sd"] == pytest.approx(0.03)
    both = SECOND["tables"][0] | {"printed_alone": "It trains on the test set."}
    with pytest.raises(AnomarkError, match="printed_alone"):
        read_paper(write_paper(tmp_path, SECOND | {"tables": [both]}))


def test_a_column_that_is_left_out_has_its_reason_below_the_table(results: Results, tmp_path: Path) -> None:
    paper = read_paper(write_paper(tmp_path, SECOND | {"left_out": {"Other": "Nobody has its code."}}))
    notes = paper_table(results, paper, paper.tables[0]).notes
    assert any("Other" in note and note.endswith("Nobody has its code.") for note in notes)


def test_the_reason_of_a_difference_is_that_of_the_number_or_of_the_method(tmp_path: Path) -> None:
    differences = [
        {"method": "knn", "datasets": ["series"], "why": "Other rows."},
        {"method": "knn", "why": "Another library."},
    ]
    paper = read_paper(write_paper(tmp_path, SECOND | {"differences": differences}))
    assert paper.why("series", "knn") == "Other rows."
    assert paper.why("nab-nyc_taxi", "knn") == "Another library."
    assert paper.why("series", "iforest") == ""
