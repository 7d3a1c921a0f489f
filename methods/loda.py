"""LODA: histograms of sparse random projections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from anomark.contracts import Array, Spec

NAME = "Lightweight on-line detector of anomalies"
LABEL = "LODA"
PAPER = "Pevný: Loda: Lightweight On-line Detector of Anomalies. Machine Learning 102, 2016"
PUBLISHED = (
    "100 histograms of sparse random projections, with bins by Birgé and Rozenholc's penalised likelihood. The score "
    "is the mean negative log density."
)
DIFFERS = (
    "The number of projections is fixed at 100, where the paper adds projections until scores settle. Counts are "
    "raised by 1e-12, as in PyOD. PyOD's own class is not used, because it takes the density of the neighbouring bin."
)
FAMILY = "classical"
SUITES = ("extended", "paper-cpu", "paper-quick")
DEFAULTS = {"projections": 100}
#: Added to all counts, because those outside the histogram are 0 and a density of 0 has no logarithm. PyOD's value.
EPSILON = 1e-12
#: Samples projected at a time.
BATCH = 256


class Method:
    """Score = negative log density of a sample's projections, each by a histogram, averaged over projections.

    A projection is a sum of floor(sqrt(d)) of a sample's d numbers, with normally distributed weights. The method is
    written out here because PyOD's LODA (3.6.7) takes the density of the bin above the one that a value lies in.
    """

    def __init__(self, spec: Spec, seed: int, device: str, projections: int) -> None:
        rng = np.random.default_rng(seed)
        d = int(np.prod(spec.shape))
        self.indices = np.stack([rng.choice(d, int(np.sqrt(d)), replace=False) for _ in range(projections)])
        self.weights = rng.standard_normal(self.indices.shape)
        self.edges = self.surprisal = np.empty((projections, 0))

    def fit(self, X: Any, X_valid: Any) -> Method:
        values = np.concatenate(list(self._projected(X)))
        bins = [optimal_bins(v) for v in values.T]
        # A value has one of b + 2 places in its row: 0 is below the histogram, 1 to b are its bins, b + 1 is above it.
        self.edges = np.full((len(bins), max(bins) + 1), np.inf)
        self.surprisal = np.zeros((len(bins), max(bins) + 2))
        for i, b in enumerate(bins):
            counts, edges = np.histogram(values[:, i], bins=b)
            density = (np.pad(counts, 1) + EPSILON) / (len(values) * (edges[1] - edges[0]))
            self.surprisal[i, : b + 2] = -np.log(density)
            edges[-1] = np.nextafter(edges[-1], np.inf)  # the largest training value belongs to the last bin
            self.edges[i, : b + 1] = edges
        return self

    def decision_function(self, X: Any) -> Array:
        scores = []
        for values in self._projected(X):
            places = np.stack([np.searchsorted(e, v, "right") for e, v in zip(self.edges, values.T, strict=True)])
            scores.append(np.take_along_axis(self.surprisal, places, axis=1).mean(0))
        return np.concatenate(scores).astype(np.float32)

    def _projected(self, X: Any) -> Iterator[Array]:
        """Batches (b, projections), float64; unlike a matrix product's, a row's sums don't depend on the batch."""
        for i in range(0, len(X), BATCH):
            rows = np.asarray(X[i : i + BATCH], dtype=np.float64)
            yield (rows.reshape(len(rows), -1)[:, self.indices] * self.weights).sum(-1)

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("indices", "weights", "edges", "surprisal")}

    def load_state_dict(self, state: dict[str, Any]) -> Method:
        for name, value in state.items():
            setattr(self, name, np.asarray(value))
        return self


def optimal_bins(values: Array) -> int:
    """Number of equal bins, at most n / log n, that has the largest penalised likelihood.

    L(b) = sum_j n_j log(b n_j / n) - (b - 1 + (log b)^2.5) (Birgé and Rozenholc: How many bins should be put in a
    regular histogram, ESAIM P&S 2006).
    """
    n = len(values)
    criterion = []
    for b in range(1, int(n / max(1, np.log(n))) + 1):
        counts = np.histogram(values, bins=b)[0]
        counts = counts[counts > 0]
        criterion.append((counts * np.log(b * counts / n)).sum() - (b - 1 + np.log(b) ** 2.5))
    return int(np.argmax(criterion)) + 1
