"""Diffusion time estimation by classes: a network guesses from a noised row alone how long it was noised."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.rows import TimeEstimator, perceptron
from anomark.detectors.training import Step

NAME = "Diffusion time estimation, categorical"
LABEL = "DTE-C"
PAPER = "Livernoche et al.: On Diffusion Modeling for Anomaly Detection. ICLR 2024"
PUBLISHED = (
    "A perceptron with 256, 512 and 256 hidden units tells in which of 7 equal parts of 0..400 the time t of "
    "x_t = x_0 + sigma_t eps lies, trained by cross entropy for 400 epochs with batches of 64. The score is the "
    "expected part."
)
DIFFERS = (
    "The softmax is taken twice, in the network and again in the loss, as in the authors' code, from which the "
    "published numbers come; a variant takes it once."
)
FAMILY = "density"
MODALITIES = ("tabular", "series")
SUITES = ("dte", "extended")
VARIANTS = {
    "dte_c-logits": {
        "softmax_twice": False,
        "LABEL": "DTE-C (logits)",
        "DIFFERS": "The cross entropy is that of the logits, so that the softmax is taken once.",
        "SUITES": ("extended",),
    }
}
DEFAULTS = {
    "epochs": 400,
    "steps": None,  # of the suite's budget; None: as many as the epochs have
    "batch_size": 64,
    "lr": 1e-4,
    "weight_decay": 5e-4,
    "hidden": [256, 512, 256],
    "dropout": 0.5,
    "bins": 7,
    "T": 400,
    "softmax_twice": True,
}


class Method(TimeEstimator):
    """Score = sum over parts k of k p(k given x), in [0, bins - 1]."""

    defaults = DEFAULTS

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        p = self.params
        return perceptron([math.prod(shape), *p["hidden"], p["bins"]], dropout=p["dropout"])

    def loss(self, step: Step) -> Tensor:
        """Cross entropy of the part of t, for t uniform in 0..T-1."""
        p = self.params
        noised, t = self.noised(step)
        output = self.network(noised)
        if p["softmax_twice"]:
            output = output.softmax(1)
        return F.cross_entropy(output, t * p["bins"] // p["T"])

    def score(self, x: Tensor) -> Tensor:
        parts = torch.arange(self.params["bins"], device=x.device)
        return (self.network(x).softmax(1) * parts).sum(1)
