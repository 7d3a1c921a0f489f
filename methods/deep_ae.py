"""Convolutional autoencoder: what does not pass through its narrow code is anomalous."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from anomark.detectors.trained import Autoencoding

NAME = "Convolutional autoencoder"
LABEL = "Deep AE"
PAPER = (
    "Bergmann et al.: Improving Unsupervised Defect Segmentation by Applying Structural Similarity to Autoencoders. "
    "VISIGRAPP 2019 (its L2 autoencoder)"
)
PUBLISHED = (
    "The layers, channels and code size of table 1, leaky ReLUs and no normalisation. The squared error is both loss "
    "and score, and the weight decay is 1e-5."
)
DIFFERS = (
    "The network sees whole samples instead of patches of 128 pixels. It halves them down to 8 and no further, and "
    "has one-dimensional layers for windows. The code has at most a quarter of a sample's numbers, so that short "
    "windows don't pass unchanged. Adam's rate is 1e-3 instead of 2e-4, because a suite trains for some hundred "
    "steps."
)
FAMILY = "reconstruction"
MODALITIES = ("image", "series")
SUITES = ("extended", "paper-cpu", "paper-quick")
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 1e-3,  # 2e-4 in section 4.1, which trains for two hundred epochs of patches
    "weight_decay": 1e-5,  # section 4.1
    "width": 32,  # table 1
    "latent": 100,  # section 4.1
}
#: Each layer's channels in multiples of the width, and whether it halves the sides; the code follows (table 1).
LAYERS = ((1, True), (1, True), (1, False), (2, True), (2, False), (4, True), (2, False), (1, False))
#: Slope of the leaky ReLUs, and the side at which the code is read off (table 1).
SLOPE, BOTTOM = 0.2, 8
#: A code has at most this share of a sample's numbers: a longer one, as of a short window, would let anything pass.
CODE_SHARE = 1 / 4


class Autoencoder(nn.Module):
    """(B, C, L) or (B, C, H, W) to a code (B, latent) and back, without normalisation.

    The table's 128 pixels are halved four times. A smaller sample is halved until no side is longer than 8; layers that
    would halve it further keep its size.
    """

    def __init__(self, shape: tuple[int, ...], width: int, latent: int) -> None:
        super().__init__()
        channels, *size = shape
        Conv: Any = nn.Conv1d if len(size) == 1 else nn.Conv2d
        Back: Any = nn.ConvTranspose1d if len(size) == 1 else nn.ConvTranspose2d
        encoder: list[nn.Module] = []
        decoder: list[nn.Module] = []
        for multiple, halves in LAYERS:
            short = [not halves or s <= BOTTOM for s in size]  # sides that this layer keeps
            below = [s if keep else s // 2 for s, keep in zip(size, short, strict=True)]
            geometry = {
                "kernel_size": tuple(3 if keep else 4 for keep in short),
                "stride": tuple(1 if keep else 2 for keep in short),
                "padding": 1,
            }
            odd = tuple(0 if keep else s - 2 * b for s, b, keep in zip(size, below, short, strict=True))
            encoder += [Conv(channels, multiple * width, **geometry), nn.LeakyReLU(SLOPE)]
            decoder = [nn.LeakyReLU(SLOPE), Back(multiple * width, channels, **geometry, output_padding=odd), *decoder]
            channels, size = multiple * width, below
        flat = channels * math.prod(size)
        latent = min(latent, max(1, int(CODE_SHARE * math.prod(shape))))
        self.encoder = nn.Sequential(*encoder, nn.Flatten(), nn.Linear(flat, latent))
        self.decoder = nn.Sequential(nn.Linear(latent, flat), nn.Unflatten(1, (channels, *size)), *decoder)
        for layer in self.modules():
            if isinstance(layer, Conv | Back):  # torch's own start lets the signal fade over eighteen layers
                nn.init.kaiming_normal_(layer.weight, SLOPE, mode="fan_out" if isinstance(layer, Back) else "fan_in")
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.decoder(self.encoder(x))
        return y


class Method(Autoencoding):
    """The squared error (section 3.1) is loss, score and map."""

    defaults = DEFAULTS

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        return Autoencoder(shape, self.params["width"], self.params["latent"])
