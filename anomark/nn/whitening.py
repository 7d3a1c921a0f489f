"""Whitening of feature maps: every position has a mean of its own, and a covariance of its own or that of all."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PositionWhitening(nn.Module):
    """z = S_p^(-1/2) (x - m_p) at every position p: (N, P, C) -> (N, P, C), of about unit variance.

    m_p and S_p are mean and covariance over training samples. Some hundred samples don't determine a covariance of
    as many channels. So S_p is shrunk twice: a share of it is replaced by the covariance pooled over all positions, and
    a multiple of the identity is added. |z| is the Mahalanobis distance to the position's Gaussian. The root is the
    symmetric one, which mixes channels no more than it must, so that vectors of two positions can be compared.

    Args:
        positions, channels: P and C.
        shrinkage: share of the pooled covariance, in [0, 1].
        regularisation: what is added to the diagonal, in units of the channels' mean variance; above 0.
    """

    scale: Tensor  # (), square root of the channels' mean variance
    mean: Tensor  # (P, C)
    root: Tensor  # (P, C, C) in units of 1 / scale; half precision halves what a model takes on disk

    def __init__(self, positions: int, channels: int, *, shrinkage: float, regularisation: float) -> None:
        super().__init__()
        self.shrinkage, self.regularisation = shrinkage, regularisation
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("mean", torch.zeros(positions, channels))
        self.register_buffer("root", torch.zeros(positions, channels, channels, dtype=torch.half))
        #: The root, its version, and its values in single precision, which would take longer to make than to use.
        self._single: tuple[Tensor, int, Tensor] | None = None

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Learn the Gaussians from training vectors (N, P, C), in double precision."""
        self.scale.copy_(unit_of(x))
        self.mean.copy_(x.double().mean(0))
        scaled = x / self.scale
        identity = torch.eye(x.shape[2], dtype=torch.double, device=x.device)
        pooled = torch.zeros_like(identity)
        for p in range(x.shape[1]):  # one at a time, because all covariances at once take gigabytes
            pooled += _covariance(scaled[:, p]) / x.shape[1]
        for p in range(x.shape[1]):
            shrunk = torch.lerp(_covariance(scaled[:, p]), pooled, self.shrinkage) + self.regularisation * identity
            values, vectors = torch.linalg.eigh(shrunk)
            self.root[p] = (vectors * values.rsqrt()) @ vectors.mT

    def forward(self, x: Tensor) -> Tensor:
        difference = ((x - self.mean) / self.scale).transpose(0, 1)  # (P, N, C)
        if self._single is None or self._single[0] is not self.root or self._single[1] != self.root._version:
            self._single = self.root, self.root._version, self.root.float()
        return (difference @ self._single[2]).transpose(0, 1)


class PooledWhitening(nn.Module):
    """z = S^(-1/2) (x - m_p) at every position p: (N, P, C) -> (N, P, C), with one covariance S for all positions.

    It takes a hundredth of the memory and of the time of `PositionWhitening`.

    Args:
        positions, channels: P and C.
        regularisation: what is added to the diagonal of S, in units of the channels' mean variance; above 0.
    """

    mean: Tensor  # (P, C)
    root: Tensor  # (C, C)

    def __init__(self, positions: int, channels: int, *, regularisation: float) -> None:
        super().__init__()
        self.regularisation = regularisation
        self.register_buffer("mean", torch.zeros(positions, channels))
        self.register_buffer("root", torch.eye(channels))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Learn means and covariance from training vectors (N, P, C), in double precision."""
        self.mean.copy_(x.double().mean(0))
        unit = unit_of(x)
        count, positions = x.shape[:2]
        covariance = torch.zeros_like(self.root, dtype=torch.double)
        for rows in ((x - self.mean) / unit).split(16):
            covariance += rows.flatten(0, 1).double().mT @ rows.flatten(0, 1).double()
        covariance /= max(1, count - 1) * positions
        covariance += self.regularisation * torch.eye(len(covariance), dtype=torch.double, device=x.device)
        values, vectors = torch.linalg.eigh(covariance)
        self.root.copy_((vectors * values.rsqrt()) @ vectors.mT / unit)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) @ self.root


class UnitVariance(nn.Module):
    """x divided by one number, so that channels have unit variance on average: what is left without whitening."""

    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Learn the scale from training vectors (N, P, C)."""
        self.scale.copy_(unit_of(x))

    def forward(self, x: Tensor) -> Tensor:
        return x / self.scale


def unit_of(x: Tensor) -> Tensor:
    """Square root of the channels' mean variance over vectors (N, P, C), a scalar above 0."""
    return x.var((0, 1), correction=0).mean().sqrt().clamp(min=1e-6)


def _covariance(x: Tensor) -> Tensor:
    """Unbiased, float64 (C, C), of vectors (N, C); 0 where there is one alone."""
    centred = x.double()
    centred = centred - centred.mean(0)
    return centred.mT @ centred / max(1, len(x) - 1)
