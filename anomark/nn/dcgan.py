"""Strided convolutional encoder and decoder after DCGAN (Radford et al. 2016), for adversarial methods."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

#: Maps are halved until no side is longer.
SMALLEST = 4
#: Slope of the leaky ReLUs, and standard deviation of the initial weights (Radford et al. 2016, section 4).
SLOPE, INITIAL_STD = 0.2, 0.02


def map_sizes(size: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Sizes of the maps on the way down, the sample's first; each side above 4 is halved, rounded down."""
    sizes = [tuple(size)]
    while len(sizes) == 1 or max(sizes[-1]) > SMALLEST:
        sizes.append(tuple(s // 2 if s > SMALLEST else s for s in sizes[-1]))
    return sizes


class Encoder(nn.Module):
    """(B, C, L) or (B, C, H, W) to (B, outputs): halving convolutions, then a dense layer.

    With one output it is DCGAN's discriminator (a logit), with more GANomaly's encoder.

    Args:
        shape: of one sample.
        width: channels of the first map; doubled with every halving, up to eightfold.
        outputs: length of the result.
    """

    def __init__(self, shape: tuple[int, ...], width: int, outputs: int) -> None:
        super().__init__()
        sizes, widths = _plan(shape, width)
        Conv, Norm = _layers(shape)
        layers: list[nn.Module] = []
        for i, (above, (a, b)) in enumerate(zip(sizes[:-1], pairwise(widths), strict=True)):
            layers.append(Conv(a, b, **_halving(above), bias=i == 0))
            layers += [Norm(b)] * (i > 0)  # none after the first: DCGAN, section 3
            layers.append(nn.LeakyReLU(SLOPE, inplace=True))
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1] * math.prod(sizes[-1]), outputs)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.features(x).flatten(1))
        return y


class Decoder(nn.Module):
    """(B, latent) to (B, *shape): a dense layer, then doubling transposed convolutions; DCGAN's generator.

    Args:
        shape, width: as of the encoder, whose mirror image it is.
        latent: length of the code.
        bounded: whether samples lie in [-1, 1]; then the output is a tanh.
    """

    def __init__(self, shape: tuple[int, ...], width: int, latent: int, bounded: bool) -> None:
        super().__init__()
        sizes, widths = _plan(shape, width)
        Conv, Norm = _layers(shape, transposed=True)
        self.bottom = (widths[-1], *sizes[-1])
        self.dense = nn.Linear(latent, math.prod(self.bottom), bias=False)
        layers: list[nn.Module] = []
        for (b, a), (below, above) in zip(pairwise(widths[::-1]), pairwise(sizes[::-1]), strict=True):
            odd = tuple(above[i] - 2 * below[i] if above[i] > SMALLEST else 0 for i in range(len(above)))
            layers += [Norm(b), nn.ReLU(inplace=True)]
            layers.append(Conv(b, a, **_halving(above), output_padding=odd, bias=above == sizes[0]))
        self.layers = nn.Sequential(*layers, *[nn.Tanh()] * bounded)
        initialise(self)

    def forward(self, z: Tensor) -> Tensor:
        x: Tensor = self.layers(self.dense(z).reshape(-1, *self.bottom))
        return x


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Draw weights from N(0, .02^2), those of batch normalisation from N(1, .02^2), and set biases to 0."""
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        else:
            parameter.normal_(1.0 if parameter.ndim == 1 else 0.0, INITIAL_STD)


def _plan(shape: tuple[int, ...], width: int) -> tuple[list[tuple[int, ...]], list[int]]:
    """Sizes and channels of all maps, the sample's first."""
    sizes = map_sizes(shape[1:])
    return sizes, [shape[0], *(width * 2 ** min(i, 3) for i in range(len(sizes) - 1))]


def _halving(size: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Arguments of the convolution that halves, or of the transposed one that restores, the sides above 4."""
    long = [s > SMALLEST for s in size]
    return {
        "kernel_size": tuple(4 if halve else 1 for halve in long),
        "stride": tuple(2 if halve else 1 for halve in long),
        "padding": tuple(1 if halve else 0 for halve in long),
    }


def _layers(shape: tuple[int, ...], transposed: bool = False) -> tuple[Any, Any]:
    if len(shape) == 2:
        return nn.ConvTranspose1d if transposed else nn.Conv1d, nn.BatchNorm1d
    return nn.ConvTranspose2d if transposed else nn.Conv2d, nn.BatchNorm2d
