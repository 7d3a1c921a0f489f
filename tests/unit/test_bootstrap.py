"""The paired bootstrap against resampled copies of the data, and against the truth in simulations."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from anomark.statistics import bootstrap
from anomark.statistics.bootstrap import bootstrap_auroc, compare, mean_over_seeds


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.sampled_from(["rows", "groups", "blocks"]), st.booleans())
def test_a_replicate_is_the_auroc_of_a_resampled_copy(seed: int, n: int, units: str, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) < rng.integers(1, n))
    scores = rng.integers(0, 4, (2, n)).astype(float) if ties else rng.normal(size=(2, n))
    groups = rng.integers(0, 5, n) if units == "groups" else None
    block = int(rng.integers(1, n + 3)) if units == "blocks" else None
    weights = bootstrap._draw(labels, 2, np.random.default_rng(seed), groups, block)
    copies = [np.repeat(np.arange(n), w.astype(int)) for w in weights.T]
    expected = [[roc_auc_score(labels[rows], score[rows]) for rows in copies] for score in scores]
    got = bootstrap_auroc(labels, scores, seed, 2, groups, block)
    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_draws_keep_the_size_of_each_class_and_recordings_whole() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 10 == 0
    rows = bootstrap._draw(labels, 50, rng, None, None)
    assert (rows[labels].sum(0) == 30).all() and (rows[~labels].sum(0) == 270).all()
    blocks = bootstrap._draw(labels, 50, rng, None, 27)
    assert (blocks[~labels].sum(0) == 270).all() and (blocks[labels].sum(0) == 27).all()
    assert np.ptp(blocks.mean(1)) < 1.5, "a ring has no edges: every point is drawn alike"
    groups = np.arange(300) // 30
    together = bootstrap._draw(labels, 50, rng, groups, None)
    assert all((together[groups == g] == together[groups == g][0]).all() for g in range(10))


def test_replicates_do_not_depend_on_which_methods_are_compared() -> None:
    rng = np.random.default_rng(0)
    labels, scores = np.arange(40) < 15, rng.normal(size=(3, 40))
    together = bootstrap_auroc(labels, scores, 7, replicates=250)
    np.testing.assert_array_equal(bootstrap_auroc(labels, scores[1], 7, replicates=250)[0], together[1])
    assert not np.array_equal(bootstrap_auroc(labels, scores[1], 8, replicates=250)[0], together[1])


def test_one_class_has_no_replicates() -> None:
    for labels in (np.zeros(5), np.ones(5)):
        values = bootstrap_auroc(labels, np.arange(5.0), 0, replicates=3)
        assert values.shape == (1, 3) and np.isnan(values).all()
    assert np.isnan(compare(0.1, np.full(3, np.nan)).p)


def test_known_differences() -> None:
    labels = np.arange(60) < 20
    perfect, inverted, constant = labels.astype(float), -labels.astype(float), np.zeros(60)
    a, b, c = bootstrap_auroc(labels, np.array([perfect, inverted, constant]), 0, replicates=999)
    assert (a == 1).all() and (b == 0).all() and (c == 0.5).all()
    won = compare(1.0, a - b)
    assert (won.low, won.high, won.p) == (1, 1, 1 / 1000) and won.distinguishable
    assert compare(0.0, a - a).p == 1 and not compare(0.0, a - a).distinguishable


@settings(max_examples=200)
@given(st.integers(0, 10**6), st.floats(-3, 3))
def test_p_is_below_5_percent_where_the_interval_excludes_zero(seed: int, shift: float) -> None:
    result = compare(shift, np.random.default_rng(seed).normal(shift, 1, 1000))
    if not 0.047 < result.p < 0.053:  # quantiles interpolate between two replicates
        assert result.distinguishable == (result.low > 0 or result.high < 0)


def test_seeds_widen_the_interval_by_the_standard_error_of_their_mean() -> None:
    for k in (2, 3, 5):
        values = np.linspace(0, 1, k)[:, None].repeat(20000, axis=1)
        expected = values[:, 0].std(ddof=1) / np.sqrt(k)
        np.testing.assert_allclose(mean_over_seeds(values, 0).std(), expected, rtol=0.03)
    assert (mean_over_seeds(np.full((1, 9), 0.7), 0) == 0.7).all()


def test_intervals_of_a_paired_difference_cover_it() -> None:
    """95% nominal, by simulation of rows; 200 repetitions have a standard error of 1.5 points."""
    rng = np.random.default_rng(0)
    labels = np.arange(160) < 100
    truth = _normal_auroc(2.0) - _normal_auroc(1.5)
    covered = 0
    for repetition in range(200):
        shared = rng.normal(size=160)
        a, b = (shared + rng.normal(size=160) + shift * labels for shift in (2.0, 1.5))
        replicates = bootstrap_auroc(labels, np.array([a, b]), repetition, replicates=300)
        result = compare(0, replicates[0] - replicates[1])
        covered += result.low <= truth <= result.high
    assert 0.9 <= covered / 200 <= 0.99


def _normal_auroc(shift: float) -> float:
    """P(N(shift, 2) > N(0, 2)), the scores above having variance 2."""
    from scipy.stats import norm

    return float(norm.cdf(shift / 2))


def test_blocks_see_what_rows_miss() -> None:
    """Scores that drift slowly: rows taken for independent give an interval several times too narrow."""
    rng = np.random.default_rng(0)
    labels = np.arange(3000) % 1000 < 300
    smooth = np.array([np.convolve(rng.normal(size=3096), np.ones(97) / 97, "valid") for _ in range(60)])
    drift = smooth / smooth.std() + labels
    true = np.std([roc_auc_score(labels, row) for row in drift])
    rows, blocks = (bootstrap_auroc(labels, drift[0], 0, replicates=300, block=b).std() for b in (None, 194))
    assert rows < true / 4 and true / 2 < blocks < 2 * true
