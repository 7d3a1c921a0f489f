"""Tables: rows of numbers that stand in no order, with one label each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anomark.contracts import Array, Generator, Prepared

NOUN = "tabular rows"
LABEL = "Tabular"
ORDER = 4
LEVELS = {"row": 2}  # (N, D)
SAMPLES = (((9,), None), ((3,), None))
RESIZABLE = False
SCALOGRAM = None
PICTURES = {"row": ("row_examples",)}

#: How far anomalies lie from normal rows (Han et al., "ADBench", NeurIPS 2022, appendix on synthetic anomalies).
LOCAL, GLOBAL, CLUSTER = 5.0, 1.1, 5.0
#: Share of the normal rows that make up one cluster.
NEIGHBOURS = 0.1


def check(prepared: Prepared) -> str | None:
    """Nothing more is asked for: rows are unbounded, and may have any number of columns."""
    return None


def synthetic() -> Sequence[Generator]:
    return local_anomaly, global_anomaly, cluster_anomaly, dependency_anomaly


def local_anomaly(X: Array, row: int, rng: np.random.Generator) -> Array:
    """A row as from a Gaussian of five times the covariance of the normal rows, around the same mean.

    ADBench draws from a mixture of Gaussians. Here the row itself stands for the draw.
    """
    mean = X.mean(axis=0)
    return np.asarray(mean + np.sqrt(LOCAL) * (X[row] - mean))


def global_anomaly(X: Array, row: int, rng: np.random.Generator) -> Array:
    """Every column drawn evenly between its lowest and highest normal value, both times 1.1."""
    ends = GLOBAL * np.stack([X.min(axis=0), X.max(axis=0)])
    return rng.uniform(ends.min(axis=0), ends.max(axis=0))


def cluster_anomaly(X: Array, row: int, rng: np.random.Generator) -> Array:
    """A row from the neighbourhood of a random one, whose mean is moved to five times itself; its shape stays."""
    anchor = X[rng.integers(len(X))]
    near = np.argsort(((X - anchor) ** 2).sum(axis=1), kind="stable")[: max(2, round(NEIGHBOURS * len(X)))]
    return np.asarray(X[rng.choice(near)] + (CLUSTER - 1) * X[near].mean(axis=0))


def dependency_anomaly(X: Array, row: int, rng: np.random.Generator) -> Array:
    """Every column has the value of a normal row of its own, so that columns don't depend on each other any more."""
    return np.asarray(X[rng.integers(len(X), size=X.shape[1]), np.arange(X.shape[1])])
