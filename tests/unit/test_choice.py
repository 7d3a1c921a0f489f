"""Methods are ranked on synthetic anomalies, apart from every other table, and the ranking's own worth is told."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from scipy.stats import kendalltau

from anomark.contracts import AnomarkError
from anomark.report.render.draw import STYLE
from anomark.report.results import Results, load_results
from anomark.suite import config
from anomark.suite.plan import Plan
from tests.report_fixture import DATASETS, MADE, section_file, tables_of, write_evaluation

SECTION = section_file("25_choice")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load_results(*write_evaluation(tmp_path_factory.mktemp("suite"), [*DATASETS, *MADE]))


def test_a_suite_that_chooses_has_one_more_dataset_for_each_of_one_seed() -> None:
    suite = config.load().model_copy(update={"datasets": ["digits-0", "series", "digits-0-contaminated-5"]})
    plain, plan = Plan(suite), Plan(suite.model_copy(update={"choose": True}))
    assert {*plan.data} - {*plain.data} == {"digits-0+synthetic", "series+synthetic"}
    assert {cell.id for cell in plain.cells} < {cell.id for cell in plan.cells}
    made = [cell for cell in plan.cells if cell.dataset.endswith("+synthetic")]
    assert {cell.seed for cell in made} == {suite.seeds[0]}
    assert {cell.method for cell in made} == {cell.method for cell in plan.cells}
    assert plan.data_inputs("series+synthetic") == [f"{plan.data['series'].folder}/meta.json"]
    other = Plan(suite.model_copy(update={"choose": True, "preprocessing": {"size": 16}}))
    assert plan.data["digits-0+synthetic"].key != other.data["digits-0+synthetic"].key


def test_a_dataset_of_the_name_that_would_be_given_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pump", "pump+synthetic"):
        file = tmp_path / f"table/{name}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text("x,label\n1,0\n")
    monkeypatch.setenv("ANOMARK_DATA", str(tmp_path))
    suite = config.load().model_copy(update={"datasets": ["table-pump", "table-pump+synthetic"], "choose": True})
    with pytest.raises(AnomarkError, match=r"table-pump\+synthetic"):
        Plan(suite)


def test_no_other_table_knows_of_them(results: Results) -> None:
    for name, table in tables_of(results).items():
        if name not in ("coverage", "problems", "choices"):
            assert not any(row.dataset in MADE for row in table.rows), name


def test_the_ranking_is_that_of_the_synthetic_anomalies(results: Results) -> None:
    table = tables_of(results)["choice"].data
    for dataset, rows in table.groupby("dataset"):
        ranked = rows.dropna(subset=["rank"])
        assert ranked["synthetic auroc"].is_monotonic_decreasing
        assert {*ranked["method"]} == {*results.means(f"{dataset}+synthetic", results.rivals)}
        assert rows["rank"].isna().sum() == 1  # the best control


def test_tau_and_what_the_choice_costs(results: Results) -> None:
    table = tables_of(results)["choice_agreement"].data.set_index("dataset")
    assert {*table.index} == {made.removesuffix("+synthetic") for made in MADE}
    for dataset, row in table.iterrows():
        by_labels = results.means(dataset, results.rivals)
        synthetic = results.means(f"{dataset}+synthetic", results.rivals)
        both = [method for method in by_labels if method in synthetic]
        orders = ([round(scores[m], 3) for m in both] for scores in (by_labels, synthetic))
        assert row["tau"] == pytest.approx(kendalltau(*orders).statistic)
        assert row["auroc"] == by_labels[max(both, key=lambda method: synthetic[method])] <= row["best auroc"]


def test_a_dataset_without_labels_is_ranked_and_told_what_was_measured_elsewhere(results: Results) -> None:
    unlabelled = results.metrics[results.metrics["dataset"].isin([*MADE])]
    without = load_results_of(results, unlabelled)
    section = SECTION.build(without)
    assert section is not None and [part.name for part in section.parts if hasattr(part, "rows")] == ["choice"]
    assert "measured" in section.parts[0].text


def load_results_of(results: Results, metrics: object) -> Results:
    fields = {name: getattr(results, name) for name in results.__dataclass_fields__}
    return Results(**fields | {"metrics": metrics})


def test_the_picture_has_a_panel_for_each_dataset(results: Results) -> None:
    with plt.rc_context(STYLE):
        figure, _, alt = SECTION.dots(results, {d: SECTION.ranking(results, d) for d in results.synthetic})
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.axison] == [
        results.label(d) for d in results.synthetic
    ]
    assert all(results.label(dataset) in alt for dataset in results.synthetic)
    plt.close(figure)


def test_nothing_is_said_where_no_method_was_ranked(tmp_path: Path) -> None:
    assert SECTION.build(load_results(*write_evaluation(tmp_path))) is None
