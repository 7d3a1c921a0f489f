"""The hybrid time embedding: shape, its ablation inside it, and that it tells times apart."""

from __future__ import annotations

import torch

from anomark.nn.hybrid_embedding import HybridTimeEmbedding
from anomark.nn.time_embedding import SinusoidalEmbedding


def test_shape_and_distinct_times() -> None:
    torch.manual_seed(0)
    embedding = HybridTimeEmbedding(32)
    y = embedding(torch.arange(1, 1001))
    assert y.shape == (1000, 32) and embedding.dim == 32
    assert torch.pdist(y[::50]).min() > 1e-3


def test_without_its_convolution_it_is_the_plain_embedding() -> None:
    torch.manual_seed(0)
    hybrid, plain = HybridTimeEmbedding(32), SinusoidalEmbedding(32)
    plain.load_state_dict({k: v for k, v in hybrid.state_dict().items() if k.startswith("mlp")})
    t = torch.tensor([1.0, 250.0, 1000.0])
    assert not torch.allclose(hybrid(t), plain(t))
    for parameter in hybrid.convolution.parameters():
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(hybrid(t), plain(t))


def test_neighbouring_frequencies_mix() -> None:
    """The convolution's output at one frequency depends on `kernel_size // 2` neighbours a layer, and on no more."""
    torch.manual_seed(0)
    convolution = HybridTimeEmbedding(64, kernel_size=3).convolution
    wave = torch.randn(1, 2, 32, requires_grad=True)
    convolution(wave)[0, :, 16].sum().backward()
    assert wave.grad is not None
    assert wave.grad.abs().sum((0, 1)).nonzero().flatten().tolist() == [14, 15, 16, 17, 18]
