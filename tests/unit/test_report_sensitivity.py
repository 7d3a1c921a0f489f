"""Variants of datasets stand in one table and its pictures, in the tables, means, ranks and verdict of none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from anomark.report.render.draw import STYLE
from anomark.report.render.formats import FORMATS, render
from anomark.report.results import Results, load_results, with_drawn
from anomark.report.score import Score, over_draws
from anomark.report.table import Table, number
from anomark.report.verdict import verdict
from anomark.statistics.ranks import agreement
from tests.report_fixture import DATASETS, VARIANTS, section_file, tables_of, write_evaluation

SECTION = section_file("65_sensitivity")
#: Tables that count every cell and choice, those of variants among them.
EVERYTHING = {"coverage", "problems", "choices"}


def load(root: Path, *datasets: str) -> Results:
    return load_results(*write_evaluation(root, datasets))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return load(tmp_path_factory.mktemp("suite"), *DATASETS, *VARIANTS)


@pytest.fixture(scope="module")
def table(results: Results) -> Table:
    return SECTION.sensitivity_table(results)


@pytest.mark.parametrize(
    ("second", "tau"),
    [
        ((1, 2, 3, 4, 5), 1.0),
        ((2, 1, 3, 4, 5), 0.8),  # 1 of 10 pairs is discordant
        ((5, 4, 3, 2, 1), -1.0),
        ((1.0001, 2, 3, 4, 5), 1.0),
        ((1, 1.0004, 3, 4, 5), 9 / np.sqrt(10 * 9)),  # equal to three digits: tied, tau-b
        ((7, 7, 7, 7, 7), None),
    ],
)
def test_agreement_is_kendalls_tau(second: tuple[float, ...], tau: float | None) -> None:
    names = "abcde"
    found = agreement(dict(zip(names, (1, 2, 3, 4, 5), strict=True)), dict(zip(names, second, strict=True)))
    assert found == (None if tau is None else pytest.approx(tau))


def test_agreement_is_over_the_methods_that_both_have() -> None:
    assert agreement({"a": 1, "b": 2, "c": 3}, {"c": 1, "a": 2, "d": 9}) == -1
    assert agreement({"a": 1, "b": 2}, {"b": 2}) is None


def test_a_variant_changes_nothing_but_its_own_section(results: Results, tmp_path: Path) -> None:
    plain = load(tmp_path, *DATASETS)
    tables = tables_of(plain)
    varied = tables_of(results)
    assert "sensitivity" not in tables and set(varied) == {*tables, "sensitivity"}
    for name in tables.keys() - EVERYTHING:
        assert all(render(varied[name], form) == render(tables[name], form) for form in FORMATS), name
    assert verdict(results)[1:] == verdict(plain)[1:], "after the count of cells"


def test_a_row_a_protocol_and_its_tau(results: Results, table: Table) -> None:
    rows = table.data.set_index(["dataset", "protocol"])
    assert list(rows.loc["textures"].index) == ["headline", "5% contaminated", "10% contaminated", "50% of training"]
    assert {"headline", "50% of training", "VUS-PR", "Point-adjusted F1"} <= set(rows.loc["series"].index)
    assert list(rows.loc["ucr-ECG200"].index) == ["headline", "normal class swapped"]
    paper = ("vae", "autoformer", "ddpm", "wavediff")
    means = [{m: results.score(d, m).mean for m in paper} for d in ("series", "series-train-50")]
    assert rows.loc[("series", "50% of training"), "tau"] == pytest.approx(agreement(*means))
    assert rows.loc[("series", "headline"), "tau"] == 1
    # In the example VUS-ROC is AUROC, point-adjusted F1 falls with it (two of them to the same three digits), and
    # all methods have one NAB score.
    assert rows.loc[("series", "VUS-ROC"), "tau"] == 1 and rows.loc[("series", "Point-adjusted F1"), "tau"] < -0.9
    assert np.isnan(rows.loc[("series", "NAB, low FN"), "tau"])
    assert rows.loc[("series", "50% of training"), "wavediff"] == pytest.approx(means[1]["wavediff"])
    assert np.isnan(rows.loc[("textures", "headline"), "ddpm"]), "its cells ran out of memory"


def test_readers_see_ranks_the_bar_and_the_random_control(results: Results, table: Table) -> None:
    headers = [column.header for column in table.columns]
    row = next(r for r in table.rows if r.cells[1].text == "Point-adjusted F1")
    cells = dict(zip(headers, row.cells, strict=True))
    assert cells["Random"].text == number(results.score("series", "random_score", "point_adjusted_f1").mean)
    assert cells["τ"].text == "−.91" and cells["Ours"].note == "rank 4"
    assert cells["PatchSVDD"].text == "–", "it takes no series"
    assert next(r for r in table.rows if r.dataset == "textures").cells[headers.index("DDPM")].text == "oom"
    assert r"$\tau$" in render(table, "tex") and "τ" in render(table, "md")


def test_a_variant_without_its_base_is_named(results: Results) -> None:
    alone = replace(results, suite=results.suite.model_copy(update={"datasets": ("series", "textures-train-50")}))
    table = SECTION.sensitivity_table(alone)
    assert not table.rows and "textures" in " ".join(table.notes)


def test_curves_move_one_parameter_at_a_time(results: Results) -> None:
    points = SECTION.protocol_curve(results, "textures", "contamination").query("method == 'wavediff'")
    assert points["x"].tolist() == [0] * 3 + [5] * 3 + [10] * 3
    assert sorted(points.query("x == 10")["auroc"]) == sorted(
        results.score("textures-contaminated-10", "wavediff").values
    )
    assert set(SECTION.protocol_curve(results, "textures", "train_share")["x"]) == {50, 100}
    assert SECTION.protocol_curve(results, "series", "contamination").empty
    assert SECTION.protocol_curve(results, "ucr-ECG200", "train_share").empty


def test_the_picture_has_a_panel_an_axis_and_a_line_a_method(results: Results) -> None:
    with plt.rc_context(STYLE):
        figure, *_ = SECTION.protocol_curves(results, "textures")
        contamination, share = figure.axes
        assert [t.get_text() for t in contamination.get_xticklabels()] == ["0", "5", "10"]
        assert [t.get_text() for t in share.get_xticklabels()] == ["50", "100"]
        names = {text.get_text().rsplit(" ", 1)[0] for text in share.get_legend().get_texts()}
        assert {"VAE", "Ours", "PatchCore", "1-NN"} <= names
        line = next(line for line in contamination.lines if line.get_label().startswith("Ours"))
        expected = [results.score(d, "wavediff").mean for d in ("textures", *list(VARIANTS)[:2])]
        np.testing.assert_allclose(line.get_ydata(), expected)
        plt.close(figure)


@pytest.fixture(scope="module")
def drawn(results: Results) -> Results:
    """The two contaminated variants as two draws of one variant, the copies of which are known."""
    summaries = dict(results.summaries)
    for share, copies in ((5, 10), (10, 30)):
        draw = f"textures-contaminated-{share}"
        says = {"protocol": f"contaminated, draw {share}", "label": f"Textures, contaminated, draw {share}"}
        says |= {"draw_of": "textures-contaminated", "copies": copies, "n_test": 100}  # type: ignore[dict-item]
        summaries[draw] = summaries[draw].model_copy(update=says)
    return replace(results, summaries=with_drawn(summaries))


def test_draws_of_a_variant_are_one_protocol_with_a_number_a_draw(results: Results, drawn: Results) -> None:
    variant, draws = "textures-contaminated", ["textures-contaminated-5", "textures-contaminated-10"]
    assert drawn.draws == {variant: draws} and drawn.variants["textures"][0] == variant
    assert drawn.summaries[variant].protocol == "contaminated"
    means = [results.score(draw, "vae").mean for draw in draws]
    assert drawn.score(variant, "vae").mean is not None and None not in means
    one = {draw: replace(results.score(draw, "vae"), by_seed={i: means[i] or 0}) for i, draw in enumerate(draws)}
    assert over_draws(one.values()).mean == pytest.approx(np.mean([mean or 0 for mean in means]))
    assert over_draws([*one.values(), Score("failed", "why")]).reason == "why"
    rows = SECTION.sensitivity_table(drawn).data.set_index(["dataset", "protocol"]).loc["textures"]
    assert "contaminated" in rows.index and rows.loc["contaminated", "copies"] == pytest.approx(0.2)


def test_the_shift_by_drawing_rows_anew_is_drawn(results: Results, drawn: Results) -> None:
    assert not SECTION.redrawn(results)
    assert SECTION.redrawn(drawn) == [("textures", "textures-contaminated")]
    with plt.rc_context(STYLE):
        figure, caption, alt = SECTION.protocol_shift(drawn)
    plt.close(figure)
    assert "20% copies" in alt and "Level: " in caption
