"""GANomaly: a sample is encoded, decoded and encoded again, and the two codes of an anomaly differ."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.base import OnePassDetector
from anomark.detectors.trained import NetworkDetector
from anomark.detectors.training import Stateful, seeded
from anomark.nn.dcgan import Decoder, Encoder

NAME = "GANomaly"
LABEL = "GANomaly"
PAPER = "Akcay et al.: GANomaly: Semi-Supervised Anomaly Detection via Adversarial Training. ACCV 2018"
PUBLISHED = (
    "A DCGAN encoder, decoder, second encoder and discriminator. The adversarial, contextual and encoder losses are "
    "weighted 1, 50 and 1. The score is the L1 distance of the two codes."
)
DIFFERS = (
    "Losses are means over numbers, as in the authors' code. Windows get one-dimensional layers, and no tanh where "
    "their values are unbounded. Scores are not scaled over the test set, which would change no ranking."
)
FAMILY = "adversarial"
MODALITIES = ("image", "series")
SUITES = ("extended", "paper-cpu", "paper-quick")
DEFAULTS = {
    "steps": 3000,
    "batch_size": 64,
    # These are the settings of the code that the authors published.
    "lr": 2e-4,  # Adam
    "beta1": 0.5,
    "width": 64,
    "latent": 100,
    "adversarial_weight": 1.0,
    "contextual_weight": 50.0,
    "encoder_weight": 1.0,
}


class Method(NetworkDetector, OnePassDetector):
    """Score = distance of the codes of sample and reconstruction; map = absolute error, averaged over channels."""

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        self.seed, self.device = seed, device
        p = self.params = {**DEFAULTS, **params}
        shape, width, latent = spec.shape, p["width"], p["latent"]
        with seeded(seed):
            self.encoder = Encoder(shape, width, latent)  # G_E
            self.decoder = Decoder(shape, width, latent, bounded=spec.value_range is not None)  # G_D
            self.second = Encoder(shape, width, latent)  # E
            self.discriminator = Encoder(shape, width, 1)
        self.generator = nn.ModuleList([self.encoder, self.decoder, self.second])
        self.network = nn.ModuleDict({"generator": self.generator, "discriminator": self.discriminator}).to(device)
        self.info: dict[str, Any] = {
            "parameters": sum(parameter.numel() for parameter in self.network.parameters()),
            "network_calls": 1,
        }

    def fit(self, X: Any, X_valid: Any) -> Method:
        """Minimise the three losses of the generator and the discriminator's cross entropy in turn."""
        p, D = self.params, self.discriminator
        of_G, of_D = (
            torch.optim.Adam(n.parameters(), lr=p["lr"], betas=(p["beta1"], 0.999)) for n in (self.generator, D)
        )
        state: dict[str, Stateful] = {"network": self.network, "of_generator": of_G, "of_discriminator": of_D}
        self.network.train()
        for step in self.steps(X, state):
            x = step.batch
            y, first, second = self.passes(x)
            # log(1 + e^-a) = -log sigmoid(a), and log(1 + e^a) = -log(1 - sigmoid(a))
            step.minimise(F.softplus(-D(x)).mean() + F.softplus(D(y.detach())).mean(), of_D)
            adversarial, contextual, encoder = generator_losses(
                x, y, first, second, D.features(x).detach(), D.features(y)
            )
            loss = (
                p["adversarial_weight"] * adversarial
                + p["contextual_weight"] * contextual
                + p["encoder_weight"] * encoder
            )
            step.minimise(loss, of_G)
        return self

    def passes(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction (B, *shape), its sample's code and its own code, each (B, latent)."""
        first = self.encoder(x)
        y = self.decoder(first)
        return y, first, self.second(y)

    @torch.inference_mode()
    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) = ||G_E(x) - E(G(x))||_1 and maps (N, H, W) or (N, L), float32.

        The distance is the paper's, where the authors' code takes the mean square. Scaling the scores to [0, 1] over
        the test set would change no ranking, and is left out.
        """
        self.network.eval()
        scores, maps = [], []
        for x in self.batches(X):
            y, first, second = self.passes(x)
            scores.append((first - second).abs().sum(dim=1))
            maps.append((x - y).abs().mean(dim=1))
        return torch.cat(scores).cpu().numpy(), torch.cat(maps).cpu().numpy()


def generator_losses(
    x: Tensor, y: Tensor, first: Tensor, second: Tensor, f_x: Tensor, f_y: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Adversarial, contextual and encoder loss (equations 1 to 3), as means over numbers instead of norms.

    Args:
        x, y: samples and reconstructions.
        first, second: their codes G_E(x) and E(y).
        f_x, f_y: their features in the discriminator, whose means over the batch the adversarial loss matches.
    """
    return F.mse_loss(f_y.mean(dim=0), f_x.mean(dim=0)), F.l1_loss(y, x), F.mse_loss(second, first)
