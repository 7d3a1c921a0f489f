"""Embedding of the diffusion time t."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sinusoid(t: Tensor, dim: int, max_period: float = 10_000.0) -> Tensor:
    """Sinusoidal features of t (Vaswani et al. 2017, section 3.5, cosines and sines in two halves).

    Args:
        t: (B,), any real type.
        dim: number of features, even.
        max_period: longest period over 2 pi; 10,000 in the paper.

    Returns:
        float32 (B, dim) in [-1, 1].
    """
    half = dim // 2
    frequencies = torch.exp(torch.arange(half, device=t.device) * (-math.log(max_period) / half))
    angles = t.float()[:, None] * frequencies  # (B, dim / 2)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class SinusoidalEmbedding(nn.Module):
    """Sinusoid, then a two-layer perceptron (Ho et al. 2020, appendix B): t (B,) -> (B, dim)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.mlp = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, t: Tensor) -> Tensor:
        embedding: Tensor = self.mlp(sinusoid(t, self.dim))
        return embedding
