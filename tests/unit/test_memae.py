import importlib
import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from anomark.contracts import Spec
from anomark.detectors.training import seeded

memae = importlib.import_module("anomark_methods.memae")


def test_shrinkage_keeps_what_is_above_the_threshold() -> None:
    weights = torch.tensor([[0.5, 0.3, 0.2, 0.0], [0.25, 0.25, 0.25, 0.25]], dtype=torch.float64)
    shrunk = memae.hard_shrink(weights, 0.25)
    torch.testing.assert_close(shrunk[0], torch.tensor([0.625, 0.375, 0.0, 0.0], dtype=torch.float64))
    assert not shrunk[1].any()  # none is above
    torch.testing.assert_close(memae.hard_shrink(weights, 0.0), weights)


def test_the_memory_answers_as_in_equations_3_to_6() -> None:
    """Place by place and item by item: cosine, softmax, threshold, sum to 1, weighted sum of items."""
    with seeded(0):
        memory = memae.Memory(items=7, channels=5, shrinkage=1.0)
        z = torch.randn(2, 5, 3, 4)
    answer, weights = memory(z)
    items = memory.items.detach().double().numpy()
    for b, i, j in np.ndindex(2, 3, 4):
        query = z[b, :, i, j].double().numpy()
        d = [query @ m / math.sqrt((query @ query) * (m @ m)) for m in items]
        w = np.exp(d) / np.exp(d).sum()
        w = np.where(w > 1 / 7, w, 0.0)
        w /= w.sum()
        np.testing.assert_allclose(weights[b, i, j].detach(), w, atol=1e-6)
        np.testing.assert_allclose(answer[b, :, i, j].detach(), w @ items, atol=1e-6)


def test_entropy_is_that_of_scipy() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(6), size=(4, 3))
    weights[0, 0] = [1, 0, 0, 0, 0, 0]
    expected = scipy.stats.entropy(weights, axis=-1).mean()
    assert memae.entropy(torch.from_numpy(weights)).item() == pytest.approx(expected)


def test_training_lowers_the_entropy() -> None:
    X = np.random.default_rng(0).standard_normal((32, 1, 16)).astype(np.float32)
    entropies = []
    for weight in (0.0, 1.0):
        params = {"steps": 60, "batch_size": 16, "width": 4, "items": 20, "entropy_weight": weight}
        model = memae.Method(Spec("series", (1, 16)), 0, "cpu", **params).fit(X, None)
        model.network.eval()
        with torch.no_grad():
            entropies.append(memae.entropy(model.network(torch.from_numpy(X))[1]).item())
    assert entropies[1] < entropies[0]


def test_the_layers_are_those_for_cifar_10() -> None:
    """Gong et al. 2019, section 4.1: 3x3 convolutions of stride 2 with 64, 128, 128 and 256 channels."""
    network = memae.Autoencoder((3, 64, 64), width=64, items=500, shrinkage=1.0)
    convolutions = [layer for layer in network.encoder if isinstance(layer, nn.Conv2d)]
    assert [(c.out_channels, c.kernel_size, c.stride) for c in convolutions] == [
        (channels, (3, 3), (2, 2)) for channels in (64, 128, 128, 256)
    ]
    assert network.memory.items.shape == (500, 256)
    assert isinstance(network.decoder[-1], nn.ConvTranspose2d)  # neither normalised nor rectified
