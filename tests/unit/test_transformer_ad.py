import importlib
from functools import partial

import torch

from anomark.detectors.training import seeded
from tests import series_detectors
from tests.samples import noise

transformer_ad = importlib.import_module("anomark_methods.transformer_ad")
fitted = partial(series_detectors.fitted, "transformer_ad")


def test_only_the_tokens_reach_the_reconstruction() -> None:
    """Windows with the same summary have the same reconstruction, and every step has a part in the summary."""
    with seeded(0):
        network = transformer_ad.Transformer(2, 20, 16, layers=1, heads=2, tokens=3).eval()
    summaries = []
    network.decoder.register_forward_pre_hook(lambda _, inputs: summaries.append(inputs[0][:, :3]))
    x = torch.from_numpy(noise(1, 2, 20)).requires_grad_()
    network(x)
    (gradient,) = torch.autograd.grad(summaries[0].square().sum(), x)
    assert (gradient.abs().sum(dim=1) > 0).all()
    network.encoder.register_forward_hook(lambda _, inputs, output: torch.zeros_like(output))
    torch.testing.assert_close(network(x), network(-5 * x))


def test_positions_matter() -> None:
    with seeded(0):
        network = transformer_ad.Transformer(1, 20, 16, layers=1, heads=2, tokens=3).eval()
    x = torch.from_numpy(noise(1, 1, 20))
    assert not torch.allclose(network(x.roll(5, dims=2)), network(x).roll(5, dims=2), atol=1e-3)
