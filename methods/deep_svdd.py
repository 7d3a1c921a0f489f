"""Deep SVDD: distance to the centre of a hypersphere around the codes of normal samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.training import Stateful, seeded, train_steps

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
SUITES = ("extended", "paper-cpu")
DEFAULTS = {
    "steps": 3000,
    "batch_size": 32,
    "lr": 1e-3,
    "width": 32,
    "latent": 32,
    "weight_decay": 1e-6,  # lambda of equation 4, section 4.1
}
#: A coordinate of the centre nearer to 0 is moved to this distance: a zero weight would reach 0 too easily.
SMALLEST = 0.1
#: Rows per forward pass.
BATCH = 64


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


class Method:
    """Score = squared distance of a sample's code to the centre (equation 5)."""

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        self.seed, self.device = seed, device
        self.params = {**DEFAULTS, **params}
        with seeded(seed):
            self.network = encoder(spec.shape, self.params["width"], self.params["latent"]).to(device)
        self.centre = torch.zeros(self.params["latent"], device=device)
        self.info = {"network_calls": 1}

    def fit(self, X: Any, X_valid: Any) -> Method:
        """Fix the centre, then minimise the mean squared distance to it (equation 4)."""
        p = self.params
        self.centre = initial_centre(self._codes(X))
        optimiser = torch.optim.Adam(self.network.parameters(), lr=p["lr"], weight_decay=p["weight_decay"])
        state: dict[str, Stateful] = {"network": self.network, "optimiser": optimiser}
        self.network.train()
        for step in train_steps(
            X, steps=p["steps"], batch_size=p["batch_size"], seed=self.seed, device=self.device, state=state
        ):
            step.minimise((self.network(step.batch) - self.centre).square().sum(1).mean(), optimiser)
        return self

    @torch.no_grad()
    def _codes(self, X: Any) -> Tensor:
        """(N, latent), under the batch normalisation's running statistics."""
        self.network.eval()
        blocks = (np.array(X[i : i + BATCH], dtype=np.float32) for i in range(0, len(X), BATCH))
        return torch.cat([self.network(torch.from_numpy(block).to(self.device)) for block in blocks])

    def decision_function(self, X: Any) -> Array:
        return (self._codes(X) - self.centre).square().sum(1).cpu().numpy()

    def state_dict(self) -> dict[str, Tensor]:
        return {"centre": self.centre, **self.network.state_dict()}

    def load_state_dict(self, state: dict[str, Tensor]) -> Method:
        self.centre = state["centre"].to(self.device)
        self.network.load_state_dict({key: value for key, value in state.items() if key != "centre"})
        return self


def initial_centre(codes: Tensor) -> Tensor:
    """Mean of the untrained network's codes (N, D), no coordinate near 0 (section 3.3): (D,)."""
    centre = codes.mean(0)
    sign = torch.where(centre < 0, -1.0, 1.0)
    return torch.where(centre.abs() < SMALLEST, SMALLEST * sign, centre)
