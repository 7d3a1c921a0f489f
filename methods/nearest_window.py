"""Control: distance of a window to the nearest training window at any shift (dense 1-NN)."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch

from anomark.contracts import Array, Spec
from anomark.data.windows import Windows, window_starts
from anomark.nn.nearest import nearest

NAME = "Nearest training window at any shift"
LABEL = "1-NN, every shift"
PAPER = ""
FAMILY = "control"
MODALITIES = ("series",)
DETERMINISTIC = True
SUITES = ("extended", "paper-cpu", "paper-quick")
DEFAULTS = {"lengths": [1.0]}  # of the pieces that are compared, in windows
VARIANTS = {
    "nearest_window-lengths": {
        "LABEL": "1-NN, three lengths",
        "lengths": [1.0, 0.5, 0.25],
        "DIFFERS": "Halves and quarters of windows are compared as well, and the distances are averaged.",
    }
}
#: Largest number of values in the memory of one length; evenly spaced pieces beyond.
LARGEST = 4_000_000
#: Windows scored at a time.
BATCH = 1024


class Method:
    """Score = root mean square distance of a window's pieces to their nearest training pieces, averaged over lengths.

    Training windows at the suite's stride are `nearest_train`. Here they are taken at every shift, so a shape is found
    wherever it stands in its window.
    """

    def __init__(self, spec: Spec, seed: int, device: str, lengths: Any = (1.0,)) -> None:
        channels, length = spec.shape
        self.device = device
        sizes = [max(1, round(share * length)) for share in lengths]
        self.train = [torch.empty(0, channels, size, device=device) for size in sizes]

    def fit(self, X: Any, X_valid: Any) -> Self:
        windows = Windows.of(X).every_shift()
        for i, train in enumerate(self.train):
            channels, size = train.shape[1:]
            pieces = Windows(windows.series, windows.starts, size).thinned(LARGEST // (channels * size))
            self.train[i] = torch.from_numpy(pieces[:]).to(self.device)
        return self

    def decision_function(self, X: Any) -> Array:
        scores = []
        for i in range(0, len(X), BATCH):
            x = torch.from_numpy(np.array(X[i : i + BATCH], np.float32)).to(self.device)
            scores.append(torch.stack([self._distance(x, train) for train in self.train]).mean(0))
        return torch.cat(scores).cpu().numpy()

    def _distance(self, x: torch.Tensor, train: torch.Tensor) -> torch.Tensor:
        """Windows (B, C, L) to their distances (B,) per value, over pieces that cover the window."""
        size = train.shape[2]
        pieces = [x[..., s : s + size].flatten(1) for s in window_starts(x.shape[2], size, size)]
        squared = [nearest(piece, train.flatten(1))[0].square() for piece in pieces]
        return torch.stack(squared).mean(0).div(train[0].numel()).sqrt()

    def state_dict(self) -> dict[str, Any]:
        return {f"train.{i}": train for i, train in enumerate(self.train)}

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        self.train = [torch.as_tensor(state[f"train.{i}"]).to(self.device) for i in range(len(self.train))]
        return self
