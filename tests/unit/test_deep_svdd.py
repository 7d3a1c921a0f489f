import importlib
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from anomark.contracts import Spec
from tests.samples import noise

svdd = importlib.import_module("anomark_methods.deep_svdd")
SMALL = {"steps": 3, "batch_size": 4, "width": 8, "latent": 4}


def method(X: np.ndarray, seed: int = 0, **params: Any) -> Any:
    modality: str = "image" if X.ndim == 4 else "series"
    return svdd.Method(Spec(modality, X.shape[1:]), seed, "cpu", **{**SMALL, **params})


def test_no_layer_has_a_bias_or_bounds_its_output() -> None:
    for shape in ((2, 40), (3, 20, 20)):
        network = svdd.encoder(shape, 8, 4)
        assert {name.rpartition(".")[2] for name, _ in network.named_parameters()} == {"weight"}
        kinds = {type(layer).__name__.rstrip("12d") for layer in network}
        assert kinds == {"Conv", "BatchNorm", "LeakyReLU", "Flatten", "Linear"}


def test_the_centre_is_the_initial_mean_and_never_near_zero() -> None:
    codes = torch.tensor([[1.0, -0.02, 0.0, -3.0], [3.0, -0.02, 0.0, -1.0]])
    torch.testing.assert_close(svdd.initial_centre(codes), torch.tensor([2.0, -0.1, 0.1, -2.0]))


def test_the_centre_stays_and_the_score_is_the_squared_distance_to_it() -> None:
    X = noise(20, 1, 24)
    untrained, trained = method(X, steps=0).fit(X, None), method(X, steps=60).fit(X, None)
    assert torch.equal(untrained.centre, trained.centre)
    expected = ((trained._codes(X) - trained.centre) ** 2).sum(1)
    np.testing.assert_allclose(trained.decision_function(X), expected, rtol=1e-6)
    assert trained.decision_function(X).mean() < 0.8 * untrained.decision_function(X).mean()


@pytest.mark.parametrize("shape", [(1, 1, 12), (3, 2, 33), (1, 1, 16, 16), (2, 3, 28, 28), (1, 5, 4000)])
@pytest.mark.parametrize("constant", [False, True])
def test_every_shape_is_scored(shape: tuple[int, ...], constant: bool) -> None:
    X = np.ones(shape, np.float32) if constant else noise(*shape)
    scores = method(X).fit(X, None).decision_function(X)
    assert scores.shape == (len(X),) and scores.dtype == np.float32 and np.isfinite(scores).all()


def test_training_finds_a_wave_of_another_period() -> None:
    rng = np.random.default_rng(0)

    def waves(n: int, period: float) -> np.ndarray:
        clean = np.sin(2 * np.pi * np.arange(32) / period + rng.uniform(0, 6, (n, 1, 1)))
        return (clean + 0.05 * rng.standard_normal(clean.shape)).astype(np.float32)

    X, test = waves(200, 16.0), np.concatenate([waves(30, 16.0), waves(30, 7.0)])
    labels = np.repeat([0, 1], 30)
    untrained, trained = (
        roc_auc_score(labels, method(X, steps=s, batch_size=16, width=16).fit(X, None).decision_function(test))
        for s in (0, 200)
    )
    assert trained > 0.95 and trained > untrained
