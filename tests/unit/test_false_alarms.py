"""Thresholds from held-out normals against counting, and the promise that they make against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomark.statistics.false_alarms import alarms, conformal_threshold
from anomark.statistics.ranking import best_threshold

seeds = st.integers(0, 2**32 - 1)


def some_scores(rng: np.random.Generator, n: int) -> np.ndarray:
    scores = rng.normal(size=n)
    return {0: scores, 1: np.round(scores), 2: np.zeros(n)}[int(rng.integers(3))]


@settings(max_examples=200, deadline=None)
@given(seeds, st.sampled_from([0.01, 0.05, 0.1, 0.5]))
def test_the_threshold_is_the_lowest_that_keeps_the_promise(seed: int, alpha: float) -> None:
    """Of the held-out scores and one more, at most alpha (M + 1) may reach it, the new one among them."""
    rng = np.random.default_rng(seed)
    normal = some_scores(rng, int(rng.integers(1, 60)))
    allowed = math.floor(alpha * (len(normal) + 1) + 1e-9)
    threshold = conformal_threshold(normal, alpha)
    if not allowed:
        assert math.isnan(threshold)
        return
    assert (normal >= threshold).sum() <= allowed - 1
    lower = np.nextafter(threshold, -np.inf)
    assert (normal >= lower).sum() >= allowed, "a lower threshold would do"


@settings(max_examples=200, deadline=None)
@given(seeds)
def test_alarms_are_counted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    labels, scores = rng.integers(0, 2, n).astype(np.uint8), some_scores(rng, n)
    threshold = float(rng.choice(scores))
    rate, recall = alarms(labels, scores, threshold)
    normal = [s for s, a in zip(scores, labels, strict=True) if not a]
    anomalous = [s for s, a in zip(scores, labels, strict=True) if a]
    if not normal or not anomalous:
        assert math.isnan(rate) and math.isnan(recall)
    else:
        assert rate == pytest.approx(sum(s >= threshold for s in normal) / len(normal))
        assert recall == pytest.approx(sum(s >= threshold for s in anomalous) / len(anomalous))


@settings(max_examples=200, deadline=None)
@given(seeds)
def test_the_oracle_threshold_has_the_best_f1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    labels, scores = rng.integers(0, 2, n).astype(np.uint8), some_scores(rng, n)
    f1, threshold = best_threshold(labels, scores)
    if not 0 < labels.sum() < n:
        assert math.isnan(f1) and math.isnan(threshold)
        return
    f1s = {t: 2 * (labels * (scores >= t)).sum() / (labels.sum() + (scores >= t).sum()) for t in scores.tolist()}
    assert f1 == pytest.approx(max(f1s.values())) and f1s[threshold] == pytest.approx(f1)
    assert threshold == min(t for t, value in f1s.items() if value > f1 - 1e-12), "the lowest of several"


def test_too_few_held_out_normals_have_no_threshold() -> None:
    assert math.isnan(conformal_threshold(np.arange(18.0)))
    assert 18 < conformal_threshold(np.arange(19.0)) < 18 + 1e-9
    assert math.isnan(conformal_threshold(np.empty(0)))
    assert all(math.isnan(value) for value in alarms(np.array([0, 1]), np.array([0.0, 1.0]), math.nan))


def test_new_normals_raise_the_nominal_share_of_false_alarms() -> None:
    rng = np.random.default_rng(0)
    rates = [(rng.normal(size=200) >= conformal_threshold(rng.normal(size=59))).mean() for _ in range(2000)]
    assert np.mean(rates) == pytest.approx(0.05, abs=0.003)  # 3 / 60 exactly, in expectation
