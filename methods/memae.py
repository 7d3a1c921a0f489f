"""Memory-augmented autoencoder: codes are rebuilt from a memory of normal ones, which anomalies don't fit."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.contracts import Spec
from anomark.detectors.trained import Autoencoding
from anomark.detectors.training import Step

NAME = "Memory-augmented autoencoder"
LABEL = "MemAE"
PAPER = (
    "Gong et al.: Memorizing Normality to Detect Anomaly: Memory-augmented Deep Autoencoder for Unsupervised Anomaly "
    "Detection. ICCV 2019"
)
PUBLISHED = (
    "The layers of the paper's CIFAR-10 network, one memory query for each place, addressing by cosine, hard "
    "shrinkage at 1/N, 500 items, and an entropy weight of 2e-4. The score is the squared error."
)
DIFFERS = (
    "Windows get one-dimensional layers. Maps with sides of 4 or less keep their size, so that small samples have "
    "places to address. Adam's rate is 1e-3 instead of 1e-4, because a suite trains for some hundred steps."
)
FAMILY = "reconstruction"
MODALITIES = ("image", "series")
SUITES = ("extended", "paper-cpu", "paper-quick")
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 1e-3,  # Adam; 1e-4 in the authors' code, for far more steps than a suite's
    "width": 64,  # of the paper's CIFAR-10 network
    "items": 500,  # N, of the same network
    "shrinkage": 1.0,  # lambda in units of 1 / N; 1 to 3 in the paper, 5 in the authors' code
    "entropy_weight": 2e-4,  # alpha, of the authors' code
}
#: Channels of the halving layers in multiples of the width, as in the paper's CIFAR-10 network.
LAYERS = (1, 2, 2, 4)
#: Sides that are no longer than this keep their size, because a map of few places would leave little to address.
SMALLEST = 4


def hard_shrink(weights: Tensor, threshold: float) -> Tensor:
    """Set weights (..., N) at or below the threshold to 0 and scale the others to sum 1 (Gong et al. 2019, equation 7).

    If no weight is above the threshold, all are 0.
    """
    kept = F.relu(weights - threshold) * weights / ((weights - threshold).abs() + 1e-12)
    return F.normalize(kept, p=1, dim=-1)


class Memory(nn.Module):
    """N items of C numbers; a query is answered by a sparse mean of the items that point its way.

    Args:
        items, channels: N and C.
        shrinkage: threshold of the weights in units of 1 / N.
    """

    def __init__(self, items: int, channels: int, shrinkage: float) -> None:
        super().__init__()
        self.threshold = shrinkage / items
        self.items = nn.Parameter(torch.empty(items, channels))
        nn.init.kaiming_uniform_(self.items, a=5**0.5)

    def address(self, queries: Tensor) -> Tensor:
        """Weights (..., N) of queries (..., C): softmax of cosines, then hard shrinkage.

        The authors' code takes the products of the vectors in place of their cosines.
        """
        cosines = F.normalize(queries, dim=-1) @ F.normalize(self.items, dim=-1).T
        return hard_shrink(cosines.softmax(dim=-1), self.threshold)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (B, C, ...), every place a query, to maps of the same shape and weights (B, ..., N)."""
        weights = self.address(z.movedim(1, -1))
        return (weights @ self.items).movedim(-1, 1), weights


class Autoencoder(nn.Module):
    """Four halving convolutions with batch normalisation, the memory, and the mirror image."""

    def __init__(self, shape: tuple[int, ...], width: int, items: int, shrinkage: float) -> None:
        super().__init__()
        channels, *size = shape
        Conv: Any = nn.Conv1d if len(size) == 1 else nn.Conv2d
        Back: Any = nn.ConvTranspose1d if len(size) == 1 else nn.ConvTranspose2d
        Norm: Any = nn.BatchNorm1d if len(size) == 1 else nn.BatchNorm2d
        encoder: list[nn.Module] = []
        decoder: list[nn.Module] = []
        for i, multiple in enumerate(LAYERS):
            stride = tuple(2 if s > SMALLEST else 1 for s in size)
            below = [-(-s // step) for s, step in zip(size, stride, strict=True)]
            odd = tuple(s - ((b - 1) * step + 1) for s, b, step in zip(size, below, stride, strict=True))
            wide = multiple * width
            encoder += [Conv(channels, wide, 3, stride, 1), Norm(wide), nn.ReLU()]
            end = [Norm(channels), nn.ReLU()] if i else []
            decoder = [Back(wide, channels, 3, stride, 1, output_padding=odd), *end, *decoder]
            channels, size = wide, below
        self.encoder, self.decoder = nn.Sequential(*encoder), nn.Sequential(*decoder)
        self.memory = Memory(items, channels, shrinkage)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction (B, *shape) and memory weights (B, ..., N)."""
        z, weights = self.memory(self.encoder(x))
        return self.decoder(z), weights


def entropy(weights: Tensor) -> Tensor:
    """Mean over places of - sum w log w in nats."""
    return -torch.xlogy(weights, weights.clamp(min=1e-12)).sum(dim=-1).mean()


class Method(Autoencoding):
    """The score is the mean squared error of the reconstruction; the loss adds the entropy of the memory's weights."""

    defaults = DEFAULTS

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        super().__init__(spec, seed, device, **params)
        self.info["parameters"] = sum(parameter.numel() for parameter in self.network.parameters())

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        p = self.params
        return Autoencoder(shape, p["width"], p["items"], p["shrinkage"])

    def reconstruct(self, x: Tensor) -> Tensor:
        y: Tensor = self.network(x)[0]
        return y

    def loss(self, step: Step) -> Tensor:
        """Mean squared error + alpha times the entropy of the weights."""
        reconstruction, weights = self.network(step.batch)
        error = (step.batch - reconstruction).square().mean()
        loss: Tensor = error + self.params["entropy_weight"] * entropy(weights)
        return loss
