"""Control: nearest neighbour on log-mel statistics, which a trained detector of sounds should leave behind."""

from __future__ import annotations

from typing import Any, Self

import torch

from anomark.contracts import Array, Spec
from anomark.nn.nearest import nearest
from anomark.signal.logmel import band_statistics, log_mel

NAME = "Nearest training clip by log-mel statistics"
LABEL = "1-NN on log-mel"
PAPER = ""
FAMILY = "control"
MODALITIES = ("audio",)
DETERMINISTIC = True
#: Clips looked at at a time.
BATCH = 32


class Method:
    """Score = Euclidean distance to the nearest training clip by mean and deviation of each mel band over time."""

    def __init__(self, spec: Spec, seed: int, device: str) -> None:
        self.rate = spec.rate
        self.train = torch.empty(0, 128)

    def fit(self, X: Any, X_valid: Any) -> Self:
        self.train = statistics(X, self.rate)
        return self

    def decision_function(self, X: Any) -> Array:
        return nearest(statistics(X, self.rate), self.train)[0].numpy()

    def state_dict(self) -> dict[str, Any]:
        return {"train": self.train}

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        self.train = torch.as_tensor(state["train"])
        return self


def statistics(X: Any, rate: int | None) -> torch.Tensor:
    """Mean and deviation of every band over time, (N, 128)."""
    assert rate, "clips come with their sample rate"
    found = []
    for i in range(0, len(X), BATCH):
        found.append(band_statistics(log_mel(X[i : i + BATCH], rate)))
    return torch.cat(found)
