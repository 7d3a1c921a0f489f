"""A convolutional encoder of windows that keeps the weights it is drawn with."""

from __future__ import annotations

from torch import nn


def untrained_encoder(channels: int, width: int, layers: int, kernel_size: int) -> nn.Sequential:
    """(N, channels, L) -> (N, width, L) by so many convolutions with ReLU; none leaves windows as they are.

    Weights are drawn by torch's generator, and no gradient is kept.
    """
    parts: list[nn.Module] = []
    for inside in [channels, *[width] * (layers - 1)][:layers]:
        parts += [nn.Conv1d(inside, width, kernel_size, padding="same"), nn.ReLU()]
    return nn.Sequential(*parts).requires_grad_(False)
