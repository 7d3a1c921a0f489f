"""PaDiM: every position of the image has a Gaussian of its own over patch features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from anomark.contracts import Array, Spec
from anomark.detectors.base import OnePassDetector
from anomark.detectors.patch_features import PatchFeatures

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
    "f and its levels are those of `patchcore`. Epsilon is relative to a channel's variance, because levels are "
    "standardised. The map is enlarged from every 16th pixel and not blurred."
)
FAMILY = "features"
MODALITIES = ("image",)  # the same position of two windows, or of two clips, shows nothing in common
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended", "paper-cpu")
DEFAULTS = {
    "channels": 100,  # drawn at random; the paper's table 2 keeps 100 of ResNet-18's 448
    "regularisation": 0.01,  # epsilon of equation 1, in units of the channels' mean variance over training data
}


class Method(OnePassDetector):
    """Map = Mahalanobis distance to the position's Gaussian (equation 2); score = the map's largest value.

    `whitening` holds L^-1 of every position's covariance L L^T, so that a distance takes one product and a norm.
    """

    def __init__(self, spec: Spec, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        self.params = {**DEFAULTS, **params}
        self.features = PatchFeatures(spec, features, device)
        count = min(self.params["channels"], self.features.channels)
        drawn = torch.randperm(self.features.channels, generator=torch.Generator().manual_seed(seed))[:count]
        positions = self.features.size[0] * self.features.size[1]
        self.state = {
            "drawn": drawn.to(device),
            "centre": torch.zeros(positions, count, device=device),
            "whitening": torch.zeros(positions, count, count, device=device),
        }
        self.info = {"network_calls": 1, "f": self.features.name}

    @torch.no_grad()
    def fit(self, X: Any, X_valid: Any) -> Method:
        """Compute mean and regularised covariance of every position (equation 1), in double precision."""
        vectors = self.features.fit(X)[:, :, self.state["drawn"]].transpose(0, 1).double()  # (P, N, C)
        centre = vectors.mean(1, keepdim=True)
        centred = vectors - centre
        covariance = centred.mT @ centred / max(1, vectors.shape[1] - 1)
        # Levels weigh alike, so a channel's variance is about one over the number of channels in its level.
        unit = vectors.var((0, 1), correction=0).mean().clamp(min=1e-12)
        covariance.diagonal(dim1=1, dim2=2).add_(self.params["regularisation"] * unit)
        root = torch.linalg.cholesky(covariance)
        identity = torch.eye(covariance.shape[1], dtype=root.dtype, device=root.device).expand_as(root)
        self.state["centre"] = centre[:, 0].float()
        self.state["whitening"] = torch.linalg.solve_triangular(root, identity, upper=False).float()
        return self

    @torch.no_grad()
    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps (N, h, w), float32, in standard deviations."""
        drawn, centre, whitening = self.state["drawn"], self.state["centre"], self.state["whitening"]
        scores, maps = [], []
        for vectors in self.features.transform(X):  # (B, P, C)
            difference = (vectors[:, :, drawn] - centre).transpose(0, 1)  # (P, B, C)
            distances = (difference @ whitening.mT).norm(dim=2).T
            scores.append(distances.amax(1))
            maps.append(self.features.locate(distances))
        return torch.cat(scores).cpu().numpy(), torch.cat(maps).cpu().numpy()

    def state_dict(self) -> dict[str, Tensor]:
        return {**self.state, **self.features.state_dict()}

    def load_state_dict(self, state: dict[str, Tensor]) -> Method:
        state = {key: torch.as_tensor(np.asarray(value)) for key, value in state.items()}
        self.state = {key: state.pop(key).to(value) for key, value in self.state.items()}
        self.features.load_state_dict(state)
        return self
