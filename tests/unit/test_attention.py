"""Self-attention against torch's own module, and its symmetries."""

from __future__ import annotations

import pytest
import torch

from anomark.nn.attention import SelfAttention2d


def module(channels: int = 16, heads: int = 4) -> SelfAttention2d:
    torch.manual_seed(0)
    attention = SelfAttention2d(channels, heads)
    torch.nn.init.normal_(attention.projection.weight, std=0.3)
    torch.nn.init.normal_(attention.projection.bias, std=0.3)
    return attention


def test_starts_as_the_identity() -> None:
    x = torch.randn(2, 16, 4, 6)
    torch.testing.assert_close(SelfAttention2d(16)(x), x)


def test_equals_torch_multihead_attention() -> None:
    attention = module()
    reference = torch.nn.MultiheadAttention(16, 4, batch_first=True)
    reference.load_state_dict(
        {
            "in_proj_weight": attention.query_key_value.weight,
            "in_proj_bias": attention.query_key_value.bias,
            "out_proj.weight": attention.projection.weight,
            "out_proj.bias": attention.projection.bias,
        }
    )
    x = torch.randn(2, 16, 3, 5)
    tokens = attention.norm(x).flatten(2).mT
    expected = x + reference(tokens, tokens, tokens)[0].mT.reshape(x.shape)
    torch.testing.assert_close(attention(x), expected, rtol=0, atol=1e-5)


def test_moves_with_its_input() -> None:
    attention = module()
    x = torch.randn(3, 16, 4, 4)
    y = attention(x)
    torch.testing.assert_close(attention(x.roll((1, 2), (2, 3))), y.roll((1, 2), (2, 3)), rtol=0, atol=1e-5)


def test_every_position_reaches_every_other() -> None:
    x = torch.randn(1, 16, 4, 4, requires_grad=True)
    module()(x)[0, :, 0, 0].sum().backward()
    assert x.grad is not None and (x.grad.abs().sum(1) > 0).all()


def test_heads_must_divide_channels() -> None:
    with pytest.raises(ValueError, match="multiple of 3"):
        SelfAttention2d(16, heads=3)
