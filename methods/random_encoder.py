"""Control: nearest neighbours in the codes of a convolutional encoder that was never trained.

A method that trains such an encoder should tell how much of its result the training gave.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from anomark.contracts import Array, Spec
from anomark.detectors.training import seeded
from anomark.nn.nearest import nearest
from anomark.nn.untrained_encoder import untrained_encoder

NAME = "Nearest neighbour in the codes of an untrained encoder"
LABEL = "Untrained encoder"
PAPER = ""
FAMILY = "control"
MODALITIES = ("series",)
SUITES = ("extended", "paper-cpu", "paper-quick")
DEFAULTS = {"width": 64, "layers": 3, "kernel_size": 7}
#: Windows encoded at a time.
BATCH = 256


class Method:
    """Score = distance of a window's code to the nearest training code.

    The code is the mean over steps of the last of `layers` convolutions (`kernel_size`, `width` channels, ReLU), whose
    weights are as they were drawn. Windows are z-normalised first.
    """

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        p = {**DEFAULTS, **params}
        self.device = device
        with seeded(seed):
            self.encoder = untrained_encoder(spec.shape[0], p["width"], p["layers"], p["kernel_size"]).to(device)
        self.codes = torch.empty(0, p["width"], device=device)

    def fit(self, X: Any, X_valid: Any) -> Self:
        self.codes = self._encode(X)
        return self

    def decision_function(self, X: Any) -> Array:
        return nearest(self._encode(X), self.codes)[0].cpu().numpy()

    @torch.no_grad()
    def _encode(self, X: Any) -> Tensor:
        codes = []
        for i in range(0, len(X), BATCH):
            x = torch.from_numpy(np.array(X[i : i + BATCH], dtype=np.float32)).to(self.device)
            x = (x - x.mean(2, keepdim=True)) / x.std(2, correction=0, keepdim=True).clamp(min=1e-3)
            codes.append(self.encoder(x).mean(2))
        return torch.cat(codes)

    def state_dict(self) -> dict[str, Any]:
        return {**self.encoder.state_dict(), "codes": self.codes}

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        state = {key: torch.as_tensor(np.asarray(value)).to(self.device) for key, value in state.items()}
        self.codes = state.pop("codes")
        self.encoder.load_state_dict(state)
        return self
