"""Diffusion time estimation against what scipy and autograd say of its densities, and what networks on rows share."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
import torch
from scipy.stats import invgamma, norm

from anomark.contracts import Spec
from anomark.detectors.rows import Dropout
from anomark.runtime.fit_score import build
from anomark.suite import registry
from tests.samples import noise

dte_np = importlib.import_module("anomark_methods.dte_np")
dte_ig = importlib.import_module("anomark_methods.dte_ig")
ddpm_rows = importlib.import_module("anomark_methods.ddpm_rows")
ROWS = Spec("tabular", (9,))


def fitted(method: str, X: np.ndarray, **params: object) -> object:
    model = build(registry.load_method(method), ROWS, 0, "cpu", params)
    model.fit(X, None)
    return model


def test_the_posterior_is_scipys_inverse_gamma_on_the_grid() -> None:
    train, test, variance = noise(50, 9, seed=1), 2 * noise(20, 9, seed=2), dte_np.variances(300)
    squared = np.sort(((test[:, None].astype(float) - train[None]) ** 2).sum(-1), axis=1)[:, :5].mean(1)
    density = np.array([invgamma.pdf(variance, a=9 / 2 - 1, scale=m / 2) for m in squared])
    expected = density / density.sum(1, keepdims=True)
    assert np.exp(dte_np.log_posterior(squared, 9, variance)) == pytest.approx(expected, abs=1e-6)
    mean = fitted("dte_np", train).decision_function(test)  # type: ignore[attr-defined]
    assert mean == pytest.approx(expected @ np.arange(300), rel=1e-6)
    mode = fitted("dte_np", train, estimate="mode")
    assert np.array_equal(mode.decision_function(test), expected.argmax(1))  # type: ignore[attr-defined]
    assert 0 < mode.info["ties"] <= 1  # type: ignore[attr-defined]


def test_the_posterior_for_one_training_row_is_bayes_rule() -> None:
    """p(t given x) is proportional to N(x; x_0, sigma_t^2 I) where t is uniform."""
    row, x, variance = noise(1, 9, seed=3), noise(4, 9, seed=4), dte_np.variances(300)
    likelihood = np.array([[norm.pdf(one - row[0], scale=math.sqrt(v)).prod() for v in variance] for one in x])
    expected = likelihood / likelihood.sum(1, keepdims=True)
    scores = fitted("dte_np", row).decision_function(x)  # type: ignore[attr-defined]
    assert scores == pytest.approx(expected @ np.arange(300), rel=1e-5)


def test_dte_np_ranks_as_the_mean_distance_to_neighbours() -> None:
    train, test = noise(60, 9, seed=5), noise(40, 9, seed=6)
    squared = np.sort(((test[:, None].astype(float) - train[None]) ** 2).sum(-1), axis=1)[:, :5].mean(1)
    scores = fitted("dte_np", train).decision_function(test)  # type: ignore[attr-defined]
    assert np.array_equal(np.argsort(scores), np.argsort(squared))


def test_the_loss_of_dte_ig_is_the_log_density_by_autograd() -> None:
    """Value up to a constant, and gradient, against torch's own inverse gamma."""
    output = torch.linspace(0.3, 3, 20, dtype=torch.float64, requires_grad=True)
    variance = torch.linspace(0.01, 0.9, 20, dtype=torch.float64)
    d = 9
    shape = torch.tensor(d / 2 - 1, dtype=torch.float64)
    density = torch.distributions.InverseGamma(shape, output.square() + dte_ig.EPSILON).log_prob(variance)
    loss = dte_ig.negative_log_density(output, variance, d)
    (expected,) = torch.autograd.grad(-density.sum(), output)
    (found,) = torch.autograd.grad(loss.sum(), output)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
    rest = (loss + density).detach() + (shape + 1) * variance.log() + torch.lgamma(shape) + dte_ig.EPSILON / variance
    assert rest.abs().max() < 1e-9


def test_dte_c_counts_equal_parts_of_the_time_and_its_score_is_their_mean() -> None:
    model = fitted("dte_c", noise(20, 9), steps=2)
    with torch.inference_mode():
        model.network.eval()  # type: ignore[attr-defined]
        p = model.network(torch.from_numpy(noise(5, 9, seed=1))).softmax(1).numpy()  # type: ignore[attr-defined]
    scores = model.decision_function(noise(5, 9, seed=1))  # type: ignore[attr-defined]
    assert scores == pytest.approx(p @ np.arange(7), rel=1e-5)
    assert model.variance[-1] == pytest.approx(dte_np.variances(400)[-1], rel=1e-6)  # type: ignore[attr-defined]


def test_a_budget_in_epochs_becomes_steps_unless_the_suite_sets_them() -> None:
    X = noise(70, 9)
    assert fitted("dte_c", X, epochs=3).params["steps"] == 6  # type: ignore[attr-defined]
    assert fitted("dte_c", X, epochs=3, steps=4).params["steps"] == 4  # type: ignore[attr-defined]


def test_dropout_keeps_the_mean_and_is_off_when_scoring() -> None:
    torch.manual_seed(0)
    layer, x = Dropout(0.4), torch.ones(200, 200)
    y = layer(x)
    assert y.unique().tolist() == pytest.approx([0, 1 / 0.6])
    assert y.mean() == pytest.approx(1, abs=0.02)
    assert torch.equal(layer.eval()(x), x)


def test_training_of_the_diffusion_model_stops_when_its_loss_no_longer_falls() -> None:
    falling, flat = ddpm_rows.History(), ddpm_rows.History()
    assert not any(falling.add(1 / (i + 1), 2) for i in range(400))
    stops = [flat.add(1 + i / 1000, 2) for i in range(200)]
    assert stops.index(True) == 2 * ddpm_rows.FIRST_STOP - 1


def test_without_any_noise_predicted_a_row_grows_by_the_schedule_alone() -> None:
    model = ddpm_rows.Method(Spec("tabular", (3,)), 0, "cpu", steps=1)
    model.network = lambda x, t: torch.zeros_like(x)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    kept = math.prod(1 - b for b in np.linspace(1e-4, 0.01, 1000)[:250])
    expected = ((x - x / math.sqrt(kept)) ** 2).mean(1)
    torch.testing.assert_close(model.score(x), expected, rtol=1e-4, atol=1e-6)
