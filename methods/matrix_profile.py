"""Matrix profile of test against training windows: it compares shapes, whatever their level and amplitude."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from anomark.contracts import Array, Spec
from anomark.data.windows import Windows
from anomark.nn.nearest import nearest

NAME = "Matrix profile"
LABEL = "Matrix profile"
PAPER = "Yeh et al.: Matrix Profile I: All Pairs Similarity Joins for Time Series. ICDM 2016"
PUBLISHED = "The distance of z-normalised windows to the nearest one, averaged over variables."
DIFFERS = (
    "Test windows are compared with training windows, at the suite's window length and stride, where the paper takes "
    "every shift."
)
FAMILY = "classical"
MODALITIES = ("series",)
DETERMINISTIC = True
SUITES = ("extended", "paper-cpu", "paper-quick")
DEFAULTS = {"dense": False}
VARIANTS = {
    "matrix_profile-dense": {
        "LABEL": "Matrix profile, every shift",
        "dense": True,
        "DIFFERS": "Training windows are taken at every shift, as in the paper, instead of at the suite's stride.",
    }
}
#: Largest number of values in the memory at every shift; evenly spaced windows beyond.
LARGEST = 4_000_000
#: Test windows compared at a time.
BATCH = 1024


class Method:
    """Score = Euclidean distance of a z-normalised window to the nearest training window (an AB-join).

    Every variable finds a nearest window of its own, and distances are averaged over variables (Yeh et al., "Matrix
    Profile VI", ICDM 2017, with all dimensions).
    """

    def __init__(self, spec: Spec, seed: int, device: str, dense: bool = False) -> None:
        self.device, self.dense = device, dense
        self.train = torch.empty(0, *spec.shape, device=device)

    def fit(self, X: Any, X_valid: Any) -> Method:
        if self.dense:
            X = Windows.of(X).every_shift().thinned(LARGEST // (X.shape[1] * X.shape[2]))
        self.train = torch.from_numpy(z_normalised(X)).to(self.device)
        return self

    def decision_function(self, X: Any) -> Array:
        scores = []
        for i in range(0, len(X), BATCH):
            rows = torch.from_numpy(z_normalised(X[i : i + BATCH])).to(self.device)
            distances = [nearest(rows[:, c], self.train[:, c])[0] for c in range(rows.shape[1])]
            scores.append(torch.stack(distances).mean(0))
        return torch.cat(scores).cpu().numpy()

    def state_dict(self) -> dict[str, Any]:
        return {"train": self.train}

    def load_state_dict(self, state: dict[str, Any]) -> Method:
        self.train = state["train"].to(self.device)
        return self


def z_normalised(X: Any) -> Array:
    """Windows (N, C, L) in which every variable has mean 0 and deviation 1, float32; one that doesn't move is all 0."""
    rows = np.asarray(X, dtype=np.float64)
    centred = rows - rows.mean(-1, keepdims=True)
    deviation = centred.std(-1, keepdims=True)
    still = deviation <= 1e-6 * np.maximum(1, np.abs(rows).max(-1, keepdims=True))
    return np.where(still, 0, centred / np.where(still, 1, deviation)).astype(np.float32)
