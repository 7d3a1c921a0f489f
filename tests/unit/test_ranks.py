"""The rank tests against the published example of Demsar 2006 and against enumeration."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from anomark.statistics.ranks import cliques, critical_difference, friedman, smallest_wilcoxon_p, wilcoxon_holm

#: Demsar 2006, Table 6: ranks of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 datasets.
RANKS = np.array(
    [
        [4, 3, 2, 1],
        [1, 2, 3, 4],
        [4, 1, 2, 3],
        [4, 1, 3, 2],
        [4, 2, 3, 1],
        [1, 2.5, 4, 2.5],
        [3, 2, 4, 1],
        [2.5, 2.5, 4, 1],
        [4, 3, 2, 1],
        [2.5, 2.5, 2.5, 2.5],
        [4, 2.5, 1, 2.5],
        [3, 2, 4, 1],
        [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)
#: The same table's AUC of C4.5 and C4.5+m in thousandths.
C45 = [763, 599, 954, 628, 882, 936, 661, 583, 775, 1000, 940, 619, 972, 957]
C45_M = [768, 591, 971, 661, 888, 931, 668, 583, 838, 1000, 962, 666, 981, 978]


def test_friedman_equals_the_published_example() -> None:
    test = friedman(-RANKS)
    assert test.ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    # By hand: 12 * 14 / 20 * (3.143^2 + 2^2 + 2.893^2 + 1.964^2 - 25) = 9.28, 13 * 9.28 / (42 - 9.28) = 3.69.
    assert (test.chi2, test.f) == (pytest.approx(9.28, abs=0.005), pytest.approx(3.69, abs=0.005))
    # Published: the critical value of F(3, 39) at .05 is 2.85.
    assert stats.f.isf(0.05, 3, 39) == pytest.approx(2.85, abs=0.005)
    assert test.p == pytest.approx(stats.f.sf(3.69, 3, 39), abs=2e-4) and test.p < 0.05


def test_critical_difference_equals_the_published_example() -> None:
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=0.005)
    # Best and worst are 1.18 apart: no pair differs at .05. At .10 plain C4.5 is worse than both forms with m, and
    # C4.5+cf can't be told from either group.
    ranks = friedman(-RANKS).ranks
    assert cliques(ranks, 1.25) == [pytest.approx((1.964, 3.143), abs=5e-4)]
    at_10 = cliques(ranks, critical_difference(4, 14, alpha=0.10))
    assert np.array(at_10) == pytest.approx(np.array([(1.964, 2.893), (2.893, 3.143)]), abs=5e-4)


def test_wilcoxon_equals_the_published_example() -> None:
    difference = np.subtract(C45_M, C45)
    # Published, Table 2: R+ = 93, R- = 12; for 14 datasets T <= 21 is significant at .05.
    test = stats.wilcoxon(difference, zero_method="zsplit")
    assert test.statistic == 12
    (p,) = wilcoxon_holm(np.stack([C45, C45_M], axis=1))[[0], [1]]
    assert p == test.pvalue and p < 0.05
    ties = np.stack([C45, C45_M, C45], axis=1)
    assert wilcoxon_holm(ties)[0, 2] == 1


def test_friedman_without_ties_is_scipys() -> None:
    scores = np.random.default_rng(0).normal(size=(9, 5))
    assert friedman(scores).chi2 == pytest.approx(stats.friedmanchisquare(*scores.T).statistic)


@pytest.mark.parametrize(("n", "k"), [(2, 3), (3, 3), (2, 4), (4, 2)])
def test_smallest_p_is_that_of_all_orders(n: int, k: int) -> None:
    orders = [np.array(order) for order in permutations(range(k))]
    statistics = [friedman(np.array(choice)).chi2 for choice in product(orders, repeat=n)]
    best = friedman(np.tile(np.arange(k), (n, 1)))
    assert best.chi2 == pytest.approx(max(statistics)) and np.isinf(best.f)
    share = np.isclose(statistics, best.chi2).mean()
    assert best.smallest_p == pytest.approx(share) and best.p == best.smallest_p


def test_holm_and_the_smallest_p() -> None:
    # Seven datasets, five methods that never change places: every pair reaches 2 / 2^7, and ten pairs ten times that.
    scores = np.arange(5) + np.random.default_rng(1).uniform(0, 0.4, (7, 5))
    assert wilcoxon_holm(scores)[~np.eye(5, dtype=bool)] == pytest.approx(10 / 64)
    assert smallest_wilcoxon_p(7, 2) == 0.015625
    assert smallest_wilcoxon_p(7, 5) == pytest.approx(10 / 64)
    assert smallest_wilcoxon_p(3, 5) == 1
    # By hand: 0 against a loses with rank sum 0, 0 against b with 1 + 2, a against b with 1 + 3; of the 128 signs of
    # seven ranks 1, 5 and 7 sum to as little. Two-sided .0156, .0781, .1094, times 3, 2, 1, and never falling again.
    a = np.arange(1, 8)
    b = a + np.array([-2, -4, 3.5, 4.5, 5.5, 6.5, 7.5])
    p = wilcoxon_holm(np.stack([np.zeros(7), a, b], axis=1))
    assert p[np.triu_indices(3, 1)] == pytest.approx([3 * 2 / 128, 2 * 10 / 128, 2 * 10 / 128])


def test_cliques_are_maximal_and_leave_single_methods_out() -> None:
    ranks = np.array([5.0, 1.0, 2.0, 2.5, 9.0])
    assert cliques(ranks, 1.6) == [(1.0, 2.5)]
    assert cliques(ranks, 1.2) == [(1.0, 2.0), (2.0, 2.5)]
    assert cliques(ranks, 0.1) == []
