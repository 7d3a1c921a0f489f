"""What methods share whose network is trained by gradient steps: how it is built, trained, stored and run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.base import OnePassDetector
from anomark.detectors.training import Stateful, Step, seeded, train_steps

#: Rows per forward pass when scoring.
SCORE_BATCH = 64


class NetworkDetector:
    """A method whose state is that of its network.

    `params` holds steps and batch_size at least: the budget that the suite sets.
    """

    network: nn.Module
    params: dict[str, Any]
    seed: int
    device: str

    def steps(self, X: Any, state: Mapping[str, Stateful], name: str = "train") -> Iterator[Step]:
        """The gradient steps of the suite's budget, with batches of X.

        Args:
            state: everything that the loop changes, by name, so that an interrupted loop can go on.
            name: tells the loops of one method apart.
        """
        p = self.params
        return train_steps(
            X,
            steps=p["steps"],
            batch_size=p["batch_size"],
            seed=self.seed,
            device=self.device,
            state=state,
            name=name,
        )

    def batches(self, X: Any, rows: int = SCORE_BATCH) -> Iterator[Tensor]:
        """X in order, float32 on the device, `rows` at a time."""
        for i in range(0, len(X), rows):
            yield torch.from_numpy(np.array(X[i : i + rows], dtype=np.float32)).to(self.device)

    def state_dict(self) -> dict[str, Any]:
        return self.network.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        self.network.load_state_dict(state)
        return self


class TrainedDetector(NetworkDetector):
    """A method whose network minimises one loss by Adam.

    A subclass names its `defaults`, builds its network, and says its loss. `defaults` hold steps, batch_size and lr at
    least, and may hold weight_decay.
    """

    defaults: ClassVar[Mapping[str, Any]]
    #: Largest Euclidean norm of all gradients together; None where they are not clipped.
    clip_norm: ClassVar[float | None] = None

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        self.seed, self.device = seed, device
        self.params = {**self.defaults, **params}
        with seeded(seed):
            self.network = self.build(spec.shape).to(device)
        self.info: dict[str, Any] = {"network_calls": 1}

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        """The network for samples of that shape, (C, L) or (C, H, W)."""
        raise NotImplementedError

    def loss(self, step: Step) -> Tensor:
        """What the step minimises, a scalar."""
        raise NotImplementedError

    def fit(self, X: Any, X_valid: Any) -> Self:
        p = self.params
        decay = p.get("weight_decay", 0)
        optimiser = torch.optim.Adam(self.network.parameters(), lr=p["lr"], weight_decay=decay, fused=True)
        self.network.train()
        for step in self.steps(X, {"network": self.network, "optimiser": optimiser}):
            step.minimise(self.loss(step), optimiser, clip_norm=self.clip_norm)
        return self


class FeedForward(TrainedDetector, OnePassDetector):
    """A method whose scores and maps come out of one pass forward through its network."""

    def scored(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B,) and maps (B, H, W) or (B, L) of samples (B, *shape), by operations of torch alone."""
        raise NotImplementedError

    @torch.inference_mode()
    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps (N, H, W) or (N, L), float32."""
        self.network.eval()
        scores, maps = zip(*(self.scored(x) for x in self.batches(X)), strict=True)
        return torch.cat(scores).cpu().numpy(), torch.cat(maps).cpu().numpy()


class Autoencoding(FeedForward):
    """A method that compares a sample with what its network rebuilds of it.

    Loss and score are the mean squared error; the map is the squared error, averaged over channels.
    """

    def reconstruct(self, x: Tensor) -> Tensor:
        """What the network rebuilds of samples (B, *shape)."""
        y: Tensor = self.network(x)
        return y

    def loss(self, step: Step) -> Tensor:
        return (step.batch - self.reconstruct(step.batch)).square().mean()

    def scored(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = (x - self.reconstruct(x)).square().mean(dim=1)  # of rows (B,)
        return maps.reshape(len(maps), -1).mean(dim=1), maps
