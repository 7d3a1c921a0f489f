"""Datasets without labels go through evaluation and report: what stands out is found, and no number is made up."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from anomark.contracts import Array
from anomark.evaluation.measure import Measured
from anomark.evaluation.unlabelled import agreement_rows, top_rows
from anomark.outcomes import Outcome
from anomark.records import Device, FitRecord, Meta
from anomark.report.results import load_results
from anomark.runtime import fit_score, store
from anomark.seals import seal
from anomark.stages import evaluate, prepare, report
from anomark.statistics.conspicuous import CONSENSUS, consensus, highest
from anomark.suite import config
from anomark.suite.plan import Plan
from anomark.suite.registry import load_method
from anomark.suite_records import Jobs

ODD = 5


def bump(places: list[int], steps: int = 600, width: int = 20) -> Array:
    """Peaks of falling height, as the mean over windows makes them of short anomalies."""
    t = np.arange(steps)
    heights = [np.clip(1 - np.abs(t - place) / width, 0, None) / (i + 1) for i, place in enumerate(places)]
    return np.sum(heights, axis=0)


@pytest.mark.parametrize("places", [[300], [300, 100], [50, 300, 500]])
def test_stretches_are_the_peaks_in_the_order_of_their_heights(places: list[int]) -> None:
    found = highest(bump(places), window=20)
    assert [(first + last) // 2 for first, last in found.tolist()] == places
    for first, last in found.tolist():
        assert last - first == pytest.approx(20, abs=2), "to half of the height on either side"


@pytest.mark.parametrize("scores", [np.zeros(50), np.ones(50) * 7])
def test_a_constant_score_has_no_stretch(scores: Array) -> None:
    assert highest(scores, window=5).shape == (0, 2)


def test_samples_are_named_in_the_order_of_their_scores_and_few_of_few() -> None:
    scores = np.random.default_rng(0).permutation(100).astype(float)
    assert scores[highest(scores)[:, 0]].tolist() == list(range(99, 89, -1))
    assert len(highest(scores[:20])) == 4 and len(highest(scores[:6])) == 3


def test_no_scale_of_a_method_outweighs_the_others() -> None:
    one, other = np.array([0.0, 0, 0, 1, 0]), np.array([0.0, 0, 0, 0, 1])
    together = consensus({"a": one, "b": 1e9 * other - 3})
    assert together.tolist() == [0, 0, 0, 0.5, 0.5]
    assert consensus({"a": np.ones(4)}).tolist() == [0, 0, 0, 0]


def test_the_tables_name_samples_and_count_who_agrees() -> None:
    meta = Meta(dataset="mine", modality="image", level="image")
    rng = np.random.default_rng(1)
    measured = Measured(meta, {"names": np.array([f"{i}.png" for i in range(40)])}, 40)
    assert not measured.labelled
    scores = {name: rng.normal(size=40) for name in "abc"}
    for values in scores.values():
        values[7] += 20
    scores["c"] = -scores["c"]
    rows = pd.DataFrame(top_rows("mine", measured, scores)).set_index(["method", "place"])
    assert rows.loc[(CONSENSUS, 1), "name"] == "7.png" and rows.loc[(CONSENSUS, 1), "methods"] == 2
    assert rows.loc[("a", 1), "above"] > 10
    pairs = pd.DataFrame(agreement_rows("mine", measured, scores)).set_index(["method", "other"])
    assert len(pairs) == 3 and pairs.loc[("a", "b"), "shared"] >= 1
    ranks = {name: pd.Series(values).rank() for name, values in scores.items()}
    assert pairs.loc[("a", "c"), "correlation"] == pytest.approx(ranks["a"].corr(ranks["c"]))


def own_data(root: Path) -> None:
    """Data of every kind, without labels; what is odd is in the test part, and number ODD of what can be counted."""
    rng = np.random.default_rng(0)
    for kind in ("folder/photos", "clips/pump"):
        for part in ("train", "test"):
            (root / kind / part).mkdir(parents=True)
    for part, count in (("train", 12), ("test", 10)):
        for i in range(count):
            odd = part == "test" and i == ODD
            pixels = rng.integers(90, 130, (16, 16, 3)).astype(np.uint8)
            pixels[4:9, 4:9] = 255 if odd else pixels[4:9, 4:9]
            Image.fromarray(pixels).save(root / f"folder/photos/{part}/{i}.png")
            wave = 0.3 * np.sin(np.arange(400) / (2 if odd else 5)) + rng.normal(0, 0.02, 400)
            soundfile.write(root / f"clips/pump/{part}/{i}.wav", wave, 2000)
    t = np.arange(800)
    flow = np.sin(t / 6) + 0.05 * rng.normal(size=800)
    flow[600:606] += 4
    (root / "table").mkdir()
    dates = pd.date_range("2024-01-01", periods=800, freq="h")
    pd.DataFrame({"date": dates, "flow": flow}).to_csv(root / "table/pump.csv", index=False)
    rows = rng.normal(size=(60, 3))
    rows[-ODD:] += 30
    (root / "rows").mkdir()
    pd.DataFrame(rows, columns=["a", "b", "c"]).to_csv(root / "rows/cases.csv", index=False)


NAMES = ("folder-photos", "clips-pump", "table-pump", "rows-cases")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A suite of data without labels alone, run in this process up to its report."""
    root = tmp_path_factory.mktemp("unlabelled")
    own_data(root / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANOMARK_DATA", str(root / "data"))
        patch.delenv("ANOMARK_CELLS", raising=False)
        change = {
            "datasets": list(NAMES),
            "only": ["knn", "pca", "median_distance", "random_score"],
            "include": [],
            "preprocessing": {"size": 16},
            "dataset_params": {"rows": {"in_order": True}},
            "choose": False,
        }
        suite = config.load("smoke").model_copy(update=change)
        plan = Plan(suite, results=str(root / "results"), reports=str(root / "reports"))
        plan.write()
    jobs = Jobs.load(Path(plan.folder) / "plan.json")
    for data in jobs.data.values():
        prepare.write(data)
    for cell in jobs.cells.values():
        made_by, where = load_method(cell.base), Path(cell.data)
        done = fit_score.fit_and_score(made_by, cell, cell.meta(), where, "cpu", None, nullcontext())
        folder = Path(cell.folder)
        folder.mkdir(parents=True)
        store.save_scores(folder, score=done.scores, map=done.maps, valid=done.valid)
        known = {name: getattr(cell, name) for name in ("dataset", "method", "seed", "base", "key", "parts")}
        FitRecord(**known, status=Outcome.DONE, device=Device(kind="cpu")).save(folder / "fit.json")
        seal(folder)
    for dataset in jobs.data:
        evaluate.evaluate(jobs, dataset, Path(plan.folder) / "evaluation" / dataset)
    folder = Path(plan.folder)
    report.report(folder / "suite.json", folder / "evaluation", Path(plan.report), folder)
    return plan


@pytest.mark.parametrize(
    ("dataset", "wanted"),
    [
        ("folder-photos", f"test/{ODD}.png"),
        ("clips-pump", f"test/{ODD}.wav"),
        ("rows-cases", "line (57|58|59|60|61)"),
        ("table-pump", ""),
    ],
)
def test_what_is_odd_comes_first(made: Plan, dataset: str, wanted: str) -> None:
    table = pd.read_csv(Path(made.report) / "tables/conspicuous.csv", keep_default_na=False)
    first = table[(table["dataset"] == dataset) & (table["place"] == 1)].iloc[0]
    assert re.match(wanted, first["name"]) and first["methods"] == 2, "of two that are no controls"
    if dataset == "table-pump":
        odd = pd.date_range("2024-01-01", periods=800, freq="h")[603]
        assert pd.Timestamp(first["start"]) <= odd <= pd.Timestamp(first["end"])


def test_no_number_stands_for_data_without_labels(made: Plan) -> None:
    folder = Path(made.folder)
    results = load_results(folder / "suite.json", folder / "evaluation")
    assert set(results.unlabelled) == set(NAMES) and not results.datasets
    assert results.metrics.empty and not (results.outcomes["method"] == "oracle").any()
    assert {results.score(dataset, "knn").status for dataset in NAMES} == {"no labels"}
    told = json.loads((Path(made.report) / "results.json").read_text())
    assert [entry["labelled"] for entry in told["datasets"]] == [False] * len(NAMES)
    assert all(entry["n_anomalous"] is None and entry["random_band"] is None for entry in told["datasets"])
    page = (Path(made.report) / "index.html").read_text()
    assert "There are no labels, so there is no AUROC" in page and "no labels</dd>" in page.replace("\n", "")


def test_the_axis_of_a_series_is_its_time(made: Plan) -> None:
    drawn = (Path(made.report) / "figures/table-pump-series-tracks.svg").read_text()
    assert "2024-" in drawn and ">time<" in drawn and "test step" not in drawn
