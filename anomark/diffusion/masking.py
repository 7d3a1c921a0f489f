"""Boolean masks that say which part of a map a denoiser has to fill in: boxes of a grid, chessboards, frequencies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def patches(size: Sequence[int], side: int, shares: Tensor, generator: torch.Generator) -> Tensor:
    """Random boxes of a regular grid, one mask for each share: bool (B, h, w), True in about that share of the boxes.

    Args:
        size: (h, w).
        side: positions of a box on each side.
        shares: (B,), in [0, 1], on the generator's device.
        generator: source of every random number.
    """
    cells = [-(-n // side) for n in size]
    drawn = torch.rand(len(shares), *cells, generator=generator, device=shares.device) < shares[:, None, None]
    return drawn.repeat_interleave(side, 1).repeat_interleave(side, 2)[:, : size[0], : size[1]]


def grids(size: Sequence[int], side: float) -> Tensor:
    """A chessboard of boxes and its complement: bool (2, h, w); every position is True in one of them.

    Args:
        side: of a box, as a share of the map's sides; at least one position.
    """
    rows, columns = (torch.arange(n) // max(1, round(side * n)) for n in size)
    board = (rows[:, None] + columns) % 2 == 0
    return torch.stack([board, ~board])


def discs(size: Sequence[int], radius: float) -> Tensor:
    """Low frequencies of a map, and the others: bool (2, h, w), in the order of `torch.fft.fft2`.

    Args:
        radius: of the disc of low frequencies, in cycles per position; 0.5 is the highest along an axis.
    """
    rows, columns = (torch.fft.fftfreq(n) for n in size)
    low = rows[:, None].square() + columns.square() <= radius**2
    return torch.stack([low, ~low])


def in_frequencies(x: Tensor, mask: Tensor) -> Tensor:
    """The part of maps (B, C, h, w) that lies in the masked frequencies; `mask` is (h, w) or (B, 1, h, w)."""
    part: Tensor = torch.fft.ifft2(torch.fft.fft2(x) * mask).real
    return part
