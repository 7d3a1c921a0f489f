"""Scores after less training: as `evaluate` writes them, and what the report makes of them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from anomark import seals
from anomark.evaluation.measure import Measured
from anomark.evaluation.tables import anytime_rows
from anomark.records import CellInfo, Device, FitRecord, Meta, Milestone
from anomark.report.results import Results
from anomark.statistics.plateau import FALLING, PLATEAU, RISING, last_doubling
from tests.report_fixture import section_file, tables_of
from tests.samples import planned_cell

SECTION = section_file("77_training_time")


def test_each_milestone_is_ranked_against_the_labels(tmp_path: Path) -> None:
    cell, rng = planned_cell(tmp_path, "vae"), np.random.default_rng(0)
    labels, scores = np.arange(20) % 2, rng.random((3, 20)).astype(np.float32)
    folder = Path(cell.folder)
    folder.mkdir(parents=True)
    np.savez(folder / "scores.npz", score=scores[2], earlier=scores[:2])
    seals.seal(folder, ("scores.npz",))
    points = tuple(Milestone(steps=2**k, seconds=k, core_seconds=k / 2) for k in range(3))
    record = FitRecord(**cell.only(CellInfo), status="done", device=Device(kind="cpu"), milestones=points)
    meta = Meta(dataset="mine", modality="series", level="window", shape=(1, 4), n_test=20)
    rows = list(anytime_rows(cell, record, Measured(meta, {"labels": labels}, len(labels))))
    assert [(row["steps"], row["core_seconds"], row["seed"]) for row in rows] == [(1, 0, 0), (2, 0.5, 0), (4, 1, 0)]
    assert [row["auroc"] for row in rows] == pytest.approx([roc_auc_score(labels, values) for values in scores])
    assert not list(
        anytime_rows(
            cell, record.model_copy(update={"milestones": ()}), Measured(meta, {"labels": labels}, len(labels))
        )
    )


@pytest.mark.parametrize(
    ("half", "full", "verdict"),
    [
        (0.80, 0.809, PLATEAU),
        (0.80, 0.81, RISING),  # the difference of the two floats is less than .01
        (0.809, 0.80, PLATEAU),
        (0.81, 0.80, FALLING),
        (0.8004, 0.8096, RISING),  # .800 and .810 as printed
    ],
)
def test_a_plateau_is_judged_by_the_printed_digits(half: float, full: float, verdict: str) -> None:
    assert last_doubling(half, full) == verdict


def test_every_trained_result_has_a_verdict(results: Results) -> None:
    table = tables_of(results)["training-time"].data.set_index(["dataset", "method"])
    assert table.loc[("mvtec-bottle", "ddpm"), "verdict"] == RISING
    assert table.loc[("mvtec-bottle", "vae"), "verdict"] == FALLING
    assert table.loc[("mvtec-bottle", "wavediff"), "verdict"] == PLATEAU
    assert ("mvtec-bottle", "knn") not in table.index and ("mvtec-metal_nut", "vae") not in table.index
    assert float(table.loc[("mvtec-bottle", "wavediff"), "full auroc"]) == pytest.approx(
        results.score("mvtec-bottle", "wavediff").mean, abs=1e-6
    )
    published = tables_of(results)["published"].data.set_index(["dataset", "method"])["training"]
    assert published["mvtec-bottle", "ddpm"] == RISING and published["mvtec-bottle", "patch_svdd"] == ""


def test_without_milestones_there_is_no_section(results: Results) -> None:
    nothing = replace(results, anytime=results.anytime.iloc[:0])
    assert SECTION.build(nothing) is None
    assert "training" not in tables_of(nothing)["published"].data


def test_seeds_that_stop_at_different_steps_are_averaged_from_their_ends(results: Results) -> None:
    rows = [
        {"dataset": "textures", "method": "vae", "seed": seed, "steps": steps, "seconds": 1, "core_seconds": 1}
        | {"auroc": auroc}
        for seed, points in enumerate([[(2, 0.5), (4, 0.6), (7, 0.7)], [(2, 0.7), (4, 0.8), (5, 0.9)], [(4, 0.0)]])
        for steps, auroc in points
    ]
    course = replace(results, anytime=pd.DataFrame(rows)).course("textures", "vae")
    assert course["steps"].tolist() == [2, 4, 6]
    assert course["auroc"].tolist() == pytest.approx([0.6, 0.7, 0.8])


def test_names_stand_apart_and_inside() -> None:
    heights = [1.0, 1.5, 50.0, 99.0, 99.5]
    placed = SECTION.spread_out(heights, 10.0, 0.0, 100.0)
    assert all(b - a >= 10 - 1e-9 for a, b in itertools.pairwise(placed))
    assert placed[0] >= 0 and placed[-1] <= 100 and placed[2] == 50.0
