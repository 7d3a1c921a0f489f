"""Feature bagging: local outlier factors on random subsets of the columns, averaged."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.neighbors import LocalOutlierFactor

from anomark.contracts import AnomarkError, Array, Spec

NAME = "Feature bagging"
LABEL = "FeatureBagging"
PAPER = "Lazarevic, Kumar: Feature Bagging for Outlier Detection. KDD 2005"
PUBLISHED = "Local outlier factors on random subsets of half of the columns to all but one, combined."
DIFFERS = (
    "10 factors with 20 neighbours are averaged, as by PyOD's defaults of 2023. Its class of today asks for one more "
    "library to take that mean, so the method is written out."
)
FAMILY = "classical"
MODALITIES = ("tabular",)
SUITES = ("dte",)
DEFAULTS = {"estimators": 10, "n_neighbors": 20}


class Method:
    """Score = the mean local outlier factor over the subsets of columns."""

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        self.params = {**DEFAULTS, **params}
        rng = np.random.default_rng(seed)
        d = int(np.prod(spec.shape))
        sizes = rng.integers(max(1, d // 2), max(1, d - 1) + 1, self.params["estimators"])
        self.columns = np.zeros((len(sizes), d), dtype=bool)
        for chosen, size in zip(self.columns, sizes, strict=True):
            chosen[rng.choice(d, size, replace=False)] = True
        self.rows: Array = np.empty((0, d), dtype=np.float32)

    def fit(self, X: Any, X_valid: Any) -> Self:
        self.rows = np.asarray(X, dtype=np.float32).reshape(len(X), -1)
        if len(self.rows) < 2:
            raise AnomarkError("a local outlier factor needs two rows or more, got 1; give it more training rows")
        return self._refit()

    def decision_function(self, X: Any) -> Array:
        rows = np.asarray(X, dtype=np.float32).reshape(len(X), -1)
        pairs = zip(self.factors, self.columns, strict=True)
        return np.mean([-factor.score_samples(rows[:, chosen]) for factor, chosen in pairs], axis=0).astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "columns": self.columns}

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        self.rows, self.columns = np.asarray(state["rows"]), np.asarray(state["columns"], dtype=bool)
        return self._refit()

    def _refit(self) -> Self:
        """Local outlier factors keep nothing but their rows and neighbours, so fitting again gives the same."""
        k = min(self.params["n_neighbors"], len(self.rows) - 1)
        self.factors = [
            LocalOutlierFactor(n_neighbors=k, novelty=True).fit(self.rows[:, chosen]) for chosen in self.columns
        ]
        return self
