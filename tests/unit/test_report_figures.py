"""What the pictures show: which methods, what they cost, and names that can be read."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Annotation

from anomark.report.rank_tests import fields
from anomark.report.render.critical_difference import rank_map
from anomark.report.render.draw import STYLE
from anomark.report.render.injections import event_examples, severity_curves
from anomark.report.render.interactive import MAX_POINTS, series_plot
from anomark.report.render.rows import row_examples
from anomark.report.render.scalograms import MAX_TIMES, scalogram, stretches
from anomark.report.render.stored import load_examples
from anomark.report.render.tracks import series_tracks
from anomark.report.results import ORACLE, Results
from anomark.report.shown import shown
from tests.report_fixture import METHODS, section_file

BOARD, DATASETS = section_file("75_leaderboard"), section_file("80_datasets")


def test_cost_and_quality_are_means_over_the_same_datasets(results: Results) -> None:
    points = BOARD.cost_points(results, "image")
    datasets = results.of_modality("image")
    assert points.loc["wavediff", "auroc"] == pytest.approx(
        np.mean([results.score(d, "wavediff").mean for d in datasets])
    )
    assert points.loc["wavediff", "fit_seconds"] == pytest.approx(40 * 0.9)
    assert points.loc["wavediff", "seconds_per_sample"] == pytest.approx(0.004 / 0.9)


def test_cost_leaves_out_what_cannot_be_compared(results: Results) -> None:
    image, series = set(BOARD.cost_points(results, "image").index), set(BOARD.cost_points(results, "series").index)
    assert {"wavediff", "patchcore", "knn", "nearest_train", "constant"} <= image
    assert not {"ddpm", "vae"} & image, "each has a dataset without a number"
    assert "autoformer" in series - image and "patchcore" in image - series
    assert not {"wavediff-no-wavelet", ORACLE} & (image | series)


def test_frontier_equals_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        cost, auroc = (pd.Series(rng.integers(1, 8, 12), [f"m{i}" for i in range(12)]) for _ in range(2))
        undominated = {m for m in cost.index if not any(auroc[o] > auroc[m] and cost[o] <= cost[m] for o in cost.index)}
        found = BOARD.frontier(cost, auroc)
        # Of equals in quality only the cheapest is on it.
        assert set(found) <= undominated
        assert {auroc[m] for m in found} == {auroc[m] for m in undominated}
        assert cost[found].is_monotonic_increasing and auroc[found].is_monotonic_increasing


def test_names_of_the_cost_picture_lie_inside_and_apart(results: Results) -> None:
    with plt.rc_context(STYLE):
        figure, *_ = BOARD.cost_curves(results)
        figure.draw_without_rendering()
        assert len(figure.axes) == 2 * len(BOARD.COST_AXES)
        for axes in figure.axes:
            names = [text for text in axes.texts if isinstance(text, Annotation)]
            boxes = [text.get_window_extent() for text in names]
            assert {"Ours", "Isolation Forest"} <= {text.get_text() for text in names}
            assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
            assert all(axes.bbox.x0 <= b.x0 and b.x1 <= axes.bbox.x1 for b in boxes)
            assert min(float(x) for line in axes.lines for x in line.get_xdata()) >= BOARD.CHEAPEST
        plt.close(figure)


@pytest.mark.parametrize("limit", [3, 5, 7, 20])
def test_a_picture_keeps_the_flagship_one_other_method_and_one_control(results: Results, limit: int) -> None:
    dataset = "mvtec-bottle"
    everything = [entry["id"] for entry in METHODS if results.score(dataset, entry["id"])]
    methods = shown(results, dataset, everything, limit)
    assert len(methods) == len(set(methods)) <= limit
    assert "wavediff" in methods and "patchcore" in methods, "PatchCore is the best beside the paper's"
    bar = results.best_control(dataset)
    assert bar is not None and bar[0] in methods and ORACLE not in methods
    if limit == 20:
        assert set(methods) == set(everything) - {ORACLE}
    else:
        assert "wavediff-no-wavelet" not in methods, "variants come last"


def test_injected_anomalies_are_drawn_by_kind_and_severity(results: Results, tmp_path: Path) -> None:
    with np.load(results.evaluation / "series/examples.npz") as plain:
        stored = dict(plain)
    first = np.flatnonzero(np.diff(stored["labels"], prepend=0) == 1)
    stored |= {"first": first, "last": first + 119, "kind": np.array(["outage", "flatline", "phase_shift", "outage"])}
    stored |= {"channel": np.zeros(4, int), "amplitude": np.array([9, 3, 4, 12])}
    stored["left_out"] = np.arange(5000) % 900 < 90
    rows = [
        {"method": method, "seed": seed, "by": by, "group": group, "amplitude": 3 + i, "auroc": 0.9 - i / 10}
        for method in ("wavediff", "ddpm", "knn", "random_score")
        for seed in (0, 1)
        for by, groups in (("kind", ("outage", "phase_shift")), ("amplitude", ("3–4", "5–9", "10–12")))
        for i, group in enumerate(groups)
    ]
    folder = tmp_path / "series"
    folder.mkdir()
    pd.DataFrame(rows).assign(dataset="series", events=2).to_csv(folder / "severity.csv", index=False)
    with plt.rc_context(STYLE):
        tracks, *_ = series_tracks(results, "series", stored)
        (legend,) = tracks.legends
        assert [text.get_text() for text in legend.get_texts()] == ["outage", "flatline", "phase shift"]
        shaded = {patch.get_facecolor()[:3] for axes in tracks.axes for patch in axes.patches}
        assert len(shaded) == 3, "a colour a kind"
        examples, *_ = event_examples(results, "series", stored)
        titles = [axes.get_title(loc="left") for axes in examples.axes]
        assert titles == ["outage, 12 MAD", "flatline, 3 MAD", "phase shift, 4 MAD"]
        curves, *_ = severity_curves(replace(results, evaluation=tmp_path), "series", stored)
        by_amplitude, by_kind = curves.axes
        lines = {line.get_label(): [*line.get_ydata()] for line in by_amplitude.lines}
        assert lines["Ours"] == pytest.approx([0.9, 0.8, 0.7])
        assert [text.get_text() for text in by_kind.get_xticklabels()] == ["outage\n2 events", "phase shift\n2 events"]
        plt.close("all")


@pytest.mark.parametrize("period", [8, 40, 200])
def test_scalogram_is_brightest_at_a_tones_period_and_even_to_the_ends(period: int) -> None:
    periods, magnitude = scalogram(np.cos(2 * np.pi * (np.arange(2000) + 0.5) / period))
    assert magnitude.shape == (len(periods), MAX_TIMES)
    brightest = periods[magnitude.argmax(axis=0)]
    assert np.abs(np.log(brightest / period)).max() < 0.2


def test_stretches_have_and_lack_the_longest_label() -> None:
    labels = np.zeros(1000, np.uint8)
    labels[50:60] = labels[400:440] = 1
    found = stretches(labels, 100)
    assert found["normal"] == slice(60, 160) and found["anomalous"] == slice(370, 470)
    assert stretches(labels[:120], 500) == {"normal": slice(60, 120), "anomalous": slice(0, 120)}


def test_training_curves_are_means_over_seeds_without_variants(results: Results) -> None:
    assert DATASETS.trained(results, "nab-nyc_taxi") == ["vae", "wavediff", "autoformer"], "DDPM diverged there"
    with plt.rc_context(STYLE):
        figure, *_ = DATASETS.training_curves(results, "nab-nyc_taxi")
        lines = figure.axes[0].lines
        plt.close(figure)
    assert len(lines) == 2, "the VAE has two losses here"
    np.testing.assert_allclose(lines[0].get_ydata()[:2], [2 * 100 / 8, 2 * 100 / 16])


def test_a_series_to_look_into_is_the_same_text_every_time(results: Results) -> None:
    stored = load_examples(results, "nab-nyc_taxi")
    first = series_plot(results, "nab-nyc_taxi", stored)
    assert first == series_plot(results, "nab-nyc_taxi", stored)
    assert "</" not in first and 10_000 < len(first) < 16 * 6 * MAX_POINTS


def test_rows_are_drawn_in_a_plane_and_column_by_column(results: Results) -> None:
    rng = np.random.default_rng(0)
    stored = {
        "plane": rng.normal(size=(30, 2)),
        "plane_label": np.arange(30) % 3 == 0,
        "samples": rng.normal(size=(6, 60)).astype(np.float32),
        "label": np.repeat([1, 0], 3),
        "case": np.array(["best", "median", "worst"] * 2),
        "chooser": np.array("knn"),
    }
    with plt.rc_context(STYLE):
        figure, caption, alt = row_examples(results, next(iter(results.datasets)), stored)
    drawn = figure.axes[1].images[0].get_array()
    plt.close(figure)
    assert drawn is not None and drawn.shape == (6, 40) and "Level: " in caption
    assert "30 test rows" in alt and "10 of them anomalous" in alt


def test_a_map_of_ranks_has_every_method_on_every_dataset(results: Results) -> None:
    field = next(field for field in fields(results) if field.large_enough)
    with plt.rc_context(STYLE):
        figure, _, _ = rank_map(results, field)
    ranks = np.asarray(figure.axes[0].images[0].get_array())
    plt.close(figure)
    assert ranks.shape == (len(field.datasets), len(field.methods))
    np.testing.assert_allclose(ranks.sum(axis=1), sum(range(1, len(field.methods) + 1)))
    np.testing.assert_allclose(ranks.mean(axis=0), np.sort(field.friedman.ranks))
