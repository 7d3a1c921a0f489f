"""GANomaly of rows: a row is encoded, decoded and encoded again, and the two codes of an anomaly differ."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.contracts import Array
from anomark.detectors.rows import RowDetector, perceptron

NAME = "GANomaly of rows"
LABEL = "GANomaly (rows)"
PAPER = (
    "Akcay et al.: GANomaly: Semi-Supervised Anomaly Detection via Adversarial Training. ACCV 2018; for rows as in Han "
    "et al.: ADBench: Anomaly Detection Benchmark. NeurIPS 2022"
)
PUBLISHED = (
    "One tanh layer of a quarter of the numbers (half, below 8 of them) encodes, a linear one decodes, and a "
    "discriminator has 100 and 20 units. Stochastic gradient descent at .01 with momentum .7 for 50 epochs with "
    "batches of 64; the score is the L1 distance of the two codes."
)
DIFFERS = "Batches are drawn in a new order in every epoch, where ADBench keeps the order of the rows."
FAMILY = "adversarial"
MODALITIES = ("tabular",)
SUITES = ("dte",)
DEFAULTS = {
    "epochs": 50,
    "steps": None,  # of the suite's budget; None: as many as the epochs have
    "batch_size": 64,
    "lr": 1e-2,
    "momentum": 0.7,
}


class Generator(nn.Module):
    """Encoder, decoder and second encoder of rows (B, size)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        code = max(1, size // 2 if size < 8 else size // 4)
        self.encoder = nn.Sequential(nn.Linear(size, code), nn.Tanh())
        self.decoder = nn.Linear(code, size)
        self.second = nn.Sequential(nn.Linear(size, code), nn.Tanh())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Code, reconstruction, and the code of the reconstruction."""
        code = self.encoder(x)
        y = self.decoder(code)
        return code, y, self.second(y)


class Method(RowDetector):
    """Score = L1 distance of a row's code and its reconstruction's."""

    defaults = DEFAULTS

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        size = math.prod(shape)
        features = nn.Sequential(perceptron([size, 100, 20], nn.Tanh), nn.Tanh())
        return nn.ModuleDict({"generator": Generator(size), "features": features, "real": nn.Linear(20, 1)})

    def epoch(self, n: int) -> int:
        return max(1, n // int(self.params["batch_size"]))

    def train(self, rows: Array) -> None:
        """One step of the discriminator, then one of the generator, whose three losses weigh the same."""
        p, generator, features, real = self.params, *(self.network[k] for k in ("generator", "features", "real"))
        judges: list[Any] = [*features.parameters(), *real.parameters()]
        of_D, of_G = (
            torch.optim.SGD(weights, lr=p["lr"], momentum=p["momentum"]) for weights in (judges, generator.parameters())
        )
        self.network.train()
        state = {"network": self.network, "of_discriminator": of_D, "of_generator": of_G}
        for step in self.steps(rows, state):
            x = step.batch
            with torch.no_grad():
                fake = generator(x)[1]
            judged, judged_fake = real(features(x)), real(features(fake))
            loss = F.binary_cross_entropy_with_logits(judged, torch.zeros_like(judged))
            loss = loss + F.binary_cross_entropy_with_logits(judged_fake, torch.ones_like(judged_fake))
            step.minimise(loss / 2, of_D)
            code, y, again = generator(x)
            latent = F.mse_loss(features(y), features(x).detach())
            step.minimise((latent + F.l1_loss(y, x) + F.l1_loss(again, code)) / 3, of_G)

    def score(self, x: Tensor) -> Tensor:
        code, _, again = self.network["generator"](x)
        distance: Tensor = (code - again).abs().sum(1)
        return distance
