"""Anomaly Transformer: an anomalous step attends to its neighbours only, and a normal one to the whole window."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.stepwise import StepwiseDetector
from anomark.detectors.training import Step
from anomark.nn.window_embedding import ValueEmbedding, positions

NAME = "Anomaly Transformer"
LABEL = "Anomaly Tr."
PAPER = "Xu, Wu, Wang, Long: Anomaly Transformer. ICLR 2022"
PUBLISHED = (
    "The association discrepancy of 3 layers with 8 heads, trained by a minimax with stopped gradients (lambda = 3). "
    "The error is weighted by softmax(-discrepancy) at temperature 50."
)
DIFFERS = (
    "The width is the suite's. The learning rate is 1e-3 instead of 1e-4, for the short budget. There is no point "
    "adjustment and no early stopping on the test set, both of which the authors' code has."
)
FAMILY = "reconstruction"
MODALITIES = ("series",)
SUITES = ("extended", "paper-cpu", "paper-quick")
DEFAULTS = {
    "steps": 3000,
    "batch_size": 32,
    "lr": 1e-3,
    "width": 128,
    "layers": 3,  # this and the next two: section 4, implementation details
    "heads": 8,
    "discrepancy_weight": 3.0,  # lambda
    "temperature": 50.0,  # of the score's softmax, in the authors' code
}
#: Added to probabilities inside logarithms, in the authors' code.
SMALLEST = 1e-4

#: Series and prior association of one layer, each (B, heads, L, L) with rows that sum to 1.
Association = tuple[Tensor, Tensor]


def gaussian_prior(sigma: Tensor) -> Tensor:
    """Rows proportional to N(j; i, sigma_i^2): (B, heads, L) -> (B, heads, L, L) (equation 2)."""
    steps = torch.arange(sigma.shape[-1], device=sigma.device, dtype=sigma.dtype)
    squares = (steps[:, None] - steps).square()
    return (-squares / (2 * sigma[..., None].square())).softmax(dim=-1)


def discrepancy(associations: list[Association]) -> Tensor:
    """Symmetric KL of series and prior, averaged over layers and heads: (B, L) (equation 3).

    The two directions together: p log(p / q) + q log(q / p) = (p - q) (log p - log q).
    """
    return torch.stack(
        [((p - q) * ((p + SMALLEST).log() - (q + SMALLEST).log())).sum(dim=-1).mean(dim=1) for p, q in associations]
    ).mean(dim=0)


def minimax_loss(error: Tensor, associations: list[Association], weight: float) -> Tensor:
    """Twice the error plus lambda times the discrepancy, whose gradient is reversed for the series association.

    Its gradient is that of the sum of the two phases' losses (equation 5), which the authors' code differentiates
    before every step. It drives the series association away from a fixed prior, and the prior towards a fixed series
    association.

    Args:
        error: mean squared error of the reconstruction.
        weight: lambda.
    """
    reversed_ = [(2 * series.detach() - series, prior) for series, prior in associations]
    return 2 * error + weight * discrepancy(reversed_).mean()


class AnomalyAttention(nn.Module):
    """Self-attention that also returns its weights and a Gaussian prior of learnt width: x (B, L, dim)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.sigma = nn.Linear(dim, heads)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Association]:
        qkv = self.query_key_value(x).unflatten(2, (3, self.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, L, dim / heads)
        series = (query @ key.mT / math.sqrt(query.shape[-1])).softmax(dim=-1)
        # The authors' scale: sigma between 0 and 2 steps.
        sigma = 3 ** ((5 * self.sigma(x).mT).sigmoid() + 1e-5) - 1
        y = self.out((series @ value).transpose(1, 2).flatten(2))
        return y, (series, gaussian_prior(sigma))


class Layer(nn.Module):
    """Anomaly attention and a feed-forward network, each with a residual and a norm after it (equation 1)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention = AnomalyAttention(dim, heads)
        self.feed_forward = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))

    def forward(self, x: Tensor) -> tuple[Tensor, Association]:
        y, association = self.attention(x)
        x = self.norms[0](x + y)
        return self.norms[1](x + self.feed_forward(x)), association


class AnomalyTransformer(nn.Module):
    """(B, C, L) to its reconstruction and every layer's associations."""

    positions: Tensor

    def __init__(self, channels: int, length: int, dim: int, layers: int, heads: int) -> None:
        super().__init__()
        self.embedding = ValueEmbedding(channels, dim)
        self.register_buffer("positions", positions(length, dim), persistent=False)
        self.layers = nn.ModuleList(Layer(dim, heads) for _ in range(layers))
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, channels))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Association]]:
        h = self.embedding(x) + self.positions
        associations = []
        for layer in self.layers:
            h, association = layer(h)
            associations.append(association)
        return self.head(h).mT, associations


class Method(StepwiseDetector):
    """A step's error is its squared error times softmax(-discrepancy) over the window (equation 6).

    Windows come standardised by the training part of their series, as in the authors' experiments.
    """

    defaults = DEFAULTS

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        (channels, length), p = shape, self.params
        return AnomalyTransformer(channels, length, 4 * p["width"], p["layers"], p["heads"])

    def loss(self, step: Step) -> Tensor:
        reconstruction, associations = self.network(step.batch)
        error = F.mse_loss(reconstruction, step.batch)
        return minimax_loss(error, associations, self.params["discrepancy_weight"])

    def errors(self, x: Tensor) -> Tensor:
        reconstruction, associations = self.network(x)
        # The authors' code adds up the layers' discrepancies here, and averages them in the loss.
        total = len(associations) * discrepancy(associations)
        weight = (-self.params["temperature"] * total).softmax(dim=-1)
        error: Tensor = weight * (reconstruction - x).square().mean(dim=1)
        return error
