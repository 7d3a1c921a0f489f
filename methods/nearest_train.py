"""Control: Euclidean distance to the nearest training sample (1-NN), a bar that a trained method should clear."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from anomark.contracts import Array, Spec

NAME = "Nearest training sample"
LABEL = "1-NN"
PAPER = ""
FAMILY = "control"
DETERMINISTIC = True

_BLOCK = 256  # test rows compared at a time, which bounds the distance matrix


class Method:
    """Score = distance to the nearest training sample; the training samples are kept as they are."""

    def __init__(self, spec: Spec, seed: int, device: str) -> None:
        self.train = np.empty((0, *spec.shape), np.float32)

    def fit(self, X: Any, X_valid: Any = None) -> None:
        self.train = np.asarray(X, dtype=np.float32)

    def detect(self, X: Any) -> tuple[Array, Array]:
        """Distances (N,), and as a map the squared difference to the nearest sample, averaged over channels."""
        train = self.train.reshape(len(self.train), -1).astype(np.float64)
        scores, maps = [], []
        for begin in range(0, len(X), _BLOCK):
            rows = np.asarray(X[begin : begin + _BLOCK])
            distances = cdist(rows.reshape(len(rows), -1).astype(np.float64), train)
            scores.append(distances.min(axis=1))
            maps.append(((rows - self.train[distances.argmin(axis=1)]) ** 2).mean(axis=1))
        return np.concatenate(scores).astype(np.float32), np.concatenate(maps)

    def decision_function(self, X: Any) -> Array:
        return self.detect(X)[0]

    def localize(self, X: Any) -> Array:
        return self.detect(X)[1]

    def state_dict(self) -> dict[str, Any]:
        return {"train": self.train}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.train = np.asarray(state["train"])
