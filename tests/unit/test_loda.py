import importlib

import numpy as np

from anomark.contracts import Spec
from tests.samples import noise

loda = importlib.import_module("anomark_methods.loda")


def test_a_score_is_the_mean_negative_log_density() -> None:
    """Against dense directions and a search of the bins one by one: new rows, those of training, and one far away."""
    X = noise(80, 2, 9)
    test = np.concatenate([noise(5, 2, 9, seed=1), X, np.full((1, 2, 9), 50, np.float32)])
    model = loda.Method(Spec("series", (2, 9)), 0, "cpu", projections=7).fit(X, None)
    surprisal = np.zeros((len(test), 7))
    for k in range(7):
        direction = np.zeros(18)
        direction[model.indices[k]] = model.weights[k]
        assert np.count_nonzero(direction) == 4  # floor(sqrt(18))
        train, values = ((rows.reshape(-1, 18) * direction).sum(1) for rows in (X, test))
        density, edges = np.histogram(train, bins=loda.optimal_bins(train), density=True)
        for i, value in enumerate(values):
            inside = [d for d, a, b in zip(density, edges[:-1], edges[1:], strict=True) if a <= value < b]
            if value == edges[-1]:
                inside = [density[-1]]
            unseen = loda.EPSILON / (80 * (edges[1] - edges[0]))
            surprisal[i, k] = -np.log(sum(inside) + unseen)
    np.testing.assert_allclose(model.decision_function(test), surprisal.mean(1), rtol=1e-5)


def test_the_crowd_scores_lower_than_the_tails() -> None:
    """One number a sample: the order is that of the density itself."""
    model = loda.Method(Spec("series", (1, 1)), 0, "cpu", projections=1).fit(noise(500, 1, 1), None)
    centre, tail, outside = model.decision_function(np.array([0.0, 2.0, 9.0]).reshape(3, 1, 1))
    assert centre < tail < outside


def test_bins_follow_the_penalised_likelihood() -> None:
    """Two halves of which one is three times as dense need two bins, a uniform density one, one sample one."""
    halves = np.concatenate([np.linspace(0, 0.5, 750, endpoint=False), np.linspace(0.5, 1, 250)])
    assert loda.optimal_bins(halves) == 2
    assert loda.optimal_bins(np.linspace(0, 1, 1000)) == 1
    assert loda.optimal_bins(np.array([0.3])) == 1


def test_bins_are_as_many_as_a_search_of_the_formula_finds() -> None:
    values = np.concatenate([noise(60, seed=2), 4 + 0.2 * noise(40, seed=3)]).astype(float)
    n, unit = len(values), (values - values.min()) / np.ptp(values)

    def criterion(b: int) -> float:
        bins = np.minimum((unit * b).astype(int), b - 1)
        likelihood = sum(np.log(b * (bins == j).sum() / n) for j in bins)
        return likelihood - (b - 1 + np.log(b) ** 2.5)

    best = max(range(1, int(n / np.log(n)) + 1), key=criterion)
    assert loda.optimal_bins(values) == best > 2


def test_data_that_stand_still_are_told_from_others() -> None:
    flat = np.full((20, 1, 12), 0.1, np.float32)
    model = loda.Method(Spec("series", (1, 12)), 0, "cpu", projections=10).fit(flat, None)
    same, other = model.decision_function(np.concatenate([flat[:1], flat[:1] + 1]))
    assert np.isfinite(same) and same < other
