"""Ranking metrics against brute force, and the random band against simulation."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from anomark.statistics.ranking import auroc, average_precision, f1_max, precision_recall, random_band, roc_points
from tests import metric_references as reference

many = settings(max_examples=200, deadline=None)
labels_and_scores = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        arrays(np.uint8, n, elements=st.integers(0, 1)),
        arrays(np.float64, n, elements=st.integers(-5, 5) | st.floats(-1e6, 1e6)),
    )
)


@many
@given(labels_and_scores)
def test_auroc_is_the_share_of_pairs_ranked_right(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = case
    if not 0 < labels.sum() < len(labels):
        assert np.isnan(auroc(labels, scores))
        return
    np.testing.assert_allclose(auroc(labels, scores), reference.auroc(labels, scores), atol=1e-12)
    np.testing.assert_allclose(auroc(labels, scores), roc_auc_score(labels, scores), atol=1e-12)


@many
@given(labels_and_scores)
def test_average_precision_is_the_recall_gained_times_precision(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = case
    if not 0 < labels.sum() < len(labels):
        assert np.isnan(average_precision(labels, scores))
        return
    np.testing.assert_allclose(
        average_precision(labels, scores), reference.average_precision(labels, scores), atol=1e-12
    )


@many
@given(labels_and_scores)
def test_best_f1_over_all_thresholds(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = case
    if not 0 < labels.sum() < len(labels):
        assert np.isnan(f1_max(labels, scores))
        return
    np.testing.assert_allclose(f1_max(labels, scores), reference.f1_max(labels, scores), atol=1e-12)


def test_random_band_holds_95_percent_of_random_scores() -> None:
    rng = np.random.default_rng(0)
    labels = (np.arange(200) < 60).astype(np.uint8)
    low, high = random_band(labels)
    values = np.array([auroc(labels, rng.random(200)) for _ in range(2000)])
    assert 0.93 < ((values > low) & (values < high)).mean() < 0.97


def test_random_band_of_merged_windows() -> None:
    """Scores of overlapping windows, averaged, correlate over L steps: the band must be that much wider."""
    from anomark.data.windows import window_starts
    from anomark.evaluation.merge import merge_windows

    rng = np.random.default_rng(0)
    labels = np.zeros(4000, np.uint8)
    labels[1000:1400] = labels[3000:3400] = 1
    starts = window_starts(4000, 48, 6)
    low, high = random_band(labels, 48)
    values = np.array([auroc(labels, merge_windows(rng.random(len(starts)), starts, 48, 4000)) for _ in range(400)])
    assert ((values > low) & (values < high)).mean() > 0.9
    plain = random_band(labels)
    assert ((values > plain[0]) & (values < plain[1])).mean() < 0.5, "the formula for independent points is too narrow"


def test_roc_points_are_thinned_and_keep_their_ends() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 5000)
    fpr, tpr = roc_points(labels, rng.random(5000) + 0.3 * labels)
    assert len(fpr) <= 200 and (fpr[0], tpr[0]) == (0, 0) and (fpr[-1], tpr[-1]) == (1, 1)
    assert (np.diff(fpr) >= 0).all() and (np.diff(tpr) >= 0).all()


def test_precision_and_recall_follow_from_the_roc_curve() -> None:
    rng = np.random.default_rng(1)
    labels = (np.arange(60) < 9).astype(np.uint8)
    scores = np.round(rng.random(60) + 0.4 * labels, 1)
    recall, precision = precision_recall(*roc_points(labels, scores), labels.mean())
    called = [scores >= threshold for threshold in scores]
    exact = {(labels[c].sum() / 9, labels[c].mean()) for c in called}
    corners = np.stack([recall, precision], axis=1)[3::4]  # between them thresholds are interpolated
    assert len(corners) > 5
    assert all(np.abs(np.array(list(exact)) - corner).sum(axis=1).min() < 1e-12 for corner in corners)


def test_the_thinned_curve_keeps_its_average_precision() -> None:
    rng = np.random.default_rng(2)
    labels = (np.arange(20_000) < 300).astype(np.uint8)
    scores = rng.normal(size=20_000) + 2 * labels
    recall, precision = precision_recall(*roc_points(labels, scores), labels.mean())
    assert len(recall) <= 4 * 200
    np.testing.assert_allclose(np.trapezoid(precision, recall), average_precision(labels, scores), atol=0.01)
