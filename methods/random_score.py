"""Control: a random score, which any harness must place near AUROC .5.

A sample's score is drawn from the seed and the sample's own bytes, so that it does not depend on the other samples.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from anomark.contracts import Array, Spec

NAME = "Random score"
LABEL = "random"
PAPER = ""
FAMILY = "chance"


class Method:
    """Score = a number drawn uniformly from [0, 1)."""

    def __init__(self, spec: Spec, seed: int, device: str) -> None:
        self.seed = seed

    def fit(self, X: Any, X_valid: Any = None) -> None:
        """Nothing to learn."""

    def decision_function(self, X: Any) -> Array:
        rows = (np.asarray(X[i]).tobytes() for i in range(len(X)))
        return np.array([np.random.default_rng([self.seed, zlib.crc32(row)]).random() for row in rows], np.float32)

    def state_dict(self) -> dict[str, Any]:
        return {"seed": np.array([self.seed])}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seed = int(state["seed"][0])
