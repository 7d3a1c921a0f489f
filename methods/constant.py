"""Control: every sample gets the same score, which any harness must place at AUROC .5 exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomark.contracts import Array, Spec

NAME = "Constant score"
LABEL = "constant"
PAPER = ""
FAMILY = "control"
DETERMINISTIC = True


class Method:
    """Score = 0."""

    def __init__(self, spec: Spec, seed: int, device: str) -> None:
        pass

    def fit(self, X: Any, X_valid: Any = None) -> None:
        """Nothing to learn."""

    def decision_function(self, X: Any) -> Array:
        return np.zeros(len(X), np.float32)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""
