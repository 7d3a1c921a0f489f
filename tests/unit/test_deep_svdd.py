import importlib
from typing import Any

import numpy as np
import torch

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
