"""Deep SVDD: a sample is anomalous if its code lies far from the centre of the codes of normal samples."""

from __future__ import annotations

import math
from typing import Any, Self

import torch
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.trained import TrainedDetector
from anomark.detectors.training import Step

NAME = "Deep SVDD"
LABEL = "Deep SVDD"
PAPER = "Ruff et al.: Deep One-Class Classification. ICML 2018"
PUBLISHED = (
    "The one-class objective, a network without biases, the centre fixed at the mean of the initial codes, and a "
    "weight decay of 1e-6."
)
DIFFERS = (
    "There is no pretraining by an autoencoder, so that the budget is that of the other methods. Convolutions have "
    "strides instead of pooling, and run over one dimension for windows."
)
FAMILY = "one-class"
MODALITIES = ("image", "series")
SUITES = ("extended", "paper-cpu", "paper-quick")
DEFAULTS = {
    "steps": 3000,
    "batch_size": 32,
    "lr": 1e-3,
    "width": 32,
    "latent": 32,
    "weight_decay": 1e-6,  # lambda of equation 4, section 4.1
}
#: A coordinate of the centre that is nearer to 0 is moved to this distance, because zero weights would match 0 exactly.
SMALLEST = 0.1


def encoder(shape: tuple[int, ...], width: int, latent: int) -> nn.Sequential:
    """(B, C, L) or (B, C, H, W) to (B, latent), with no bias anywhere.

    With a bias, or a bounded activation, the network could map everything to the centre (propositions 2 and 3).
    """
    channels, *size = shape
    Conv: Any = nn.Conv1d if len(size) == 1 else nn.Conv2d
    Norm: Any = nn.BatchNorm1d if len(size) == 1 else nn.BatchNorm2d
    layers: list[nn.Module] = []
    wide = width
    while max(size) > 4:
        layers += [Conv(channels, wide, 5, stride=2, padding=2, bias=False), Norm(wide, affine=False)]
        layers += [nn.LeakyReLU(0.1)]
        channels, wide = wide, min(2 * wide, 4 * width)
        size = [-(-n // 2) for n in size]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * math.prod(size), latent, bias=False))


class Method(TrainedDetector):
    """Score = squared distance of a sample's code to the centre (equation 5)."""

    defaults = DEFAULTS

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        super().__init__(spec, seed, device, **params)
        self.centre = torch.zeros(self.params["latent"], device=device)

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        return encoder(shape, self.params["width"], self.params["latent"])

    def fit(self, X: Any, X_valid: Any) -> Self:
        """Fix the centre, then minimise the mean squared distance to it (equation 4)."""
        self.centre = initial_centre(self._codes(X))
        return super().fit(X, X_valid)

    def loss(self, step: Step) -> Tensor:
        loss: Tensor = (self.network(step.batch) - self.centre).square().sum(1).mean()
        return loss

    @torch.no_grad()
    def _codes(self, X: Any) -> Tensor:
        """(N, latent), under the batch normalisation's running statistics."""
        self.network.eval()
        return torch.cat([self.network(x) for x in self.batches(X)])

    def decision_function(self, X: Any) -> Array:
        return (self._codes(X) - self.centre).square().sum(1).cpu().numpy()

    def state_dict(self) -> dict[str, Tensor]:
        return {"centre": self.centre, **super().state_dict()}

    def load_state_dict(self, state: dict[str, Tensor]) -> Self:
        self.centre = state["centre"].to(self.device)
        return super().load_state_dict({key: value for key, value in state.items() if key != "centre"})


def initial_centre(codes: Tensor) -> Tensor:
    """The mean (D,) of the untrained network's codes (N, D), with no coordinate near 0 (section 3.3)."""
    centre = codes.mean(0)
    sign = torch.where(centre < 0, -1.0, 1.0)
    return torch.where(centre.abs() < SMALLEST, SMALLEST * sign, centre)
