"""Control: detectors of one line, which a series' trained detector should leave behind.

The base is the level, the distance of each value to the training median. The variants are the moving variance, which
leads some public leaderboards, and the squared difference of neighbouring values. No shape is compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from anomark.contracts import Array, Spec

NAME = "Distance of each value to the training median"
LABEL = "level"
PAPER = ""
FAMILY = "control"
MODALITIES = ("series",)
DETERMINISTIC = True
SUITES = ("extended", "paper-cpu", "paper-quick")
DEFAULTS = {"statistic": "level"}
VARIANTS = {
    "one_liner-variance": {
        "LABEL": "moving variance",
        "statistic": "variance",
        "DIFFERS": "The variance of the window; nothing is learnt.",
    },
    "one_liner-difference": {
        "LABEL": "squared difference",
        "statistic": "difference",
        "DIFFERS": "The squared difference of neighbouring values; nothing is learnt.",
    },
}


class Method:
    """Score = mean of the statistic over the window's steps and channels; the map is its steps (N, L)."""

    def __init__(self, spec: Spec, seed: int, device: str, statistic: str = "level") -> None:
        self.statistic = statistic
        self.median = np.zeros((spec.shape[0], 1), np.float32)

    def fit(self, X: Any, X_valid: Any = None) -> None:
        self.median = np.median(np.asarray(X), axis=(0, 2)).astype(np.float32)[:, None]

    def localize(self, X: Any) -> Array:
        x = np.asarray(X, np.float32)
        if self.statistic == "level":
            steps = np.abs(x - self.median)
        elif self.statistic == "variance":
            steps = (x - x.mean(-1, keepdims=True)) ** 2
        else:
            steps = np.diff(x, axis=-1, prepend=x[..., :1]) ** 2
        return np.asarray(steps.mean(1))

    def decision_function(self, X: Any) -> Array:
        return np.asarray(self.localize(X).mean(1))

    def state_dict(self) -> dict[str, Any]:
        return {"median": self.median}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.median = np.asarray(state["median"])
