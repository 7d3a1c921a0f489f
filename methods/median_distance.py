"""Control: the distance to the median of the training samples, position by position.

It knows what a normal sample looks like on average, and nothing else. The smoothed variant compares moving averages
over an eighth of the sample, which show slow deviations (a level, a stain) through noise. It is not for tables, whose
columns stand in no order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter

from anomark.contracts import Array, Spec

NAME = "Distance to the training median"
LABEL = "median distance"
PAPER = ""
FAMILY = "control"
DETERMINISTIC = True
DEFAULTS = {"smooth": False}
VARIANTS = {
    "median_distance-smoothed": {
        "smooth": True,
        "MODALITIES": ("image", "series", "audio"),
        "DIFFERS": "A moving average comes before the distance, so that slow deviations show through the noise.",
    }
}


class Method:
    """The median of the training samples at each position."""

    def __init__(self, spec: Spec, seed: int, device: str, smooth: bool = False) -> None:
        self.size = (0, 0, *(max(1, n // 8) if smooth else 1 for n in spec.shape[1:]))
        self.median = np.zeros(spec.shape, np.float32)

    def fit(self, X: Any, X_valid: Any = None) -> None:
        self.median = np.median(self._smoothed(X), axis=0)

    def localize(self, X: Any) -> Array:
        """Squared deviation at each position, averaged over channels."""
        return np.asarray(((self._smoothed(X) - self.median) ** 2).mean(axis=1))

    def decision_function(self, X: Any) -> Array:
        return np.asarray(self.localize(X).reshape(len(X), -1).mean(axis=1))

    def _smoothed(self, X: Any) -> Array:
        return np.asarray(uniform_filter(np.asarray(X, np.float32), self.size, mode="nearest"))

    def state_dict(self) -> dict[str, Any]:
        return {"median": self.median}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.median = np.asarray(state["median"])
