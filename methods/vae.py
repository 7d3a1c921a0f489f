"""Variational autoencoder: a sample that it cannot code in few nats is anomalous."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.trained import FeedForward
from anomark.detectors.training import Step

NAME = "Variational autoencoder"
LABEL = "VAE"
PAPER = "Kingma, Welling: Auto-Encoding Variational Bayes. ICLR 2014"
PUBLISHED = (
    "A convolutional encoder and decoder with a Gaussian posterior and a Gaussian likelihood, trained on the evidence "
    "lower bound (ELBO) with one draw of z for each sample and step."
)
DIFFERS = (
    "Convolutions run over one or two dimensions, because samples are windows or images. One sigma is learnt for a "
    "dataset. The score is the negative ELBO at the mean of the posterior, so that it depends on the sample alone. "
    "The loss is divided by the number of dimensions and gradients are clipped, so that one learning rate serves all "
    "sizes."
)
FAMILY = "reconstruction"
MODALITIES = ("image", "series", "audio")
VARIANTS = {
    "untrained": {
        "steps": 0,
        "LABEL": "untrained VAE",
        "FAMILY": "control",
        "DIFFERS": "The network takes no training step: the score shows what the architecture alone sees.",
    }
}
DEFAULTS = {"steps": 3000, "batch_size": 32, "lr": 1e-3, "width": 32, "latent": 64}
#: Bounds of log sigma^2: without the lower one, constant data would drive the likelihood to infinity.
LOG_VARIANCE = (-8.0, 4.0)


class VAE(nn.Module):
    """Convolutional encoder and decoder of (C, L) or (C, H, W) samples, with a dense Gaussian latent.

    The likelihood is N(decoder(z), sigma^2 I) with one learnt sigma for the data set.

    Args:
        shape: of one sample.
        width: channels after the first convolution; doubled twice on the way down.
        latent: dimension of z.
    """

    def __init__(self, shape: tuple[int, ...], width: int, latent: int) -> None:
        super().__init__()
        channels, *size = shape
        Conv: Any = nn.Conv1d if len(size) == 1 else nn.Conv2d
        self.sizes = [tuple(size)]  # of the maps on the way down; each is half the one before, rounded up
        while max(self.sizes[-1]) > 4:
            self.sizes.append(tuple(-(-s // 2) for s in self.sizes[-1]))
        widths = [channels, *(width * 2 ** min(i, 2) for i in range(len(self.sizes) - 1))]
        self.bottom = (widths[-1], *self.sizes[-1])
        flat = math.prod(self.bottom)

        def layer(conv: nn.Module, c: int) -> nn.Module:
            return nn.Sequential(conv, nn.GroupNorm(math.gcd(8, c), c), nn.SiLU())

        pairs = list(pairwise(widths))
        self.encoder = nn.Sequential(*(layer(Conv(a, b, 3, stride=2, padding=1), b) for a, b in pairs))
        self.to_posterior = nn.Linear(flat, 2 * latent)
        self.from_latent = nn.Linear(latent, flat)
        self.decoder = nn.ModuleList(layer(Conv(b, max(a, width), 3, padding=1), max(a, width)) for a, b in pairs[::-1])
        self.head = Conv(width if pairs else channels, channels, 3, padding=1)
        self.log_variance = nn.Parameter(torch.zeros(()))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z given x), each (B, latent)."""
        mean, log_variance = self.to_posterior(self.encoder(x).flatten(1)).chunk(2, dim=1)
        return mean, log_variance.clamp(-10.0, 10.0)

    def decode(self, z: Tensor) -> Tensor:
        """Mean of p(x given z), (B, *shape)."""
        h = self.from_latent(z).reshape(-1, *self.bottom)
        for layer, size in zip(self.decoder, self.sizes[-2::-1], strict=True):
            h = layer(F.interpolate(h, size=size, mode="nearest"))
        x: Tensor = self.head(h)
        return x

    def negative_log_likelihood(self, squared_error: Tensor) -> Tensor:
        """-log p(x given z) in nats, (B,), from the squared error (B, *shape)."""
        log_variance = self.log_variance.clamp(*LOG_VARIANCE)
        nats = 0.5 * (squared_error * (-log_variance).exp() + log_variance + math.log(2 * math.pi))
        return nats.flatten(1).sum(dim=1)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) in nats: (B, latent) twice -> (B,) (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


class Method(FeedForward):
    """Score = negative ELBO in nats with z at the posterior's mean instead of a draw; map = squared error.

    A mean over draws of z would cost one decoding each, and the mean makes the score a function of the sample alone.
    """

    defaults = DEFAULTS
    clip_norm = 1.0
    network: VAE

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        return VAE(shape, self.params["width"], self.params["latent"])

    def loss(self, step: Step) -> Tensor:
        """The negative ELBO with one draw of z for each sample, in nats for each number of a sample.

        One learning rate serves samples of all sizes in that way.
        """
        mean, log_variance = self.network.encode(step.batch)
        noise = torch.randn(mean.shape, generator=step.generator, device=self.device)
        z = mean + (0.5 * log_variance).exp() * noise
        error = (step.batch - self.network.decode(z)).square()
        loss = self.network.negative_log_likelihood(error) + kl_divergence(mean, log_variance)
        return loss.mean() / step.batch[0].numel()

    def scored(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B,) and maps (B, H, W) or (B, L), which are averaged over channels."""
        mean, log_variance = self.network.encode(x)
        error = (x - self.network.decode(mean)).square()
        return self.network.negative_log_likelihood(error) + kl_divergence(mean, log_variance), error.mean(dim=1)
