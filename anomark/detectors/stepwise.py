"""What methods share that give every step of a window an error: training by one loss, scoring in one pass."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.base import NetworkDetector
from anomark.detectors.training import Stateful, Step, seeded, train_steps

#: Rows per forward pass when scoring, at least: products of fewer rows are rounded by other kernels.
FEWEST = 8


class StepwiseDetector(NetworkDetector):
    """Base of methods for windows (N, C, L): map = error of every step, score = its mean over the window.

    A subclass names its `defaults`, builds its network, and may replace loss and errors, which are those of a plain
    reconstruction here. `defaults` hold steps, batch_size and lr at least.
    """

    defaults: ClassVar[dict[str, Any]]

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        self.seed, self.device = seed, device
        self.params = {**self.defaults, **params}
        with seeded(seed):
            self.network = self.build(*spec.shape).to(device)
        self.info = {"network_calls": 1}

    def build(self, channels: int, length: int) -> nn.Module:
        """The network for windows (channels, length)."""
        raise NotImplementedError

    def update(self, step: Step, optimiser: torch.optim.Optimizer) -> None:
        """One gradient step on the mean squared error of the reconstruction."""
        step.minimise((self.network(step.batch) - step.batch).square().mean(), optimiser, clip_norm=1.0)

    def errors(self, x: Tensor) -> Tensor:
        """Squared error of every step, averaged over channels: (B, C, L) -> (B, L)."""
        error: Tensor = (self.network(x) - x).square().mean(dim=1)
        return error

    def fit(self, X: Any, X_valid: Any) -> Self:
        optimiser = torch.optim.Adam(self.network.parameters(), lr=self.params["lr"])
        state: dict[str, Stateful] = {"network": self.network, "optimiser": optimiser}
        self.network.train()
        for step in self.steps(X, state):
            self.update(step, optimiser)
        return self

    def steps(self, X: Any, state: dict[str, Stateful]) -> Any:
        """The steps of the suite's budget."""
        p = self.params
        return train_steps(
            X, steps=p["steps"], batch_size=p["batch_size"], seed=self.seed, device=self.device, state=state
        )

    @torch.inference_mode()
    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps (N, L), float32."""
        self.network.eval()
        parts = []
        for x in self.batches(X):
            padded = torch.cat([x, x[-1:].expand(max(0, FEWEST - len(x)), *x.shape[1:])])
            parts.append(self.errors(padded)[: len(x)])
        maps = torch.cat(parts).float()
        return maps.mean(dim=1).cpu().numpy(), maps.cpu().numpy()
