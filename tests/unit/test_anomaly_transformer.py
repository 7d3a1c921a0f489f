import importlib
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch.distributions import Categorical, kl_divergence

from anomark.detectors.training import seeded
from tests import series_detectors
from tests.samples import noise

anomaly_transformer = importlib.import_module("anomark_methods.anomaly_transformer")
fitted = partial(series_detectors.fitted, "anomaly_transformer")


def associations(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    first, second = torch.from_numpy(noise(2, *shape)).softmax(dim=-1)
    return first, second


def test_discrepancy_is_the_symmetric_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    p, q = associations(2, 3, 7, 7)
    direct = kl_divergence(Categorical(p), Categorical(q)) + kl_divergence(Categorical(q), Categorical(p))
    monkeypatch.setattr(anomaly_transformer, "SMALLEST", 0.0)
    torch.testing.assert_close(anomaly_transformer.discrepancy([(p, q)]), direct.mean(dim=1))
    two_layers = anomaly_transformer.discrepancy([(p, q), (p, p)])
    torch.testing.assert_close(two_layers, direct.mean(dim=1) / 2)


def test_the_authors_constant_hardly_changes_the_discrepancy() -> None:
    p, q = associations(2, 3, 7, 7)
    direct = kl_divergence(Categorical(p), Categorical(q)) + kl_divergence(Categorical(q), Categorical(p))
    torch.testing.assert_close(anomaly_transformer.discrepancy([(p, q)]), direct.mean(dim=1), rtol=0.01, atol=0)


def test_the_prior_is_a_gaussian_of_every_step() -> None:
    sigma = torch.tensor([[[0.3, 1.0, 2.0, 0.5]]], dtype=torch.float64)
    prior = anomaly_transformer.gaussian_prior(sigma)[0, 0].numpy()
    for i in range(4):
        density = norm.pdf(np.arange(4), loc=i, scale=sigma[0, 0, i])
        np.testing.assert_allclose(prior[i], density / density.sum(), rtol=1e-6)


def test_minimax_drives_series_away_and_prior_near() -> None:
    p, q = (a.clone().requires_grad_() for a in associations(2, 3, 7, 7))
    error = torch.tensor(0.7)
    loss = anomaly_transformer.minimax_loss(error, [(p, q)], weight=3.0)
    series_gradient, prior_gradient = torch.autograd.grad(loss, (p, q))
    mean = anomaly_transformer.discrepancy([(p, q)]).mean()
    assert loss.item() == pytest.approx(1.4 + 3 * mean.item())
    direct = torch.autograd.grad(mean, (p, q))
    torch.testing.assert_close(series_gradient, -3.0 * direct[0])
    torch.testing.assert_close(prior_gradient, 3.0 * direct[1])


def test_attention_is_that_of_torch() -> None:
    with seeded(0):
        attention = anomaly_transformer.AnomalyAttention(8, heads=2)
        reference = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    reference.load_state_dict(
        {
            "in_proj_weight": attention.query_key_value.weight,
            "in_proj_bias": attention.query_key_value.bias,
            "out_proj.weight": attention.out.weight,
            "out_proj.bias": attention.out.bias,
        }
    )
    x = torch.from_numpy(noise(3, 10, 8))
    y, (series, prior) = attention(x)
    expected, weights = reference(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(series, weights, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(prior.sum(dim=-1), torch.ones(3, 2, 10))


def test_errors_are_weighted_by_the_softmax_of_minus_the_discrepancy() -> None:
    X = noise(3, 2, 16)
    model = fitted(X)
    x = torch.from_numpy(X)
    with torch.no_grad():
        reconstruction, layers = model.network(x)
        total = sum(anomaly_transformer.discrepancy([(s, p)]) for s, p in layers)
    expected = (-50 * total).softmax(dim=1) * (reconstruction - x).square().mean(dim=1)
    np.testing.assert_allclose(model.localize(X), expected, rtol=1e-3, atol=1e-7)
