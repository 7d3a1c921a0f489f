"""Whether a score depends on the samples that are scored with it, and what such a dependence looks like.

A test set is a batch that nobody has in practice. A method that scales its scores by the smallest and the largest of
the test set, ranks them, or normalises features by the batch has read what it is tested on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anomark.contracts import Array, Diverged

#: A score alone and among others may differ by this much, relative, in fp32; a map by this share of its largest value.
TOLERANCE = 1e-5

#: Scores (N,) of samples and, where the method localises, maps (N, ...).
Score = Callable[[Array], tuple[Array, Array | None]]


def check_companies(score: Score, X: Array, seed: int = 0) -> str:
    """Compare the scores of samples in several companies with those that they have all together.

    Args:
        score: of a fitted method.
        X: samples; the first half are normal, the others are not.
        seed: of the other order.

    Returns:
        "with equal bits", or how much scores or maps differ at most by rounding.

    Raises:
        AssertionError: says in which company they differ, by how much, and what such a difference comes from.
    """
    n = len(X)
    order = np.random.default_rng(seed).permutation(n)
    companies = {
        "in another order": [order],
        "among doubled mates": [np.repeat(np.arange(n), 2)],
        "among half of them": [np.arange(n // 2), np.arange(n // 2, n)],
        "alone": [np.array([i]) for i in range(n)],
    }
    together = score(X)
    largest = 0.0
    for company, batches in companies.items():
        for rows in batches:
            try:
                found = score(X[rows])
            except Diverged as error:
                raise AssertionError(f"a sample's score {company} is not finite, and it is among others") from error
            gap = max(_gap(found[0], together[0][rows]), _map_gap(found[1], together[1], rows))
            if gap > TOLERANCE:
                raise AssertionError(
                    f"a sample's score or map {company} differs by {gap:.1e} (relative) from its score in a batch: "
                    f"{_kind(company, found[0], together[0][rows])}; or declare TRANSDUCTIVE = True"
                )
            largest = max(largest, gap)
    return f"but for rounding, {largest:.0e} at most" if largest else "with equal bits"


def _gap(found: Array, expected: Array) -> float:
    return float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-6)))


def _map_gap(found: Array | None, together: Array | None, rows: Array) -> float:
    if found is None or together is None:
        return 0.0
    return float(np.abs(found - together[rows]).max() / max(np.abs(together).max(), 1e-6))


def _kind(company: str, found: Array, expected: Array) -> str:
    """What a dependence comes from, as far as the scores tell, and what to do."""
    if company == "in another order":
        return "it depends on the place in the batch; let all samples share their random numbers and their state"
    if _gap(found, expected) <= TOLERANCE:
        return "it scales its maps over the batch; learn the scale from training or held-out samples"
    if all(_equally_spaced(scores) for scores in (found, expected)):
        return "the scores are ranks among the batch; give what the ranks are made of"
    if len({*expected.tolist()}) > 2 and _is_scaled(found, expected):
        return (
            "it scales its scores over the batch, as by their smallest and largest or their mean and deviation; learn "
            "these numbers from training or held-out samples"
        )
    return (
        "it computes with the batch, as batch normalisation in training mode does; learn all statistics from "
        "training samples"
    )


def _equally_spaced(scores: Array) -> bool:
    steps = np.diff(np.unique(scores).astype(float))
    return len(steps) > 1 and float(np.ptp(steps)) < 1e-4 * float(steps.mean())


def _is_scaled(found: Array, expected: Array) -> bool:
    """Whether `found` is a `expected` + b but for rounding, a > 0."""
    design = np.stack([expected, np.ones_like(expected)], axis=1).astype(float)
    (a, b), *_ = np.linalg.lstsq(design, found.astype(float), rcond=None)
    rest = np.abs(a * expected + b - found).max()
    return bool(a > 0 and rest < 1e-3 * max(float(np.ptp(found)), 1e-12))
