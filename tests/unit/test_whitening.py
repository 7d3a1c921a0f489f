from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import inv, sqrtm

from anomark.nn.whitening import PositionWhitening, UnitVariance
from tests.samples import noise


def vectors() -> np.ndarray:
    """(30, 3, 5): correlated channels, a mean and a size of each position's own."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(3, 5, 5))
    return np.float32(np.einsum("npc,pdc->npd", noise(30, 3, 5), mixing) + 4 * rng.normal(size=(3, 5)))


def whitened(x: np.ndarray, shrinkage: float, regularisation: float) -> PositionWhitening:
    model = PositionWhitening(3, 5, shrinkage=shrinkage, regularisation=regularisation)
    model.fit(torch.from_numpy(x))
    return model


def test_it_is_the_symmetric_root_of_the_shrunk_covariance() -> None:
    """Against numpy's covariance and scipy's matrix root."""
    x = vectors()
    got = whitened(x, 0.3, 0.2)(torch.from_numpy(x)).numpy()
    covariances = np.stack([np.cov(x[:, p].T) for p in range(3)])
    unit = x.var((0, 1)).mean()
    for p in range(3):
        shrunk = 0.7 * covariances[p] + 0.3 * covariances.mean(0) + 0.2 * unit * np.eye(5)
        expected = (x[:, p] - x[:, p].mean(0)) @ inv(sqrtm(shrunk)).real
        np.testing.assert_allclose(got[:, p], expected, rtol=1e-2, atol=2e-3)


def test_the_whitened_shrunk_covariance_is_the_identity() -> None:
    """Whitened training vectors, with what regularisation adds to their covariance."""
    x = vectors()
    model = whitened(x, 0.0, 0.1)
    z = model(torch.from_numpy(x)).numpy()
    for p in range(3):
        root = model.root[p].double().numpy()
        np.testing.assert_allclose(np.cov(z[:, p].T) + 0.1 * root @ root, np.eye(5), atol=0.005)
        np.testing.assert_allclose(z[:, p].mean(0), 0, atol=0.005)


def test_one_vector_and_constant_ones_stay_finite() -> None:
    for x in (vectors()[:1], np.full((4, 3, 5), 2.0, np.float32)):
        assert np.abs(whitened(x, 0.1, 0.1)(torch.from_numpy(x)).numpy()).max() < 1e-3


def test_without_whitening_channels_have_unit_variance_on_average() -> None:
    x = torch.from_numpy(vectors())
    model = UnitVariance()
    model.fit(x)
    assert float(model(x).var((0, 1), correction=0).mean()) == pytest.approx(1, rel=1e-4)
