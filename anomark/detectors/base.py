"""What trained methods share whose scores and maps come out of one pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from anomark.contracts import Array

#: Rows per forward pass when scoring.
SCORE_BATCH = 64


class OnePassDetector:
    """A method that gives scores and maps together, by `detect`."""

    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps as `anomark.contracts.Detector` describes them, float32."""
        raise NotImplementedError

    def decision_function(self, X: Any) -> Array:
        return self.detect(X)[0]

    def localize(self, X: Any) -> Array:
        return self.detect(X)[1]


class NetworkDetector(OnePassDetector):
    """A method whose state is that of its network."""

    network: nn.Module
    device: str

    def batches(self, X: Any, rows: int = SCORE_BATCH) -> Iterator[Tensor]:
        """X in order, float32 on the device, `rows` at a time."""
        for i in range(0, len(X), rows):
            yield torch.from_numpy(np.array(X[i : i + rows], dtype=np.float32)).to(self.device)

    def state_dict(self) -> dict[str, Any]:
        return self.network.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        self.network.load_state_dict(state)
        return self
