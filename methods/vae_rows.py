"""Variational autoencoder of rows: a row that its decoder does not give back is anomalous."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from anomark.detectors.rows import Dropout, RowDetector, glorot
from anomark.detectors.training import Step

NAME = "Variational autoencoder of rows"
LABEL = "VAE (rows)"
PAPER = (
    "Kingma, Welling: Auto-Encoding Variational Bayes. ICLR 2014; for rows as in PyOD 1.0 (Zhao et al.: PyOD: A Python "
    "Toolbox for Scalable Outlier Detection. JMLR 2019)"
)
PUBLISHED = (
    "Dense layers of 4D, 2D and D units around a latent space of 2, dropout of .2, an activity regulariser of .1 in "
    "the encoder and a sigmoid at the output, as Livernoche et al. set PyOD's class of 2023. The score is the "
    "Euclidean distance of row and reconstruction."
)
DIFFERS = (
    "PyOD has moved to another library since and has other layers today, so that the network of 2023 is written out "
    "here. A score takes the mean of the code, where PyOD draws one."
)
FAMILY = "reconstruction"
MODALITIES = ("tabular",)
SUITES = ("dte",)
DEFAULTS = {
    "epochs": 100,
    "steps": None,  # of the suite's budget; None: as many as the epochs have
    "batch_size": 32,
    "lr": 1e-3,
    "dropout": 0.2,
    "activity": 0.1,
    "latent": 2,
    "held_out": 0.1,
}


class Network(nn.Module):
    """Encoder and decoder of rows (B, size)."""

    def __init__(self, size: int, latent: int, dropout: float) -> None:
        super().__init__()
        widths = [4 * size, 2 * size, size]
        self.first = glorot(size, size)
        self.encoder = nn.ModuleList(glorot(a, b) for a, b in zip([size, *widths], widths, strict=False))
        self.mean, self.log_variance = glorot(size, latent), glorot(size, latent)
        decoder: list[nn.Module] = [glorot(latent, latent), nn.ReLU()]
        for a, b in zip([latent, *widths[::-1]], widths[::-1], strict=False):
            decoder += [glorot(a, b), nn.ReLU(), Dropout(dropout)]
        self.decoder = nn.Sequential(*decoder, glorot(widths[0], size), nn.Sigmoid())
        self.dropout = Dropout(dropout)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and log variance (B, latent), and the squared activities of the encoder, their sum over units (B,)."""
        x, activity = torch.relu(self.first(x)), torch.zeros(len(x), device=x.device)
        for layer in self.encoder:
            x = torch.relu(layer(x))
            activity = activity + x.square().sum(1)
            x = self.dropout(x)
        return self.mean(x), self.log_variance(x), activity


class Method(RowDetector):
    """Score = Euclidean distance of a row and its reconstruction from the mean of its latent code."""

    defaults = DEFAULTS
    adam_eps = 1e-7

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        return Network(math.prod(shape), self.params["latent"], self.params["dropout"])

    def loss(self, step: Step) -> Tensor:
        """Squared error summed over numbers, divergence from the prior, and the activity regulariser."""
        mean, log_variance, activity = self.network.encode(step.batch)
        noise = torch.randn(mean.shape, generator=step.generator, device=mean.device)
        error = (step.batch - self.network.decoder(mean + (log_variance / 2).exp() * noise)).square().sum(1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).abs()
        return (error + divergence + self.params["activity"] * activity).mean()

    def score(self, x: Tensor) -> Tensor:
        mean, _, _ = self.network.encode(x)
        distance: Tensor = (x - self.network.decoder(mean)).square().sum(1).sqrt()
        return distance
