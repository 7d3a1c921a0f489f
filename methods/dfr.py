"""DFR: a 1x1 convolutional autoencoder of all levels of the frozen network f, joined at the finest size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from anomark.detectors.levels.detector import LevelDetector
from anomark.detectors.levels.features import resized
from anomark.detectors.training import Step, seeded
from anomark.nn.unet import group_norm

NAME = "Deep feature reconstruction"
LABEL = "DFR"
PAPER = "Yang, Shi, Qi: DFR: Deep Feature Reconstruction for Unsupervised Anomaly Segmentation. arXiv:2012.07122, 2020"
PUBLISHED = (
    "Twelve levels of VGG-19 are averaged over 4 x 4 positions and joined. 1x1 convolutions lead through (C + 2k) / 2 "
    "and 2k channels to a code of k, and back; k keeps 90% of the variance (PCA of ten images). Map = squared error."
)
DIFFERS = (
    "f's `map_levels` are joined at the finest size, without the average over 4 x 4 positions, which f's strides "
    "contain. Channels are centred and scaled. k is found from all training images. Group normalisation takes the "
    "place of batch normalisation. The learning rate is higher for fewer steps. The score is the mean of the map's "
    "largest 2%. `dfr-linear` is the PCA alone: what the network adds to it can be read off."
)
FAMILY = "features"
MODALITIES = ("image", "series")
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended",)
VARIANTS = {
    "dfr-linear": {
        "steps": 0,
        "DETERMINISTIC": True,
        "LABEL": "DFR linear",
        "MODALITIES": ("image",),
        "DIFFERS": "The autoencoder is the projection on the k principal components, in closed form.",
    }
}
DEFAULTS = {
    "steps": 150,
    "batch_size": 16,  # 4 in YoungGod/DFR@f2e2d4e
    "lr": 2e-3,  # 1e-4 there
    "variance": 0.9,  # share of it that k principal components keep
    "levels": [0, None],
    "share": 0.02,
}


class Method(LevelDetector):
    """Loss and map = squared error of the joined levels, averaged over channels."""

    defaults = DEFAULTS

    def build(self) -> nn.Module:
        """Without layers, until k is known."""
        return nn.Sequential()

    def prepare(self, X: Any, levels: Sequence[Tensor]) -> None:
        """Choose k by the principal components of the training vectors."""
        channels = sum(self.features.channels)
        total, outer, count = torch.zeros(channels, dtype=torch.double), torch.zeros(channels, channels).double(), 0
        for i in range(0, len(levels[0]), 16):
            vectors = self.join([level[i : i + 16] for level in levels]).double().movedim(1, 3).flatten(0, 2).cpu()
            total, outer, count = total + vectors.sum(0), outer + vectors.T @ vectors, count + len(vectors)
        mean = total / count
        variances, components = torch.linalg.eigh(outer / count - torch.outer(mean, mean))
        kept = variances.flip(0).clamp(min=0).cumsum(0)
        k = int((kept < self.params["variance"] * kept[-1]).sum()) + 1
        self.make(k)
        self.info["code"] = k
        if self.params["steps"] == 0:
            self.project(mean.float(), components[:, -k:].float())

    def make(self, k: int) -> None:
        """Lay out the network with a code of k channels."""
        channels = sum(self.features.channels)
        if self.params["steps"] == 0:
            layers: list[nn.Module] = [nn.Conv2d(channels, k, 1), nn.Conv2d(k, channels, 1)]
        else:
            widths = [channels, (channels + 2 * k) // 2, 2 * k, k, 2 * k, (channels + 2 * k) // 2, channels]
            with seeded(self.seed):
                layers = []
                for into, out in pairwise(widths):
                    layers.append(nn.Conv2d(into, out, 1))
                    if out not in (k, channels):
                        layers += [group_norm(out), nn.ReLU()]
        self.trained = nn.Sequential(*layers).to(self.device)
        self.network["trained"] = self.trained  # type: ignore[operator]

    def project(self, mean: Tensor, components: Tensor) -> None:
        """Make the linear network the projection on the components, (C, k), around the mean, (C,)."""
        down, up = components.T[:, :, None, None], components[:, :, None, None]
        state = {"0.weight": down, "0.bias": -components.T @ mean, "1.weight": up, "1.bias": mean}
        self.trained.load_state_dict(state)

    @staticmethod
    def join(levels: Sequence[Tensor]) -> Tensor:
        """All levels at the size of the finest, (B, sum of c, h, w)."""
        return torch.cat([resized(level, levels[0].shape[-2:]) for level in levels], dim=1)

    def values(self, levels: Sequence[Tensor]) -> list[Tensor]:
        joined = self.join(levels)
        rebuilt: Tensor = self.trained(joined)
        return [(joined - rebuilt).square().mean(1)]

    def loss(self, levels: Sequence[Tensor], step: Step) -> Tensor:
        return self.values(levels)[0].mean()

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        rows = [np.shape(value)[0] for key, value in state.items() if key.endswith(".weight")]
        self.make(min(rows))
        self.network.load_state_dict(state)
        return self
