"""PaDiM: every position of the image has a Gaussian of its own over patch features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.base import OnePassDetector
from anomark.detectors.patch_features import PatchFeatures
from anomark.nn.whitening import PositionWhitening

NAME = "PaDiM"
LABEL = "PaDiM"
PAPER = (
    "Defard et al.: PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and Localization. ICPR 2020"
)
PUBLISHED = (
    "A Gaussian at each position, on 100 channels drawn at random, with epsilon = .01. The map is the Mahalanobis "
    "distance, and the score is its largest value."
)
DIFFERS = (
    "The settings are the best that were found on transistor, textures and digits: all channels of all levels that "
    "diffusion on feature maps has too, no averaging over neighbours, covariances shrunk by a tenth towards the pooled "
    "one, and the mean of the map's largest 2% as the score. Epsilon is relative to the channels' variance, because "
    "levels are standardised. The map is not blurred. `padim-published` has the paper's settings."
)
FAMILY = "features"
MODALITIES = ("image",)  # the same position of two windows, or of two clips, shows nothing in common
NEEDS = ("features",)
FULL_RESOLUTION = True
DETERMINISTIC = True
SUITES = ("extended", "paper-cpu", "paper-quick")
VARIANTS = {
    "padim-published": {
        "channels": 100,
        "shrinkage": 0.0,
        "regularisation": 0.01,
        "levels": "patch",
        "neighbourhood": 3,
        "share": 0.0,
        "DETERMINISTIC": False,
        "SUITES": ("extended", "paper-quick"),
        "DIFFERS": "As published, but for f and its levels, which are those of `patchcore-published`, and for epsilon, "
        "which is relative to the channels' variance.",
    }
}
DEFAULTS = {
    "channels": None,  # drawn at random; the paper's table 2 keeps 100 of ResNet-18's 448; None: all
    "shrinkage": 0.1,  # share of the covariance pooled over positions; 0 in the paper
    "regularisation": 0.1,  # epsilon of equation 1, in units of the channels' mean variance over training data
    "levels": "map",  # of f, see `PatchFeatures`
    "neighbourhood": 1,  # positions on a side that a level is averaged over
    "share": 0.02,  # of the map; the score is the mean of that share's largest values, of one at least
}


class Method(OnePassDetector):
    """Map = Mahalanobis distance to the position's Gaussian (equation 2); score = mean of the map's largest values."""

    def __init__(self, spec: Spec, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        self.params = p = {**DEFAULTS, **params}
        self.features = PatchFeatures(spec, features, device, levels=p["levels"], neighbourhood=p["neighbourhood"])
        count = min(p["channels"] or self.features.channels, self.features.channels)
        drawn = torch.randperm(self.features.channels, generator=torch.Generator().manual_seed(seed))[:count].sort()
        height, width = self.features.size
        self.whitening = PositionWhitening(
            height * width, count, shrinkage=p["shrinkage"], regularisation=p["regularisation"]
        )
        self.whitening.register_buffer("drawn", drawn.values)
        self.whitening.to(device)
        self.info = {"network_calls": 1, "f": self.features.name}

    @property
    def drawn(self) -> Tensor:
        """The channels that are kept, int64."""
        drawn: Tensor = self.whitening.drawn  # type: ignore[assignment]
        return drawn

    @torch.no_grad()
    def fit(self, X: Any, X_valid: Any) -> Method:
        """Compute mean and regularised covariance of every position (equation 1)."""
        self.whitening.fit(self.features.fit(X)[:, :, self.drawn])
        return self

    @torch.no_grad()
    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps (N, h, w), float32, in standard deviations."""
        scores, maps = [], []
        for vectors in self.features.transform(X):  # (B, P, C)
            distances = self.whitening(vectors[:, :, self.drawn]).norm(dim=2)
            scores.append(
                distances.topk(max(1, round(self.params["share"] * distances.shape[1])), dim=1).values.mean(1)
            )
            maps.append(self.features.locate(distances))
        return torch.cat(scores).cpu().numpy(), torch.cat(maps).cpu().numpy()

    def state_dict(self) -> dict[str, Tensor]:
        return nn.ModuleDict({"features": self.features, "whitening": self.whitening}).state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> Method:
        state = {key: torch.as_tensor(np.asarray(value)) for key, value in state.items()}
        nn.ModuleDict({"features": self.features, "whitening": self.whitening}).load_state_dict(state)
        return self
