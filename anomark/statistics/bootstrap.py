"""The predeclared paired bootstrap: is the difference of two methods' AUROC larger than the draw of the test set?

A replicate resamples independent test units, the same ones for all methods of a dataset, so that methods are compared
in pairs. What a unit is depends on the data:

* a row, drawn within each class, so that no replicate lacks a class (stratified);
* a recording, where rows are grouped by recordings; drawn within those that hold normal rows only, anomalous rows only,
  or both;
* a circular block of consecutive points, drawn within each class, where every point of a series has a label (Politis &
  Romano 1992): the same windows score points that lie next to each other.

A replicate also resamples the seeds of each method. Methods share no seeds, so each is drawn on its own: k - 1 of k
seeds, with replacement. Then the variance of their mean is unbiased (McCarthy & Snowden 1985), where k of k would be
too confident by k / (k - 1). One seed adds no variance.

A replicate of a mean over datasets is the mean of one replicate of each, so every dataset is resampled within itself.
The intervals hold for more rows, recordings or time of the same kind, and for new seeds. They say nothing of other
kinds of anomalies, and a series with a single event knows only that event.

Few units make the intervals too confident. In simulations, a test at 5% rejected equal methods in 6% of the cases with
20 units in the smaller class and in 12% with 5 units. It was 8% for scores merged from windows of L points in blocks of
2 L, and 11% with three seeds or 22% with two where nearly all variance came from the seeds.

Cost: replicates x rows multiplications per method and seed, in compiled code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from anomark.contracts import Array

REPLICATES = 2000
#: Weights drawn at once, rows x replicates: bounds memory.
_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Comparison:
    """A difference, its 95% percentile interval, and the two-sided p-value of no difference."""

    difference: float
    low: float
    high: float
    p: float

    @property
    def distinguishable(self) -> bool:
        return self.p < 0.05


def bootstrap_auroc(
    labels: Array,
    scores: Array,
    seed: int,
    replicates: int = REPLICATES,
    groups: Array | None = None,
    block: int | None = None,
) -> Array:
    """AUROC of every score vector on resampled test units, the same units for all of them.

    Args:
        labels: (n,) 0 normal, 1 anomalous; both classes.
        scores: (R, n), one row per method and seed.
        seed: of the draws; it alone fixes which units a replicate holds.
        groups: (n,) recording of each row, where rows of one recording depend on each other.
        block: length in points of the blocks of a series (instead of `groups`): twice the window where scores are
            means of the windows that cover a point, since two points share windows up to one window apart.

    Returns:
        float64 (R, replicates) in [0, 1]; NaN throughout if one class is missing.
    """
    labels, scores = np.asarray(labels).astype(bool), np.atleast_2d(scores)
    if labels.all() or not labels.any():
        return np.full((len(scores), replicates), np.nan)
    comparisons = [_comparisons(labels, row) for row in scores]
    rng = np.random.default_rng(seed)
    chunks = []
    at_once = max(1, _AT_ONCE // len(labels))
    for first in range(0, replicates, at_once):
        weights = _draw(labels, min(at_once, replicates - first), rng, groups, block)
        normal, anomalous = weights[~labels], weights[labels]
        pairs = normal.sum(axis=0, dtype=np.float64) * anomalous.sum(axis=0, dtype=np.float64)
        wins = [
            np.einsum("vb,vb->b", np.cumsum(below @ normal, axis=0), at @ anomalous, dtype=np.float64)
            for below, at in comparisons
        ]
        chunks.append(np.array(wins) / pairs)
    return np.concatenate(chunks, axis=1)


def _comparisons(labels: Array, scores: Array) -> tuple[sparse.csr_array, sparse.csr_array]:
    """What turns weights of rows into a weighted count of pairs ranked right, for one score vector.

    Over the V distinct anomalous scores: `below` (V, normal rows), whose cumulative sum over V is the weight of normal
    rows scored lower, ties counted half; `at` (V, anomalous rows), the rows that have each score.
    """
    values, place = np.unique(scores[labels], return_inverse=True)
    normal = scores[~labels]
    # Half a point from the first value that is not lower, half from the first that is higher: a tie earns one half.
    start = np.concatenate([np.searchsorted(values, normal, side) for side in ("left", "right")])
    column = np.tile(np.arange(len(normal)), 2)
    kept = start < len(values)  # a normal row above all anomalous ones never counts
    half = np.full(int(kept.sum()), 0.5, np.float32)
    below = sparse.csr_array((half, (start[kept], column[kept])), shape=(len(values), len(normal)))
    ones = np.ones(len(place), np.float32)
    return below, sparse.csr_array((ones, (place, np.arange(len(place)))), shape=(len(values), len(place)))


def _draw(labels: Array, replicates: int, rng: np.random.Generator, groups: Array | None, block: int | None) -> Array:
    """How often each row occurs in each replicate, float32 (n, replicates)."""
    weights = np.empty((len(labels), replicates), np.float32)
    if block is not None:
        for member in (~labels, labels):
            weights[member] = _circular_blocks(int(member.sum()), block, replicates, rng)
        return weights
    unit = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    size, anomalous = np.bincount(unit), np.bincount(unit, weights=labels)
    kind = np.where(anomalous == 0, 0, np.where(anomalous == size, 1, 2))
    counts = np.empty((len(size), replicates), np.float32)
    for stratum in np.unique(kind):
        members = np.flatnonzero(kind == stratum)
        draws = rng.integers(len(members), size=(len(members), replicates))
        counts[members] = _count(draws, len(members))
    return counts[unit]


def _circular_blocks(n: int, length: int, replicates: int, rng: np.random.Generator) -> Array:
    """Weights (n, replicates) of points on a ring of n, covered by blocks that sum to about n points."""
    length = min(length, n)
    starts = _count(rng.integers(n, size=(round(n / length), replicates)), n)
    covered = np.cumsum(np.concatenate([starts[n - length :], starts]), axis=0)  # blocks that begin before step 0 too
    return covered[length:] - covered[:-length]


def _count(draws: Array, n: int) -> Array:
    """How often each of 0..n-1 occurs in every column of `draws` (m, replicates); float32 (n, replicates)."""
    replicates = draws.shape[1]
    flat = (draws * replicates + np.arange(replicates)).ravel()
    return np.bincount(flat, minlength=n * replicates).reshape(n, replicates).astype(np.float32)


def mean_over_seeds(values: Array, seed: int) -> Array:
    """Replicates (k, B) of one method's k seeds -> (B,) replicates of its mean over seeds, k - 1 seeds drawn."""
    k, replicates = values.shape
    if k == 1:
        return values[0]
    drawn = np.random.default_rng(seed).integers(k, size=(k - 1, replicates))
    return np.take_along_axis(values, drawn, axis=0).mean(axis=0)


def compare(difference: float, replicates: Array) -> Comparison:
    """A measured difference and its replicates (B,), of one dataset or of a mean over datasets.

    p = (1 + count) / (B + 1), where count is twice the number of replicates on the less common side of 0 (those equal
    to 0 lie on both): p < .05 where the interval excludes 0. The smallest p is 1 / (B + 1).
    """
    if not np.isfinite(replicates).all():
        return Comparison(difference, *[float("nan")] * 3)
    count = 2 * min((replicates <= 0).sum(), (replicates >= 0).sum())
    low, high = np.quantile(replicates, [0.025, 0.975])
    return Comparison(difference, float(low), float(high), min(1.0, (1 + float(count)) / (len(replicates) + 1)))
