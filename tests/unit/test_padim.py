import importlib
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis

from anomark.contracts import Spec
from tests.samples import uniform

padim = importlib.import_module("anomark_methods.padim")
PUBLISHED = {k: v for k, v in padim.VARIANTS["padim-published"].items() if k in padim.DEFAULTS}


def method(f: str, shape: tuple[int, ...], seed: int = 0, **params: Any) -> Any:
    return padim.Method(Spec("image", shape, (-1.0, 1.0)), seed, "cpu", features=f, **params)


def test_the_map_is_the_mahalanobis_distance_of_scipy(f: str) -> None:
    X, test = uniform(40, 1, 32, 32), uniform(3, 1, 32, 32, seed=1)
    model = method(f, (1, 32, 32), **PUBLISHED | {"channels": 8}).fit(X, None)
    drawn = model.drawn
    rows, others = (model.features(torch.from_numpy(x))[:, :, drawn].double().numpy() for x in (X, test))
    unit = rows.var((0, 1)).mean()
    scores, maps = model.detect(test)
    for position in (0, 100, 255):
        inverse = np.linalg.inv(np.cov(rows[:, position].T) + 0.01 * unit * np.eye(8))
        for i in range(3):
            expected = mahalanobis(others[i, position], rows[:, position].mean(0), inverse)
            assert maps[i].ravel()[position] == pytest.approx(expected, rel=2e-3)
    np.testing.assert_allclose(scores, maps.max((1, 2)), rtol=1e-6)


def test_the_score_is_the_mean_of_the_largest_share(f: str) -> None:
    model = method(f, (1, 32, 32), share=0.1).fit(uniform(10, 1, 32, 32), None)
    scores, maps = model.detect(uniform(3, 1, 32, 32, seed=1))
    count = round(0.1 * maps[0].size)
    np.testing.assert_allclose(scores, np.sort(maps.reshape(3, -1))[:, -count:].mean(1), rtol=1e-5)


def test_channels_are_drawn_from_the_seed_without_repetition(f: str) -> None:
    first, again, other = (method(f, (1, 16, 16), seed, channels=20).drawn for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert len(set(first.tolist())) == 20
    for channels in (10_000, None):
        model = method(f, (1, 16, 16), channels=channels)
        assert model.drawn.tolist() == list(range(model.features.channels))


def test_a_part_at_the_wrong_place_is_found(f: str) -> None:
    """The same square, elsewhere: no patch is foreign, only its position."""
    rng = np.random.default_rng(0)
    X, test = (np.float32(0.1 * rng.normal(size=(n, 1, 32, 32))) for n in (30, 20))
    X[:, :, 4:12, 4:12] += 0.8
    test[:10, :, 4:12, 4:12] += 0.8
    test[10:, :, 18:26, 18:26] += 0.8
    scores = method(f, (1, 32, 32)).fit(X, None).decision_function(test)
    assert scores[10:].min() > scores[:10].max()
