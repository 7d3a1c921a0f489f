"""What evaluate writes from labels and stored scores, without a workflow around it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from anomark import seals
from anomark.data.windows import window_starts
from anomark.evaluation.measure import Measured
from anomark.evaluation.severity import by_severity
from anomark.outcomes import Outcome
from anomark.records import CellInfo, Device, FitRecord, Meta
from anomark.runtime.store import save_scores
from anomark.stages.evaluate import evaluate
from anomark.statistics.bootstrap import compare
from anomark.statistics.context import Context
from anomark.suite import registry
from anomark.suite_records import MethodInfo, MetricInfo
from tests.samples import planned_cell, planned_data, planned_jobs

SEEDS = {"good": 3, "poor": 3, "once": 1}


def stored(root: Path, meta: dict[str, Any], truth: dict[str, Any], scores: dict[str, Any], maps: Any = None) -> Path:
    """A dataset `d` and its cells on disk; evaluated. Scores are (n,), a seed's noise is added.

    `good` scores held-out normals as it does normal test rows, around 0.
    """
    known = Meta(dataset="mine", key="k", **meta)
    known.save(root / "data/meta.json")
    series = known.level == "point"  # stored as steps, not as windows
    shape = (len(truth["labels"]), meta["shape"][0]) if series else (meta["n_test"], *meta["shape"])
    for part in ("train", "test"):
        np.save(root / f"data/{part}.npy", np.zeros(shape, np.float32))
    np.savez(root / "labels.npz", **truth)
    seals.seal(root / "data")
    seals.seal(root / "labels.npz")
    cells = {}
    for method, seeds in SEEDS.items():
        for seed in range(seeds):
            folder = root / f"{method}-{seed}"
            folder.mkdir()
            noise = np.random.default_rng(seed).normal(0, 0.3, meta["n_test"])
            valid = np.random.default_rng(seed).normal(0, 0.3, len(known.valid)) if method == "good" else None
            save_scores(folder, score=(scores[method] + noise).astype(np.float32), map=maps, valid=valid)
            cell = planned_cell(root, method, seed=seed, folder=str(folder))
            info = {} if method == "once" else {"loss": {"train": [[5, 2.0, 0.5], [10, 1.0 + seed, 0.25]]}}
            record = FitRecord(**cell.only(CellInfo), status=Outcome.DONE, device=Device(kind="cpu"), info=info)
            record.save(folder / "fit.json")
            seals.seal(folder)
            cells[cell.folder] = cell
    data = planned_data(root, key="k", modality=known.modality, level=known.level, labels=str(root / "labels.npz"))
    methods = tuple(MethodInfo(id=method, label=method, deterministic=method == "once") for method in SEEDS)
    jobs = planned_jobs(data={"mine": data}, cells=cells, methods=methods, highlight=("absent", "good"))
    evaluate(jobs, "mine", root / "out")
    return root / "out"


def values(out: Path, method: str) -> pd.Series:
    frame = pd.read_csv(out / "metrics.csv")
    return frame[(frame["method"] == method) & (frame["seed"] == 0)].set_index("metric")["value"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = (np.arange(60) % 3 == 0).astype(np.uint8)
    masks = np.zeros((60, 8, 8), bool)
    masks[labels == 1, 2:5, 2:5] = True
    truth = {"labels": labels, "masks": masks, "groups": np.arange(60) // 2}
    scores = {"good": 3.0 * labels, "poor": 0.2 * labels, "once": 0.2 * labels}
    meta = {"level": "image", "modality": "image", "shape": [1, 8, 8], "n_test": 60, "valid": [*range(100)]}
    return stored(tmp_path_factory.mktemp("images"), meta, truth, scores, masks.astype(np.float32))


def test_examples_are_the_best_the_median_and_the_worst_of_each_class(images: Path) -> None:
    scores = 3.0 * (np.arange(60) % 3 == 0) + np.random.default_rng(0).normal(0, 0.3, 60)
    anomalous, normal = np.sort(scores[::3])[::-1], np.sort(np.delete(scores, slice(None, None, 3)))
    with np.load(images / "examples.npz") as stored:
        assert str(stored["chooser"]) == "good", "the first method to stand out that has scores"
        assert stored["label"].tolist() == [1, 1, 1, 0, 0, 0]
        assert stored["case"].tolist() == 2 * ["best", "median", "worst"]
        expected = [anomalous[0], anomalous[10], anomalous[-1], normal[0], normal[20], normal[-1]]
        np.testing.assert_allclose(stored["score:good"], expected, rtol=1e-6)
        assert stored["map:good"].shape == (6, 8, 8) and stored["mask"][:3].any() and not stored["mask"][3:].any()


def test_losses_come_from_the_records(images: Path) -> None:
    frame = pd.read_csv(images / "training.csv")
    assert set(frame["method"]) == {"good", "poor"} and len(frame) == 2 * 3 * 2 * 2
    last = frame.query("method == 'poor' and seed == 2 and step == 10").set_index("part")["loss"]
    assert last.to_dict() == {0: 3.0, 1: 0.25}


def test_images_get_their_metrics(images: Path) -> None:
    found = values(images, "good")
    assert found["auroc"] > 0.99 and found["f1_max"] > 0.95 and found["ap"] > 0.99
    assert found["pixel_auroc"] == found["aupro"] == 1
    oracle = values(images, "oracle")
    assert oracle.pop("false_alarm_rate_oracle") == 0 and (oracle == 1).all()


def test_false_alarms_are_counted_at_a_threshold_from_held_out_normals(images: Path) -> None:
    good, poor = values(images, "good"), values(images, "poor")
    assert 0 <= good["false_alarm_rate_held_out"] < 0.15 and good["recall_held_out"] == 1
    assert good["false_alarm_rate_oracle"] < 0.05 and good["recall_oracle"] > 0.9
    assert not poor.index.str.endswith("_held_out").any(), "it was fitted on all normals"
    assert "recall_oracle" in poor
    assert json.loads((images / "summary.json").read_text())["n_valid"] == 100


def test_replicates_stay_around_the_measured_mean_and_are_paired(images: Path) -> None:
    metrics = pd.read_csv(images / "metrics.csv").query("metric == 'auroc'").groupby("method")["value"].mean()
    with np.load(images / "bootstrap.npz") as stored_replicates:
        replicates = dict(stored_replicates)
    assert set(replicates) == set(SEEDS), "the oracle is compared with nobody"
    for method, draws in replicates.items():
        assert draws.shape == (2000,) and draws.dtype == np.float32
        assert abs(draws.mean() - metrics[method]) < 0.02
    better = compare(metrics["good"] - metrics["poor"], replicates["good"] - replicates["poor"])
    equal = compare(metrics["once"] - metrics["poor"], replicates["once"] - replicates["poor"])
    assert better.distinguishable and not equal.distinguishable
    # The units are shared: the difference varies less than two independent AUROC would.
    apart = np.hypot(replicates["once"].std(), replicates["poor"].std())
    assert (replicates["once"] - replicates["poor"]).std() < 0.9 * apart


def test_series_get_vus_and_blocks(tmp_path: Path) -> None:
    steps, length = 2000, 20
    labels = (np.arange(steps) % 500 < 60).astype(np.uint8)
    starts = window_starts(steps, length, 5)
    inside = np.array([labels[s : s + length].mean() for s in starts])
    meta = {"level": "point", "modality": "series", "shape": [1, length], "n_test": len(starts)}
    meta |= {"window": length, "stride": 5, "test_starts": starts.tolist()}
    meta |= {"train_starts": [*range(0, 4000, 5)], "valid": [*range(600, 800)]}
    out = stored(tmp_path / "a", meta, {"labels": labels}, {"good": inside, "poor": 0 * inside, "once": 0 * inside})
    found = values(out, "good")
    assert 0.9 < found["vus_roc"] <= 1 and 0.5 < found["vus_pr"] <= 1
    spread = np.load(out / "bootstrap.npz")["poor"].std()
    independent = 1 / np.sqrt(12 * labels.sum())  # what rows taken for independent units would give, and more
    assert spread > 2 * independent
    assert {"range_f1", "affiliation_f1", "point_adjusted_f1", "nab_standard", "nab_low_fp", "nab_low_fn"} <= set(
        found.index
    )
    oracle = values(out, "oracle")
    assert (oracle.filter(like="nab_") == 100).all() and oracle["false_alarm_rate_oracle"] == 0
    smoothed = oracle.filter(like="auroc_smoothed_").index  # smoothing blurs the ends of anomalies
    assert (oracle[smoothed] > 0.95).all()
    assert (oracle.drop([*oracle.filter(like="nab_").index, *smoothed, "false_alarm_rate_oracle"]) == 1).all()
    # Means of four windows vary half as much as one: a threshold for windows would never be reached by a normal point.
    assert 0 < found["false_alarm_rate_held_out"] < 0.15 and found["recall_held_out"] > 0.9


def test_injected_anomalies_are_measured_by_kind_and_amplitude_and_kept_for_the_figures(tmp_path: Path) -> None:
    length, steps = 20, 2000
    recipe = (("outage", 200, 9), ("flatline", 600, 3.5), ("outage", 1000, 12), ("dip", 1500, 4))
    events = [
        {"kind": kind, "first": first, "last": first + 39, "channels": [0], "amplitude": amplitude}
        for kind, first, amplitude in recipe
    ]
    labels, left_out = np.zeros(steps, dtype=np.uint8), np.arange(steps) % 100 < 30
    for event in events:
        labels[event["first"] : event["last"] + 1] = 1
    starts = window_starts(steps, length, 5)
    outage = np.zeros(steps, dtype=bool)
    outage[200:240] = outage[1000:1040] = True
    score = np.array([outage[start : start + length].mean() for start in starts])
    meta = {"level": "point", "modality": "series", "shape": [1, length], "n_test": len(starts)}
    meta |= {"window": length, "stride": 5, "test_starts": starts.tolist()}
    meta |= {"train_starts": [0, 5, 10], "valid": [2]}
    truth = {"labels": labels, "left_out": left_out, "recipe": np.array(json.dumps({"seed": 0, "events": events}))}
    out = stored(tmp_path / "a", meta, truth, {"good": 9 * score, "poor": 0 * score, "once": 0 * score})
    table = pd.read_csv(out / "severity.csv")
    assert set(table["method"]) == set(SEEDS) and len(table) == 7 * (3 + 4), "seven cells, three kinds, four ranges"
    good = table.query("method == 'good' and seed == 0").set_index("group")
    assert good.loc["outage", "events"] == 2 and good.loc["outage", "amplitude"] == 10.5
    assert good.loc["outage", "auroc"] > 0.95 and good.loc["flatline", "auroc"] < 0.7
    ranges = good[good["by"] == "amplitude"]
    assert ranges["amplitude"].tolist() == [3.5, 4, 9, 12]
    assert (ranges["auroc"] > 0.95).tolist() == [False, False, True, True]
    with np.load(out / "examples.npz") as drawn:
        assert len(drawn["signal"]) == steps and np.array_equal(drawn["left_out"], left_out)
        assert np.array_equal(np.isnan(drawn["score:good"]), left_out), "what is not scored has no score to draw"
        assert drawn["kind"].tolist() == ["outage", "flatline", "outage", "dip"]


def test_severity_counts_the_steps_of_its_events_and_every_normal_step() -> None:
    rng = np.random.default_rng(0)
    scored, scores = rng.random(300) < 0.8, rng.random(300)
    events = [
        {"kind": "a", "first": 10, "last": 29, "amplitude": 5.0},
        {"kind": "b", "first": 100, "last": 139, "amplitude": 3.0},
    ]
    rows = {row["group"]: row for row in by_severity(events, scores[scored], scored)}
    assert [*rows] == ["a", "b", "3–3", "5–5"]
    steps = np.arange(300)
    normal = scored & ~((steps >= 10) & (steps < 30)) & ~((steps >= 100) & (steps < 140))
    inside = scored & (steps >= 10) & (steps < 30)
    wins = (scores[inside][:, None] > scores[normal]).mean()
    assert rows["a"]["auroc"] == rows["5–5"]["auroc"] == pytest.approx(wins)
    assert not list(by_severity([], scores[scored], scored))


def test_a_metric_that_raises_is_an_outcome_of_that_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(labels: np.ndarray, scores: np.ndarray, context: Context) -> float:
        if context.held_out is not None:
            raise ValueError("no held-out normals wanted")
        return 0.5

    known = dict(registry.metrics()) | {"mine": MetricInfo(id="mine", label="Mine", base="mine")}
    monkeypatch.setattr(registry, "metrics", lambda: known)
    load = registry.load_metric
    monkeypatch.setattr(registry, "load_metric", lambda base: broken if base == "mine" else load(base))
    labels = (np.arange(60) % 3 == 0).astype(np.uint8)
    meta = {"level": "image", "modality": "image", "shape": [1, 8, 8], "n_test": 60, "valid": [*range(100)]}
    scores = dict.fromkeys(SEEDS, 3.0 * labels)
    out = stored(tmp_path / "a", meta, {"labels": labels}, scores)
    assert values(out, "poor")["mine"] == 0.5 and np.isnan(values(out, "good")["mine"])
    assert values(out, "good")["auroc"] > 0.9
    assert "no held-out" in json.loads((out / "summary.json").read_text())["failed_metrics"]["mine"]


def test_the_largest_part_of_a_map_is_another_reading_of_it() -> None:
    """A small anomaly that the mean of a map hides: one value of 40 is large, and the rest tells the opposite."""
    rng, labels = np.random.default_rng(0), np.arange(30) % 2
    maps = rng.random((30, 40)).astype(np.float32) - 0.2 * labels[:, None].astype(np.float32)
    maps[labels == 1, 7] = 2.0
    meta = Meta(dataset="mine", modality="series", level="window", shape=(1, 40), n_test=30)
    rows = Measured(meta, {"labels": labels}, 30).metrics(maps.mean(1).astype(np.float64), maps, None)
    values = {row["metric"]: row["value"] for row in rows}
    expected = roc_auc_score(labels, np.sort(maps, axis=1)[:, -2:].mean(axis=1))
    assert values["auroc_largest"] == pytest.approx(expected) and values["auroc"] < 0.2 < values["auroc_largest"]
    without = Measured(meta, {"labels": labels}, 30).metrics(maps.mean(1).astype(np.float64), None, None)
    assert "auroc_largest" not in {row["metric"] for row in without}
