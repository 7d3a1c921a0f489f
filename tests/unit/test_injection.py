"""Anomalies put into PEMS-BAY: seeded, where the recipe says and nowhere else; doubtful steps are not scored."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from anomark.contracts import Array, DataError
from anomark.data.injection import KINDS, LARGEST_UNSCORED, SMALLEST, inject
from anomark.data.series import InjectedSeries
from anomark.evaluation.measure import Measured
from anomark.records import Meta
from anomark.statistics.ranking import auroc

pems_bay = importlib.import_module("anomark_datasets.pems_bay")


def traffic(days: int = 20, sensors: int = 3) -> Array:
    """Speeds with a daily wave and noise, mph."""
    rng = np.random.default_rng(0)
    t = np.arange(days * 288)[:, None]
    return 60 + 8 * np.sin(2 * np.pi * t / 288 + np.arange(sensors)) + rng.normal(0, 1, size=(len(t), sensors))


def injected(
    left_out: Array | None = None, seed: int = 0, events: int = 8
) -> tuple[Array, Array, Array, dict[str, Any]]:
    test = traffic()
    left_out = np.zeros(len(test), dtype=bool) if left_out is None else left_out
    return test, *inject(test, np.full(3, 4.0), left_out, events, seed)


def test_what_changes_is_what_the_recipe_says() -> None:
    test, out, labels, recipe = injected()
    expected = np.zeros(test.shape, dtype=bool)
    for event in recipe["events"]:
        expected[event["first"] : event["last"] + 1, event["channels"]] = True
        assert event["amplitude"] >= SMALLEST
        shortest, longest = KINDS[event["kind"]][1:]
        assert shortest <= event["last"] - event["first"] + 1 <= longest
    changed = out != test
    assert not (changed & ~expected).any() and changed[expected].mean() > 0.95
    assert np.array_equal(labels, expected.any(axis=1))
    assert [event["kind"] for event in recipe["events"]] == list(KINDS) * 2
    json.dumps(recipe)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_what_it_is_called(kind: str) -> None:
    test, out, _, recipe = injected()
    event = next(event for event in recipe["events"] if event["kind"] == kind)
    steps, channel = slice(event["first"], event["last"] + 1), event["channels"][0]
    before, after = test[steps, channel], out[steps, channel]
    if kind == "outage":
        assert not after.any()
    elif kind == "flatline":
        assert (after == test[event["first"] - 1, channel]).all()
    elif kind == "congestion":
        assert (after <= before).all() and (after >= 0).all()
        assert abs(np.argmax(before - after) - len(after) // 2) <= 2  # deepest in the middle
    else:
        matches = [s for s in range(36, 109) if np.array_equal(after, test[steps.start - s : steps.stop - s, channel])]
        assert len(matches) == 1


def test_the_seed_decides() -> None:
    first, second, other = injected(), injected(), injected(seed=1)
    assert first[1].tobytes() == second[1].tobytes() and first[3] == second[3]
    assert first[3] != other[3]


def test_events_are_mostly_where_scores_count() -> None:
    left_out = np.arange(20 * 288) % 400 < 150
    _, _, _, recipe = injected(left_out)
    for event in recipe["events"]:
        assert left_out[event["first"] : event["last"] + 1].mean() <= LARGEST_UNSCORED
    with pytest.raises(DataError, match="no room for a outage between test steps 108 and 720"):
        injected(np.ones(20 * 288, dtype=bool))


def test_pems_bay(data_root: Path) -> None:
    p = pems_bay.prepare(data_root, **pems_bay.DEFAULTS)
    assert isinstance(p, InjectedSeries)
    assert len(p.train) + len(p.test) == 52_116 and p.train.shape[1] == 16
    assert (p.window, p.stride) == (288, 36)
    assert len(p.recipe["events"]) == 24
    assert "the first 16 sensors of the file" in p.choices
    assert any(choice.startswith("42.4% of test steps not scored") for choice in p.choices)
    assert 0.02 < p.labels[~p.left_out].mean() < 0.2
    again = pems_bay.prepare(data_root, **pems_bay.DEFAULTS)
    assert p.test.tobytes() == again.test.tobytes() and p.recipe == again.recipe  # type: ignore[attr-defined]
    other = pems_bay.prepare(data_root, **(pems_bay.DEFAULTS | {"seed": 1}))
    assert p.train.tobytes() == other.train.tobytes()  # nothing is injected there
    assert pems_bay.prepare(data_root, **(pems_bay.DEFAULTS | {"sensors": 4})).train.shape[1] == 4


def test_pems_bay_reads_the_owners_table_and_masks_what_is_missing(tmp_path: Path) -> None:
    speed = traffic(days=40).astype(np.float64)
    speed[10_000:10_005, 1] = 0  # missing
    speed[11_000:11_012, 2] = 55  # one value for an hour
    (tmp_path / "pems_bay").mkdir()
    with h5py.File(tmp_path / "pems_bay/pems-bay.h5", "w") as file:
        file["speed/block0_values"] = speed
    p = pems_bay.prepare(tmp_path, **(pems_bay.DEFAULTS | {"sensors": 3, "events": 1}))
    split = len(p.train)
    assert np.flatnonzero(p.left_out).tolist() == [
        *range(10_000 - split, 10_005 - split),
        *range(11_000 - split, 11_012 - split),
    ]
    assert np.isfinite(p.test).all() and "5 missing cells interpolated" in p.notes
    with pytest.raises(DataError, match=r"pems-bay\.h5: 3 sensors, 16 are asked for"):
        pems_bay.prepare(tmp_path, **pems_bay.DEFAULTS)
    (tmp_path / "pems_bay/pems-bay.h5").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"pems-bay\.h5: not DCRNN's table of speeds"):
        pems_bay.prepare(tmp_path, **pems_bay.DEFAULTS)


def test_pems_bay_around_flagged_congestion_nothing_is_scored(tmp_path: Path) -> None:
    speed, flagged = traffic(days=40), np.zeros((40 * 288, 3), dtype=bool)
    flagged[10_000, 1] = True
    (tmp_path / "pems_bay").mkdir()
    np.savez(tmp_path / "pems_bay/pems_bay_16sensors.npz", speed=speed, congestion_mask=flagged)
    p = pems_bay.prepare(tmp_path, **(pems_bay.DEFAULTS | {"sensors": 3, "events": 1}))
    around = range(10_000 - 12 - len(p.train), 10_000 + 13 - len(p.train))
    assert np.flatnonzero(p.left_out).tolist() == list(around)
    p = pems_bay.prepare(tmp_path, **(pems_bay.DEFAULTS | {"sensors": 1, "events": 1}))
    assert not p.left_out.any()  # it is flagged at another sensor


def test_steps_that_are_left_out_count_for_nobody() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(100) < 0.2).astype(np.uint8)
    left_out = rng.random(100) < 0.4
    meta = Meta(dataset="made", modality="series", level="point", test_starts=tuple(range(100)), window=1)
    measured = Measured(meta, {"labels": labels, "left_out": left_out}, len(labels))
    scores = rng.random(100)
    found = {row["metric"]: row["value"] for row in measured.metrics(measured.merge(scores), None, None)}
    assert found["auroc"] == auroc(labels[~left_out], scores[~left_out])
    scores[left_out] = 1e6 * labels[left_out]
    assert {row["metric"]: row["value"] for row in measured.metrics(measured.merge(scores), None, None)} == found
