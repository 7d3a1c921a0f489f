import importlib
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from anomark.contracts import Spec
from tests.samples import uniform

anogan = importlib.import_module("anomark_methods.anogan")
SMALL = {"steps": 3, "batch_size": 4, "width": 8, "latent": 6, "search_steps": 5}


def method(X: np.ndarray, seed: int = 0, **params) -> Any:
    return anogan.Method(Spec("image", X.shape[1:], (-1.0, 1.0)), seed, "cpu", **{**SMALL, **params})


def fitted(X: np.ndarray, seed: int = 0, **params) -> Any:
    return method(X, seed, **params).fit(X, None)


def test_the_search_lowers_the_loss_of_every_image() -> None:
    X = uniform(6, 1, 16, 16)
    model = fitted(X, steps=20)
    losses = []
    for search_steps in (0, 5, 20, 100):
        model.params["search_steps"] = search_steps
        losses.append(model.decision_function(X))
    assert (np.diff(losses, axis=0) < 0).all()


def test_the_search_finds_the_code_of_a_generated_image() -> None:
    model = fitted(uniform(8, 1, 8, 8), steps=30, search_steps=400)
    with torch.no_grad():
        z = model._prior(4, torch.Generator().manual_seed(1))
        x = model.generator(z).numpy()
    model.params["search_steps"] = 0
    start = model.decision_function(x)
    model.params["search_steps"] = 400
    assert (model.decision_function(x) < 0.1 * start).all()


def test_the_score_is_that_of_the_paper() -> None:
    """A(x) = (1 - lambda) sum |x - G(z)| + lambda sum |f(x) - f(G(z))|, lambda = .1, and the map is |x - G(z)|."""
    X = uniform(3, 2, 16, 16)
    model = fitted(X)
    x = torch.from_numpy(X)
    z = model.search(x)
    with torch.no_grad():
        image = model.generator(z)
        features = [model.discriminator.features(y) for y in (x, image)]
    residual = np.abs(X - image.numpy()).sum((1, 2, 3))
    expected = 0.9 * residual + 0.1 * np.abs((features[0] - features[1]).numpy()).sum((1, 2, 3))
    scores, maps = model.detect(X)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    np.testing.assert_allclose(maps, np.abs(X - image.numpy()).mean(1), rtol=1e-5)


def test_the_fast_score_is_that_of_the_paper() -> None:
    """A(x) = mean (x - G(E(x)))^2 + kappa mean (f(x) - f(G(E(x))))^2."""
    X = uniform(3, 2, 16, 16)
    model = fitted(X, mapping="encoder", kappa=2.0)
    x = torch.from_numpy(X)
    with torch.no_grad():
        image = model.generator(model.encoder(x))
        features = [model.discriminator.features(y) for y in (x, image)]
    expected = np.square(X - image.numpy()).mean((1, 2, 3))
    expected += 2.0 * np.square((features[0] - features[1]).numpy()).mean((1, 2, 3))
    np.testing.assert_allclose(model.decision_function(X), expected, rtol=1e-5)


def test_the_encoder_is_fitted_to_the_same_frozen_network() -> None:
    X = uniform(8, 1, 16, 16)
    searched, encoded = fitted(X), fitted(X, mapping="encoder")
    for key, value in searched.generator.state_dict().items():
        assert torch.equal(value, encoded.generator.state_dict()[key])
    still, moved = (fitted(X, mapping="encoder", steps=40, encoder_lr=lr) for lr in (0.0, 1e-3))
    assert moved.decision_function(X).mean() < still.decision_function(X).mean()


def test_diversity_tells_a_collapsed_generator() -> None:
    X = uniform(16, 1, 16, 16)
    model = fitted(X)
    assert model.info["diversity"] > 0
    model.generator.dense.weight.data.zero_()  # all codes give one image
    assert model._diversity(X) == pytest.approx(0.0, abs=1e-4)
    assert fitted(np.ones((4, 1, 16, 16), np.float32)).info["diversity"] is None  # nothing to compare with


def test_the_search_can_be_counted() -> None:
    """The cost of a search is read off by torch's counter, which refuses some ways of differentiating."""
    X = uniform(1, 1, 16, 16)
    model, counted = fitted(X), []
    for model.params["search_steps"] in (1, 2, 3):
        with FlopCounterMode(display=False) as counter:
            model.detect(X)
        counted.append(counter.get_total_flops())
    assert counted[0] < counted[1] and counted[2] - counted[1] == counted[1] - counted[0]
