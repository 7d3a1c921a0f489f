import importlib
from typing import Any

import numpy as np
import pytest
import torch

from anomark.contracts import Spec
from tests.samples import uniform

ganomaly = importlib.import_module("anomark_methods.ganomaly")


def fitted(X: np.ndarray, **params) -> Any:
    spec = Spec("image", X.shape[1:], (-1.0, 1.0)) if X.ndim == 4 else Spec("series", X.shape[1:])
    return ganomaly.Method(spec, 0, "cpu", **{"steps": 3, "batch_size": 4, "width": 4, **params}).fit(X, None)


@pytest.mark.parametrize("shape", [(5, 3, 16, 16), (3, 1, 28, 28), (4, 2, 17)])
def test_the_score_is_the_distance_of_the_codes(shape: tuple[int, ...]) -> None:
    """A(x) = || G_E(x) - E(G_D(G_E(x))) ||_1, and the map is |x - G(x)|."""
    X = uniform(*shape)
    model = fitted(X)
    scores, maps = model.detect(X)
    with torch.no_grad():
        code = model.encoder(torch.from_numpy(X))
        y = model.decoder(code)
        expected = np.abs((code - model.second(y)).numpy()).sum(axis=1)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    np.testing.assert_allclose(maps, np.abs(X - y.numpy()).mean(axis=1), rtol=1e-5, atol=1e-6)


def test_the_losses_are_equations_1_to_3() -> None:
    rng = np.random.default_rng(0)
    x, y, first, second, f_x, f_y = (rng.standard_normal((6, 5)) for _ in range(6))
    losses = ganomaly.generator_losses(*map(torch.from_numpy, (x, y, first, second, f_x, f_y)))
    adversarial = ((f_x.mean(0) - f_y.mean(0)) ** 2).mean()
    expected = [adversarial, np.abs(x - y).mean(), ((first - second) ** 2).mean()]
    np.testing.assert_allclose([float(loss) for loss in losses], expected)


def test_the_adversarial_loss_pulls_as_the_papers_does() -> None:
    """Squared, E_x ||f(x) - E f(G(x))||^2 has the same gradient: the spread of f(x) about its mean is a constant."""
    generator = torch.Generator().manual_seed(0)
    f_x, f_y = (torch.randn(6, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    f_y.requires_grad_()
    ours, _, _ = ganomaly.generator_losses(*[torch.zeros(1)] * 4, f_x, f_y)
    published = (f_x - f_y.mean(0)).square().mean()
    torch.testing.assert_close(*(torch.autograd.grad(loss, f_y)[0] for loss in (ours, published)))


def test_each_weight_lowers_its_own_error() -> None:
    X = np.tanh(np.random.default_rng(0).standard_normal((32, 1, 1, 1)) + uniform(32, 1, 8, 8)).astype(np.float32)
    off = {"adversarial_weight": 0.0, "contextual_weight": 0.0, "encoder_weight": 0.0}
    common = {**off, "steps": 60, "batch_size": 16, "lr": 2e-3}
    still = fitted(X, **common)
    assert fitted(X, **common | {"contextual_weight": 50.0}).localize(X).mean() < 0.9 * still.localize(X).mean()
    scores = fitted(X, **common | {"encoder_weight": 1.0}).decision_function(X)
    assert scores.mean() < 0.9 * still.decision_function(X).mean()


def test_series_are_not_bounded() -> None:
    assert isinstance(fitted(uniform(4, 1, 8, 8)).decoder.layers[-1], torch.nn.Tanh)
    assert not isinstance(fitted(uniform(4, 1, 12)).decoder.layers[-1], torch.nn.Tanh)
