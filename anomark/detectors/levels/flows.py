"""Normalising flows of affine couplings: invertible networks whose density is known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

#: Called with (channels in, channels out), gives what a coupling computes its scales and shifts with.
Subnetwork = Callable[[int, int], nn.Module]


class Coupling(nn.Module):
    """Channels in a fixed random order; one half scales and shifts the other (Dinh et al., "RealNVP", ICLR 2017).

    y = x exp(s) + t for the second half, where (s, t) are computed from the first half and the condition. s is kept
    within (-clamp, clamp) by clamp * 2 / pi * arctan(s / clamp) (Ardizzone et al. 2019, "cINN", section 3.2).

    Args:
        channels: C, at least 2.
        subnetwork: of the second half; it sees C // 2 channels and the condition's.
        condition: channels of the condition.
        clamp: bound of s.
        generator: draws the order.
    """

    order: Tensor  # (C,) int64

    def __init__(
        self, channels: int, subnetwork: Subnetwork, *, condition: int, clamp: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.kept, self.clamp = channels // 2, clamp
        self.subnetwork = subnetwork(self.kept + condition, 2 * (channels - self.kept))
        self.register_buffer("order", torch.randperm(channels, generator=generator))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, C, ...) to y (B, C, ...) and log |det dy/dx| of each position, (B, ...)."""
        x = x[:, self.order]
        kept, changed = x[:, : self.kept], x[:, self.kept :]
        scale, shift = self._affine(kept, condition)
        return torch.cat([kept, changed * scale.exp() + shift], dim=1), scale.sum(1)

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        kept, changed = y[:, : self.kept], y[:, self.kept :]
        scale, shift = self._affine(kept, condition)
        x = torch.cat([kept, (changed - shift) * (-scale).exp()], dim=1)
        return x[:, self.order.argsort()]

    def _affine(self, kept: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        seen = kept if condition is None else torch.cat([kept, condition], dim=1)
        scale, shift = self.subnetwork(seen).chunk(2, dim=1)
        return self.clamp * 2 / math.pi * torch.atan(scale / self.clamp), shift


class Flow(nn.Module):
    """Couplings in a row, from features to a standard normal z of the same shape.

    Positions are channels' vectors (B, C) or maps (B, C, H, W), as the subnetwork has it.

    Args:
        channels, condition, clamp: as `Coupling` has them.
        subnetworks: those of the couplings, in turn.
        couplings: their number.
        seed: of the orders of channels.
    """

    def __init__(
        self,
        channels: int,
        subnetworks: Sequence[Subnetwork],
        *,
        couplings: int,
        clamp: float,
        seed: int,
        condition: int = 0,
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.couplings = nn.ModuleList(
            Coupling(channels, subnetworks[i % len(subnetworks)], condition=condition, clamp=clamp, generator=generator)
            for i in range(couplings)
        )

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (B, C, ...) to z (B, C, ...) and the log-determinant of each position, (B, ...)."""
        total = torch.zeros_like(x[:, 0])
        for coupling in self.couplings:
            x, logdet = coupling(x, condition)
            total = total + logdet
        return x, total

    def inverse(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        for coupling in reversed(self.couplings):
            z = coupling.inverse(z, condition)  # type: ignore[operator]
        return z

    def log_density(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """log p of each position, (B, ...), in nats; a map's positions add up to the log density of the map."""
        z, logdet = self(x, condition)
        normal: Tensor = logdet - 0.5 * z.square().sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi)
        return normal


def convolutions(into: int, out: int, *, hidden: int, kernel_size: int) -> nn.Module:
    """A subnetwork of maps (B, C, H, W): two convolutions of one size around a ReLU."""
    first, second = (nn.Conv2d(*size, kernel_size, padding="same") for size in ((into, hidden), (hidden, out)))
    return nn.Sequential(first, nn.ReLU(), small(second))


def dense(into: int, out: int, *, hidden: int) -> nn.Module:
    """A subnetwork of vectors (B, C): two linear layers around a ReLU."""
    return nn.Sequential(nn.Linear(into, hidden), nn.ReLU(), small(nn.Linear(hidden, out)))


def small(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    """The layer with a tenth of its weights, so that a new flow is nearly the identity."""
    with torch.no_grad():
        layer.weight.mul_(0.1)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def position_code(channels: int, height: int, width: int) -> Tensor:
    """Sines and cosines of row and column at falling frequencies, (channels, H, W) (Vaswani et al. 2017, section 3.5).

    Half of the channels tell the row and half the column. `channels` is a multiple of 4.
    """
    frequencies = 1e4 ** (-torch.arange(0, channels // 2, 2) / (channels // 2))
    row, column = (torch.arange(n)[None] * frequencies[:, None] for n in (height, width))  # (channels / 4, n)
    rows, columns = (torch.cat([angle.sin(), angle.cos()]) for angle in (row, column))
    return torch.cat([rows[:, :, None].expand(-1, -1, width), columns[:, None].expand(-1, height, -1)])
