"""A Gaussian density of vectors, fitted with a shrunk covariance."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class ShrunkGaussian(nn.Module):
    """log p(x) of vectors (..., D) under N(mean, (1 - a) S + a v I): S is the sample covariance, v its mean variance.

    Args:
        channels: D.
        shrinkage: a, in (0, 1].
    """

    mean: Tensor  # (D,)
    root: Tensor  # (D, D), R with R R^T = the inverse covariance
    log_determinant: Tensor  # (), of the covariance

    def __init__(self, channels: int, shrinkage: float) -> None:
        super().__init__()
        self.shrinkage = shrinkage
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("root", torch.eye(channels))
        self.register_buffer("log_determinant", torch.zeros(()))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Learn from vectors (N, D), N >= 1, in double precision."""
        rows = x.double()
        mean = rows.mean(0)
        covariance = (rows - mean).mT @ (rows - mean) / max(1, len(rows) - 1)
        variance = covariance.diagonal().mean().clamp(min=1e-6)
        identity = torch.eye(len(mean), dtype=torch.double, device=x.device)
        values, vectors = torch.linalg.eigh(torch.lerp(covariance, variance * identity, self.shrinkage))
        self.mean.copy_(mean)
        self.root.copy_(vectors * values.rsqrt())
        self.log_determinant.copy_(values.log().sum())

    def forward(self, x: Tensor) -> Tensor:
        squared = ((x - self.mean) @ self.root).square().sum(-1)
        return -0.5 * (squared + self.log_determinant + len(self.mean) * math.log(2 * math.pi))
