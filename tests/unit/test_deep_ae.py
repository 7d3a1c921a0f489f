import importlib
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from anomark.contracts import Spec
from tests.samples import noise

deep_ae, memae = (importlib.import_module(f"anomark_methods.{name}") for name in ("deep_ae", "memae"))


def test_128_pixels_are_table_1() -> None:
    """Bergmann et al. 2019, table 1: channels, kernels and strides; the last, 8x8 to 1x1, is a dense layer."""
    encoder = deep_ae.Autoencoder((1, 128, 128), width=32, latent=100).encoder
    convolutions = [layer for layer in encoder if isinstance(layer, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [32, 32, 32, 64, 64, 128, 64, 32]
    assert [c.kernel_size[0] for c in convolutions] == [4, 4, 3, 4, 3, 4, 3, 3]
    assert [c.stride[0] for c in convolutions] == [2, 2, 1, 2, 1, 2, 1, 1]
    assert (encoder[-1].in_features, encoder[-1].out_features) == (32 * 8 * 8, 100)


@pytest.mark.parametrize(
    "shape", [(3, 64, 64), (1, 28, 28), (3, 16, 16), (1, 8, 8), (3, 9, 31), (1, 12), (25, 100), (2, 1)]
)
def test_any_shape_passes_through_a_shorter_code(shape: tuple[int, ...]) -> None:
    network = deep_ae.Autoencoder(shape, width=8, latent=100)
    x = torch.zeros(2, *shape)
    code = network.encoder(x)
    assert network.decoder(code).shape == x.shape
    assert code.shape[1] <= min(100, max(1, x[0].numel() // 4))
    y, weights = memae.Autoencoder(shape, width=4, items=10, shrinkage=1.0)(x)
    assert y.shape == x.shape and weights.shape[-1] == 10


@pytest.mark.parametrize("module", [deep_ae, memae])
def test_the_score_is_the_mean_squared_error(module: Any) -> None:
    X = noise(5, 2, 40)
    model = module.Method(Spec("series", (2, 40)), 0, "cpu", steps=2, batch_size=4, width=4).fit(X, None)
    with torch.no_grad():
        y = model.network.eval()(torch.from_numpy(X))
    error = np.square(X - (y[0] if module is memae else y).numpy())
    scores, maps = model.detect(X)
    np.testing.assert_allclose(scores, error.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(maps, error.mean(1), rtol=1e-5)
