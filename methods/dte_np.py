"""Non-parametric diffusion time estimation: how long a row must have been noised to lie so far from its neighbours."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.spatial.distance import cdist

from anomark.contracts import Array, Spec

NAME = "Diffusion time estimation, non-parametric"
LABEL = "DTE-NP"
PAPER = "Livernoche et al.: On Diffusion Modeling for Anomaly Detection. ICLR 2024"
PUBLISHED = (
    "Rows are noised without drift, x_t = x_0 + sigma_t eps. The posterior of the variance is inverse gamma, with "
    "shape d/2 - 1 and, as scale, half the mean squared distance to the 5 nearest training rows, on the grid of 300 "
    "variances that a linear beta from 1e-4 to .01 gives."
)
DIFFERS = (
    "The score is the posterior mean of t, one of the two that the authors' code has had. The other is the mode, which "
    "takes few values; the published numbers are those of the mean (on breastw .993, against .952). The score grows "
    "with the distance alone, so the method ranks as nearest neighbours do."
)
FAMILY = "density"
MODALITIES = ("tabular", "series")
SUITES = ("dte", "extended")
DETERMINISTIC = True
DEFAULTS = {"neighbours": 5, "T": 300, "estimate": "mean"}
VARIANTS = {
    "dte_np-mode": {
        "estimate": "mode",
        "LABEL": "DTE-NP (mode)",
        "DIFFERS": "The score is the most probable t, as in the last version of the authors' code, with many ties.",
    }
}
#: Test rows whose distances are held at a time.
BATCH = 256
#: Smallest mean squared distance, for rows that stand in the training set: at 0 the posterior has no density.
SMALLEST = 1e-12


def variances(T: int) -> Array:
    """sigma_t^2 = 1 - abar_t, float64 (T,), of the linear beta from 1e-4 to .01."""
    return 1 - np.cumprod(1 - np.linspace(1e-4, 0.01, T))


def log_posterior(distance: Array, d: int, variance: Array) -> Array:
    """log p(t given x), float64 (N, T), for mean squared distances (N,) to training rows of d numbers.

    The inverse-gamma density at sigma_t^2 with shape d/2 - 1 and scale distance / 2 is proportional to
    sigma_t^-d exp(-distance / (2 sigma_t^2)). For one training row this is Bayes' rule with t uniform.
    """
    density = -0.5 * (d * np.log(variance) + np.maximum(distance, SMALLEST)[:, None] / variance)
    peak = density.max(1, keepdims=True)
    return np.asarray(density - peak - np.log(np.exp(density - peak).sum(1, keepdims=True)))


class Method:
    """Score = the mean of t under its posterior, in 0..T-1, or its mode.

    `info["ties"]` is the share of the last scored rows whose score another of them has too.
    """

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        self.params = {**DEFAULTS, **params}
        self.train: Array = np.empty((0, 0))
        self.info: dict[str, Any] = {}

    def fit(self, X: Any, X_valid: Any) -> Self:
        self.train = np.asarray(X, dtype=np.float32).reshape(len(X), -1)
        return self

    def decision_function(self, X: Any) -> Array:
        p, (n, d) = self.params, self.train.shape
        neighbours, variance = min(p["neighbours"], n), variances(p["T"])
        scores = []
        for i in range(0, len(X), BATCH):
            rows = np.asarray(X[i : i + BATCH], dtype=np.float32)
            squared = cdist(rows.reshape(len(rows), -1), self.train, "sqeuclidean")
            nearest = np.sort(np.partition(squared, neighbours - 1, axis=1)[:, :neighbours], axis=1)
            posterior = log_posterior(nearest.mean(1), d, variance)
            mode = p["estimate"] == "mode"
            scores.append(posterior.argmax(1) if mode else (np.exp(posterior) * np.arange(p["T"])).sum(1))
        found = np.concatenate(scores).astype(np.float32)
        _, counts = np.unique(found, return_counts=True)
        self.info["ties"] = float(counts[counts > 1].sum() / len(found))
        return found

    def state_dict(self) -> dict[str, Any]:
        return {"train": self.train}

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        self.train = np.asarray(state["train"])
        return self
