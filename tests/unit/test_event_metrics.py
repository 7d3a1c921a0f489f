"""Metrics of events (affiliation, ranges, point adjustment, NAB) against their definitions, in plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomark.statistics.context import Context
from anomark.statistics.events import best_f1, calls
from anomark_metrics.affiliation_f1 import affiliation
from anomark_metrics.auroc_smoothed import compute as auroc_smoothed
from anomark_metrics.nab import PROFILES, nab_score
from anomark_metrics.point_adjusted_f1 import compute as point_adjusted_f1
from anomark_metrics.range_f1 import range_based
from tests import metric_references as reference
from tests.metric_references import runs

cases = st.integers(0, 2**32 - 1)


def some_runs(rng: np.random.Generator, steps: int) -> np.ndarray:
    binary = np.zeros(steps, np.uint8)
    for first in rng.integers(steps, size=rng.integers(1, 5)):
        binary[first : first + rng.integers(1, 8)] = 1
    return binary


def test_smoothing_pays_where_labels_are_wider_than_what_is_found() -> None:
    """A peak in the middle of a wide label, and moving averages written out."""
    labels, scores = np.zeros(200, np.uint8), np.random.default_rng(0).normal(0, 0.01, 200)
    labels[80:120] = 1
    scores[100] = 1
    got = auroc_smoothed(labels, scores, Context("point", window=20))
    assert got["auroc_smoothed_half"] < got["auroc_smoothed_one"] < got["auroc_smoothed_two"]
    padded = np.pad(scores, 20, mode="edge")
    mean = np.array([padded[t + 10 : t + 30].mean() for t in range(200)])  # of 20 steps around each
    pairs = mean[labels == 1][:, None] - mean[labels == 0]
    assert got["auroc_smoothed_one"] == pytest.approx((pairs > 0).mean(), abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(cases)
def test_affiliation_equals_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(4, 40))
    labels, called = some_runs(rng, steps), some_runs(rng, steps)
    got = affiliation(labels, called)
    np.testing.assert_allclose(got[:2], reference.affiliation(labels, called), atol=1e-9)


def test_affiliation_of_nothing_everything_and_the_truth() -> None:
    labels = np.zeros(100, np.uint8)
    labels[20:30] = labels[70:75] = 1
    assert affiliation(labels, labels) == (1, 1, 1)
    precision, recall, f1 = affiliation(labels, np.zeros(100))
    assert math.isnan(precision) and (recall, f1) == (0, 0)
    precision, recall, _ = affiliation(labels, np.ones(100))
    assert recall == 1 and 0.45 < precision < 0.65
    one = np.zeros(100)
    one[22] = 1  # a zone without a call has no precision and recall 0
    assert affiliation(labels, one)[:2] == (1, pytest.approx(affiliation(labels[:50], one[:50])[1] / 2, abs=0.02))
    assert all(math.isnan(value) for value in affiliation(np.zeros(9), np.ones(9)))


@settings(max_examples=200, deadline=None)
@given(cases, st.sampled_from([0.0, 0.3]))
def test_range_based_equals_its_definition(seed: int, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(4, 40))
    labels, called = some_runs(rng, steps), some_runs(rng, steps)

    def reward(ranges: np.ndarray, cover: np.ndarray, alpha: float) -> float:
        rewards = []
        for a, b in runs(ranges):
            pieces = [min(b, d) - max(a, c) for c, d in runs(cover) if min(b, d) > max(a, c)]
            overlap = sum(pieces) / (b - a) / max(len(pieces), 1)
            rewards.append(alpha * bool(pieces) + (1 - alpha) * overlap)
        return float(np.mean(rewards))

    precision, recall, f1 = range_based(labels, called, alpha)
    assert precision == pytest.approx(reward(called, labels, 0.0), abs=1e-12)
    assert recall == pytest.approx(reward(labels, called, alpha), abs=1e-12)
    assert f1 == pytest.approx(2 * precision * recall / (precision + recall) if precision + recall else 0, abs=1e-12)


def test_range_based_without_ranges() -> None:
    precision, recall, f1 = range_based(np.array([0, 1, 1]), np.zeros(3))
    assert math.isnan(precision) and (recall, f1) == (0, 0)


@settings(max_examples=200, deadline=None)
@given(cases, st.booleans())
def test_point_adjusted_f1_tries_every_threshold(seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    labels = some_runs(rng, 40)
    scores = rng.normal(size=40) + labels * rng.choice([-9, 0, 1])
    scores = np.round(scores) if ties else scores
    best = 0.0
    for threshold in scores:
        called = scores >= threshold
        for a, b in runs(labels):
            called[a:b] = called[a:b].any()
        best = max(best, 2 * (called & (labels == 1)).sum() / (called.sum() + labels.sum()))
    expected = math.nan if labels.all() else best
    assert point_adjusted_f1(labels, scores, Context("point")) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def nab_by_definition(labels: np.ndarray, scores: np.ndarray, profile: str) -> float:
    def sigmoid(x: float) -> float:
        return -1.0 if x >= 3 else 2 / (1 + math.exp(5 * x)) - 1

    false_alarm, missed = PROFILES[profile]
    windows, best = runs(labels), -math.inf
    for threshold in [*scores, math.inf]:
        raw, found = 0.0, dict.fromkeys(windows, -missed)
        for t in np.flatnonzero(scores >= threshold):
            window = next((w for w in windows if w[0] <= t < w[1]), None)
            if window:
                value = sigmoid(-(window[1] - t) / (window[1] - window[0])) / sigmoid(-1)
                found[window] = max(found[window], value)
                continue
            last = max((w for w in windows if w[1] <= t), default=None)
            past = 3.0 if last is None else (t - last[1] + 1) / max(last[1] - last[0] - 1, 1)
            raw += false_alarm * sigmoid(past)
        best = max(best, raw + sum(found.values()))
    null, perfect = -missed * len(windows), len(windows)
    return 100 * (best - null) / (perfect - null)


@settings(max_examples=200, deadline=None)
@given(cases, st.sampled_from(sorted(PROFILES)), st.booleans())
def test_nab_equals_its_definition(seed: int, profile: str, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    labels = some_runs(rng, 60)
    scores = rng.normal(size=60) + labels * rng.choice([-9, 0, 1, 9])
    scores = np.round(scores) if ties else scores
    assert nab_score(labels, scores, profile) == pytest.approx(nab_by_definition(labels, scores, profile), abs=1e-9)


def test_nab_of_known_detectors() -> None:
    labels = np.zeros(300, np.uint8)
    labels[100:120] = labels[200:220] = 1
    early, late = np.zeros(300), np.zeros(300)
    early[[100, 200]] = late[[119, 219]] = 1
    for profile in PROFILES:
        assert nab_score(labels, early, profile) == 100
        assert 0 < nab_score(labels, late, profile) < 100
        assert nab_score(labels, np.zeros(300), profile) == 0, "firing everywhere is worse than never"
    assert math.isnan(nab_score(np.zeros(9), np.ones(9)))


def test_calls_fall_from_the_top_score_to_everything() -> None:
    scores = np.random.default_rng(0).normal(size=5000)
    counts = [int(called.sum()) for called in calls(scores)]
    assert counts[0] == 1 and counts[-1] == 5000 and counts == sorted(set(counts))
    assert [int(c.sum()) for c in calls(np.zeros(7))] == [7]


def test_best_f1_is_that_of_the_best_call() -> None:
    rng = np.random.default_rng(0)
    labels = some_runs(rng, 200)
    scores = rng.normal(size=200) + labels
    assert best_f1(affiliation, labels, scores) == max(affiliation(labels, called)[2] for called in calls(scores))
    assert best_f1(affiliation, labels, labels) == best_f1(range_based, labels, labels) == 1
    assert math.isnan(best_f1(affiliation, np.zeros(5), np.arange(5)))
