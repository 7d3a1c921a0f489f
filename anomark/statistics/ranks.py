"""Rank tests of several methods over several datasets: Friedman, Nemenyi's critical difference, Wilcoxon with Holm.

Source: Demsar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, 2006, sections 3.1.3, 3.2.2 and
3.2.4. A dataset counts as one observation, however many samples it has, so that few datasets prove little whatever
they show: every test states the smallest p that its number of datasets can reach at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from anomark.contracts import Array

ALPHA = 0.05


@dataclass(frozen=True)
class Friedman:
    """Friedman's test that k methods are equal on N datasets.

    ranks
        (k,) average ranks, 1 the best.
    chi2
        Friedman's statistic, not corrected for ties, which makes it smaller.
    f
        Iman and Davenport's F_F, distributed as F with k - 1 and (k - 1)(N - 1) degrees of freedom; infinite where all
        datasets order the methods alike.
    p
        Of F_F, and never below what the test can reach.
    smallest_p
        Of all orders of the k methods on N datasets, the share that is as one-sided as can be: (k!)^(1 - N).
    """

    ranks: Array
    chi2: float
    f: float
    p: float
    smallest_p: float


def friedman(scores: Array) -> Friedman:
    """Test of k >= 2 methods on N >= 2 datasets; scores (N, k), higher is better, equal ones share a rank."""
    n, k = scores.shape
    ranks = stats.rankdata(-scores, axis=1).mean(axis=0)
    chi2 = 12 * n / (k * (k + 1)) * (np.square(ranks).sum() - k * (k + 1) ** 2 / 4)
    rest = n * (k - 1) - chi2
    f = (n - 1) * chi2 / rest if rest > 1e-9 else math.inf
    smallest = math.exp((1 - n) * math.lgamma(k + 1))
    p = max(float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))), smallest)
    return Friedman(ranks, float(chi2), float(f), p, smallest)


def critical_difference(k: int, n: int, alpha: float = ALPHA) -> float:
    """Nemenyi: average ranks of two of k methods on n datasets that differ by at least this differ significantly."""
    quantile = stats.studentized_range.ppf(1 - alpha, k, np.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(k * (k + 1) / (6 * n)))


def cliques(ranks: Array, difference: float) -> list[tuple[float, float]]:
    """The widest groups of at least two methods whose average ranks differ by less than `difference`: best, worst."""
    ordered = np.sort(ranks)
    ends = np.searchsorted(ordered, ordered + difference) - 1
    # A group that ends where the one before it ends lies within that one.
    new = np.diff(ends, prepend=-1) > 0
    return [(float(ordered[i]), float(ordered[ends[i]])) for i in np.flatnonzero(new) if ends[i] > i]


def wilcoxon_holm(scores: Array) -> Array:
    """Two-sided p of Wilcoxon's signed-rank test of every pair of methods, Holm's correction over all pairs.

    Args:
        scores: (N, k), one row a dataset. Equal scores share their ranks between both sides, as in section 3.1.3.

    Returns:
        (k, k), symmetric, 1 on the diagonal; exact up to 13 datasets, and up to 50 where no differences are equal.
    """
    k = scores.shape[1]
    pairs = list(combinations(range(k), 2))
    raw = np.array([_wilcoxon(scores[:, a] - scores[:, b]) for a, b in pairs])
    order = np.argsort(raw, kind="stable")
    holm = np.minimum(1, np.maximum.accumulate(raw[order] * np.arange(len(pairs), 0, -1)))
    adjusted = np.ones((k, k))
    for pair, p in zip(order, holm, strict=True):
        a, b = pairs[pair]
        adjusted[a, b] = adjusted[b, a] = p
    return adjusted


def _wilcoxon(differences: Array) -> float:
    return float(stats.wilcoxon(differences, zero_method="zsplit").pvalue) if differences.any() else 1.0


def smallest_wilcoxon_p(n: int, k: int) -> float:
    """The smallest p that a pair can reach on n datasets after Holm's correction over the pairs of k methods."""
    return min(1.0, 2 ** (1 - n) * math.comb(k, 2))


def agreement(first: Mapping[str, float], second: Mapping[str, float]) -> float | None:
    """Kendall's tau-b of the orders of the methods that both have: 1 the same order, -1 the reverse.

    Scores that are equal to three digits are tied, as they are in every ranking here. None where an order is undefined:
    fewer than two methods, or all of them tied.
    """
    common = [method for method in first if method in second]
    if len(common) < 2:
        return None
    tau = stats.kendalltau(*([round(scores[method], 3) for method in common] for scores in (first, second))).statistic
    return None if np.isnan(tau) else float(tau)
