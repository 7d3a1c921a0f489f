import importlib
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal
from torch.distributions import kl_divergence as torch_kl

from anomark.contracts import Spec
from anomark.detectors.training import seeded
from tests.samples import noise

vae = importlib.import_module("anomark_methods.vae")
SMALL = {"steps": 3, "batch_size": 4, "width": 8, "latent": 4}


def method(X: np.ndarray, seed: int = 0, **params) -> Any:
    modality: str = "image" if X.ndim == 4 else "series"
    return vae.Method(Spec(modality, X.shape[1:]), seed, "cpu", **{**SMALL, **params})


def fitted(X: np.ndarray, seed: int = 0, **params) -> Any:
    return method(X, seed, **params).fit(X, None)


def test_divergence_is_that_of_torch() -> None:
    mean, log_variance = torch.from_numpy(noise(2, 5, 7)).double()
    posterior = Independent(Normal(mean, (log_variance / 2).exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    torch.testing.assert_close(vae.kl_divergence(mean, log_variance), torch_kl(posterior, prior))


def test_likelihood_is_that_of_torch() -> None:
    network = vae.VAE((2, 16), width=8, latent=4)
    network.log_variance.data.fill_(-1.3)
    x, centre = torch.from_numpy(noise(2, 3, 2, 16))
    expected = -Normal(centre, math.exp(-1.3 / 2)).log_prob(x).sum(dim=(1, 2))
    torch.testing.assert_close(network.negative_log_likelihood((x - centre).square()), expected)


@torch.no_grad()
def test_the_loss_is_an_unbiased_estimate_of_the_negative_elbo() -> None:
    """E_q[log p(x | z) + log p(z) - log q(z | x)], every density from torch.distributions, against the closed KL."""
    with seeded(0):
        network = vae.VAE((1, 8), width=8, latent=3)
    network.log_variance.data.fill_(-0.5)
    x = torch.from_numpy(noise(1, 1, 8))
    mean, log_variance = network.encode(x)
    n = 20_000
    generator = torch.Generator().manual_seed(0)
    z = mean + (log_variance / 2).exp() * torch.randn(n, 3, generator=generator)
    decoded = network.decode(z)
    log_joint = Normal(decoded, math.exp(-0.25)).log_prob(x).sum(dim=(1, 2)) + Normal(0.0, 1.0).log_prob(z).sum(dim=1)
    monte_carlo = Normal(mean, (log_variance / 2).exp()).log_prob(z).sum(dim=1) - log_joint
    ours = network.negative_log_likelihood((x - decoded).square()) + vae.kl_divergence(mean, log_variance)
    standard_error = (monte_carlo.std() + ours.std()).item() / math.sqrt(n)
    assert ours.mean().item() == pytest.approx(monte_carlo.mean().item(), abs=4 * standard_error)


def test_the_score_is_the_negative_elbo_at_the_posterior_mean() -> None:
    X = noise(3, 2, 16)
    model = fitted(X)
    x = torch.from_numpy(X)
    with torch.no_grad():
        mean, log_variance = model.network.encode(x)
        decoded = model.network.decode(mean)
        deviation = (model.network.log_variance / 2).exp()
        expected = -Normal(decoded, deviation).log_prob(x).sum(dim=(1, 2)) + vae.kl_divergence(mean, log_variance)
    scores, maps = model.detect(X)
    np.testing.assert_allclose(scores, expected.numpy(), rtol=1e-5)
    np.testing.assert_allclose(maps, (x - decoded).square().mean(dim=1).numpy(), rtol=1e-4, atol=1e-6)
