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

from anomark.dropins import ROOT
from anomark.report.figures import (
    CHEAPEST,
    COST_AXES,
    STYLE,
    cost_curves,
    cost_points,
    frontier,
    series_tracks,
    severity,
    shown,
)
from anomark.report.injections import event_examples
from anomark.report.results import ORACLE, Results, load_results
from tests.report_fixture import METHODS, write_evaluation


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    suite, evaluation = write_evaluation(tmp_path_factory.mktemp("suite"))
    return load_results(suite, evaluation, ROOT / "reports" / "published")


def test_cost_and_quality_are_means_over_the_same_datasets(results: Results) -> None:
    points = cost_points(results, "image")
    datasets = results.of_modality("image")
    assert points.loc["wavediff", "auroc"] == pytest.approx(
        np.mean([results.score(d, "wavediff").mean for d in datasets])
    )
    assert points.loc["wavediff", "fit_seconds"] == pytest.approx(40 * 0.9)
    assert points.loc["wavediff", "seconds_per_sample"] == pytest.approx(0.004 / 0.9)


def test_cost_leaves_out_what_cannot_be_compared(results: Results) -> None:
    image, series = set(cost_points(results, "image").index), set(cost_points(results, "series").index)
    assert {"wavediff", "patchcore", "knn", "nearest_train", "constant"} <= image
    assert not {"ddpm", "vae"} & image, "each has a dataset without a number"
    assert "autoformer" in series - image and "patchcore" in image - series
    assert not {"wavediff-no-wavelet", ORACLE} & (image | series)


def test_frontier_equals_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        cost, auroc = (pd.Series(rng.integers(1, 8, 12), [f"m{i}" for i in range(12)]) for _ in range(2))
        undominated = {m for m in cost.index if not any(auroc[o] > auroc[m] and cost[o] <= cost[m] for o in cost.index)}
        found = frontier(cost, auroc)
        # Of equals in quality only the cheapest is on it.
        assert set(found) <= undominated
        assert {auroc[m] for m in found} == {auroc[m] for m in undominated}
        assert cost[found].is_monotonic_increasing and auroc[found].is_monotonic_increasing


def test_names_of_the_cost_picture_lie_inside_and_apart(results: Results) -> None:
    with plt.rc_context(STYLE):
        figure, caption, alt = cost_curves(results)
        figure.draw_without_rendering()
        assert len(figure.axes) == 2 * len(COST_AXES)
        for axes in figure.axes:
            names = [text for text in axes.texts if isinstance(text, Annotation)]
            boxes = [text.get_window_extent() for text in names]
            assert {"Ours", "Isolation Forest"} <= {text.get_text() for text in names}
            assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
            assert all(axes.bbox.x0 <= b.x0 and b.x1 <= axes.bbox.x1 for b in boxes)
            assert min(float(x) for line in axes.lines for x in line.get_xdata()) >= CHEAPEST
        plt.close(figure)
    assert "Level: image, point, window" in caption and "PatchCore" in alt


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
    with np.load(results.evaluation / "series/series.npz") as plain:
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
        tracks, caption, _ = series_tracks(results, "series", stored)
        (legend,) = tracks.legends
        assert [text.get_text() for text in legend.get_texts()] == ["outage", "flatline", "phase shift"]
        assert "hatched: steps left out" in caption
        shaded = {patch.get_facecolor()[:3] for axes in tracks.axes for patch in axes.patches}
        assert len(shaded) == 3, "a colour a kind"
        examples, caption, alt = event_examples(stored, "Series")
        titles = [axes.get_title(loc="left") for axes in examples.axes]
        assert titles == ["outage, 12 MAD", "flatline, 3 MAD", "phase shift, 4 MAD"]
        curves, caption, alt = severity(replace(results, evaluation=tmp_path), "series")
        by_amplitude, by_kind = curves.axes
        lines = {line.get_label(): [*line.get_ydata()] for line in by_amplitude.lines}
        assert lines["Ours"] == pytest.approx([0.9, 0.8, 0.7])
        assert [text.get_text() for text in by_kind.get_xticklabels()] == ["outage\n2 events", "phase shift\n2 events"]
        assert "3–4, 5–9, 10–12 MAD" in caption and "DDPM" in alt
        plt.close("all")
