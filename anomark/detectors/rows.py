"""What methods share whose network takes a sample as one row of numbers, as papers on tabular data have it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.trained import TrainedDetector
from anomark.detectors.training import Step
from anomark.diffusion.schedule import Schedule

#: Rows per forward pass when scoring.
SCORE_BATCH = 256


def rows_of(X: Any) -> Array:
    """Samples (N, ...) as float32 rows (N, D) in memory."""
    return np.asarray(X, dtype=np.float32).reshape(len(X), -1)


class Dropout(nn.Module):
    """Dropout by uniform numbers: twice as fast on a CPU as torch's own, which draws from a Bernoulli distribution."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.rand_like(x) >= self.p) / (1 - self.p) if self.training else x


def perceptron(sizes: Iterable[int], activation: type[nn.Module] = nn.ReLU, dropout: float = 0.0) -> nn.Sequential:
    """Linear layers of those sizes with an activation between them.

    Args:
        sizes: of the row, of each hidden layer, and of the output.
        dropout: its probability behind every hidden layer after the first.
    """
    layers: list[nn.Module] = []
    pairs = list(pairwise(sizes))
    for i, (before, after) in enumerate(pairs):
        layers.append(nn.Linear(before, after))
        if i < len(pairs) - 1:
            layers.append(activation())
            if dropout and i > 0:
                layers.append(Dropout(dropout))
    return nn.Sequential(*layers)


def glorot(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """A linear layer as Keras makes it: uniform weights within sqrt(6 / (inputs + outputs)), and no bias at first."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class RowDetector(TrainedDetector):
    """A method whose network minimises one loss over rows (B, D) by Adam; other samples are flattened to rows.

    A subclass names its `defaults`, which hold epochs, batch_size, lr and steps at least, builds its network for rows
    (D,), and says its loss and its score. The budget is `epochs` passes over the training rows, as such papers state
    it, unless a suite sets `steps`. With `held_out`, that share of the rows is set aside, as PyOD's networks do.
    """

    network: Any  # methods call its parts by name
    #: Term that keeps Adam's denominator from 0: torch's own value. Keras has 1e-7.
    adam_eps: ClassVar[float] = 1e-8

    def score(self, x: Tensor) -> Tensor:
        """Scores (B,) of rows (B, D); the network is in evaluation mode."""
        raise NotImplementedError

    def epoch(self, n: int) -> int:
        """Steps that count as one pass over n rows."""
        return math.ceil(n / self.params["batch_size"])

    def optimiser(self) -> torch.optim.Optimizer:
        p = self.params
        decay = p.get("weight_decay", 0.0)
        return torch.optim.Adam(
            self.network.parameters(), lr=p["lr"], eps=self.adam_eps, weight_decay=decay, fused=True
        )

    def fit(self, X: Any, X_valid: Any) -> Self:
        rows = rows_of(X)
        if share := self.params.get("held_out", 0.0):
            order = np.random.default_rng(self.seed).permutation(len(rows))
            rows = rows[order[: max(1, round((1 - share) * len(rows)))]]
        if self.params["steps"] is None:
            self.params["steps"] = self.params["epochs"] * self.epoch(len(rows))
        self.train(rows)
        return self

    def train(self, rows: Array) -> None:
        """Minimise the loss over rows (N, D)."""
        optimiser = self.optimiser()
        self.network.train()
        for step in self.steps(rows, {"network": self.network, "optimiser": optimiser}):
            step.minimise(self.loss(step), optimiser)

    @torch.inference_mode()
    def decision_function(self, X: Any) -> Array:
        self.network.eval()
        return torch.cat([self.score(x.flatten(1)) for x in self.batches(X, SCORE_BATCH)]).cpu().numpy()


class TimeEstimator(RowDetector):
    """A network that tells from a noised row x_t = x_0 + sigma_t eps alone how long it was noised (Livernoche et al.
    2024, section 4): there is no drift, and beta is linear from 1e-4 to .01 over T steps.

    Attributes:
        variance: sigma_t^2, float32 (T,).
    """

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        super().__init__(spec, seed, device, **params)
        schedule = Schedule(torch.linspace(1e-4, 0.01, self.params["T"]))
        self.variance = (1 - schedule.alphas_bar[1:]).float().to(device)

    def noised(self, step: Step) -> tuple[Tensor, Tensor]:
        """A batch of rows (B, D), noised, and their times (B,), which are uniform in 0..T-1."""
        x = step.batch
        t = torch.randint(self.params["T"], (len(x),), generator=step.generator, device=x.device)
        noise = torch.randn(x.shape, generator=step.generator, device=x.device)
        return x + self.variance[t].sqrt()[:, None] * noise, t
