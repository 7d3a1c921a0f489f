"""CDO: a student of the frozen network f is kept near it on normal images and away from it on patches of noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from anomark.data.synthetic import changed, noise_patches, synthetic_anomalies
from anomark.detectors.levels.matching import Distillation
from anomark.detectors.training import Step

NAME = "Collaborative discrepancy optimisation"
LABEL = "CDO"
PAPER = (
    "Cao, Xu, Liu, Shen: Collaborative Discrepancy Optimization for Reliable Image Anomaly Localization. IEEE "
    "Transactions on Industrial Informatics 2023"
)
PUBLISHED = (
    "A student learns three levels of HRNet-32. Images get none to four patches of noise. Discrepancies of normal "
    "positions are pulled down with weights (d / mean)^2, those of the patches are pushed up with (mean / d)^2. The "
    "map is the sum of the levels' discrepancies, and the score is the mean of its largest 1%."
)
DIFFERS = (
    "The student is that of `stfpm`: it starts from f's finest level and has 3x3 convolutions with group "
    "normalisation. Each training image has two copies with patches, because f runs on them once before training. "
    "Levels are compared at their own sizes, and there are fewer steps. The score is the mean of the map's largest 2%. "
    "`cdo-normal` leaves the patches and the weights out."
)
FAMILY = "features"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended",)
VARIANTS = {
    "cdo-normal": {"copies": 0, "gamma": 0.0, "LABEL": "CDO normal", "DIFFERS": "The student sees normal images alone."}
}
DEFAULTS = {
    "steps": 150,
    "batch_size": 16,
    "lr": 3e-3,  # 1e-3 in caoyunkang/CDO@b4d6f3a
    "gamma": 2.0,
    "copies": 2,  # with patches, of each training image
    "levels": [0, None],
    "share": 0.02,
}


class Method(Distillation):
    """Loss = (sum of w d over normal positions - sum of w d over patches) / sum of w, summed over levels."""

    defaults = DEFAULTS

    def prepare(self, X: Any, levels: Sequence[Tensor]) -> None:
        """Make the copies with patches: their levels (copies, N, c, h, w), and where the patches are."""
        kept = np.unique(np.linspace(0, len(X) - 1, len(levels[0])).astype(int))
        images = np.asarray(X[kept], dtype=np.float32)
        self.copies: list[list[Tensor]] = []
        self.patches: list[list[Tensor]] = []
        for copy in range(self.params["copies"]):
            made = synthetic_anomalies(images, [noise_patches], (self.seed + copy) % 2**63)
            parts = [*zip(*self.features.transform(made), strict=True)]
            self.copies.append([torch.cat(level) for level in parts])
            where = torch.from_numpy(changed(images, made)).float()[:, None]
            self.patches.append([F.adaptive_max_pool2d(where, size)[:, 0] > 0 for size in self.features.sizes[1:]])

    def loss(self, levels: Sequence[Tensor], step: Step) -> Tensor:
        if not self.params["copies"]:
            return self.weighted(levels, [torch.zeros_like(level[:, 0]).bool() for level in levels[1:]])
        rows, device = step.batch.long(), step.batch.device
        copy = int(torch.randint(len(self.copies), (), generator=step.generator, device=device))
        patches = [where[rows.cpu()].to(device) for where in self.patches[copy]]
        return self.weighted([level[rows] for level in self.copies[copy]], patches)

    def weighted(self, levels: Sequence[Tensor], patches: Sequence[Tensor]) -> Tensor:
        """The loss of levels where `patches`, bool (B, h, w) for each that is compared, are to be told apart."""
        total, gamma = levels[0].new_zeros(()), self.params["gamma"]
        for d, where in zip(self.values(levels), patches, strict=True):
            normal, synthetic = d[~where], d[where]
            low, high = ((d.detach().clamp(min=1e-6) / d.detach().mean().clamp(min=1e-6)) for d in (normal, synthetic))
            low, high = low**gamma, high**-gamma
            total = total + ((low * normal).sum() - (high * synthetic).sum()) / (low.sum() + high.sum())
        return total
