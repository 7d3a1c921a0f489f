"""Diffusion time estimation by an inverse gamma: a network gives the scale of the noise variance's posterior."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from anomark.detectors.rows import TimeEstimator, perceptron
from anomark.detectors.training import Step

NAME = "Diffusion time estimation, inverse gamma"
LABEL = "DTE-IG"
PAPER = "Livernoche et al.: On Diffusion Modeling for Anomaly Detection. ICLR 2024"
PUBLISHED = (
    "A perceptron with 256, 512 and 256 hidden units gives, for x_t = x_0 + sigma_t eps, the root of the scale of an "
    "inverse gamma with shape d/2 - 1. It maximises that density of sigma_t^2, with T = 400, for 400 epochs with "
    "batches of 64. The score is what the network gives."
)
DIFFERS = (
    "The score is the scale, the square of the network's output, where the authors' code takes the output itself, "
    "whose sign nothing fixes."
)
FAMILY = "density"
MODALITIES = ("tabular",)
SUITES = ("dte",)
DEFAULTS = {
    "epochs": 400,
    "steps": None,  # of the suite's budget; None: as many as the epochs have
    "batch_size": 64,
    "lr": 1e-4,
    "weight_decay": 5e-4,
    "hidden": [256, 512, 256],
    "dropout": 0.5,
    "T": 400,
}
#: Keeps the logarithm finite where the scale is 0; the authors' value.
EPSILON = 1e-5


def negative_log_density(output: Tensor, variance: Tensor, d: int) -> Tensor:
    """-log of the inverse gamma's density at the variance, up to terms without the network.

    Args:
        output: (B,), the root of the scale.
        variance: (B,), sigma_t^2.
        d: numbers in a row; the shape is d/2 - 1.

    Returns:
        (B,)
    """
    scale = output.square()
    return scale / variance - (d / 2 - 1) * torch.log(scale + EPSILON)


class Method(TimeEstimator):
    """Score = the scale of the inverse gamma, which grows with the noise that a row seems to have."""

    defaults = DEFAULTS

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        return perceptron([math.prod(shape), *self.params["hidden"], 1], dropout=self.params["dropout"])

    def loss(self, step: Step) -> Tensor:
        """The mean negative log density, for t uniform in 0..T-1."""
        noised, t = self.noised(step)
        return negative_log_density(self.network(noised).squeeze(1), self.variance[t], noised.shape[1]).mean()

    def score(self, x: Tensor) -> Tensor:
        scale: Tensor = self.network(x).squeeze(1).square()
        return scale
