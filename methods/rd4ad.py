"""Reverse distillation: a decoder rebuilds the levels of the frozen network f from a bottleneck of normal images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.levels.matching import LevelMatcher, ReverseStudent
from anomark.detectors.training import Step

NAME = "Reverse distillation"
LABEL = "RD4AD"
PAPER = "Deng, Li: Anomaly Detection via Reverse Distillation from One-Class Embedding. CVPR 2022"
PUBLISHED = (
    "Three levels of WideResNet-50 are brought to one size and pass a residual block, whose code is half as large as "
    "the deepest. A decoder that mirrors the network rebuilds the levels. The loss is 1 - cosine of the flattened "
    "levels in the code hq-deng/RD4AD@6554076, and of each position in the paper. The map is the sum of 1 - cosine at "
    "each position, blurred, and the score is its largest value. Adam runs for 200 epochs of batches of 16."
)
DIFFERS = (
    "Bottleneck and decoder are 3x3 convolutions of f's own widths with group normalisation, so that no score depends "
    "on a batch. The levels are the first three of f's `map_levels`, centred and scaled. There are fewer steps, the "
    "map is not blurred, and the score is the mean of its largest 2%. `rd4ad-paper` has the paper's loss."
)
FAMILY = "features"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended", "paper-cpu")
VARIANTS = {
    "rd4ad-paper": {
        "flattened": False,
        "SUITES": ("extended",),
        "DIFFERS": "The loss is 1 - cosine of each position, as in equation 2 of the paper.",
    }
}
DEFAULTS = {
    "steps": 150,
    "batch_size": 16,
    "lr": 3e-3,  # 5e-3 in the authors' code
    "betas": [0.5, 0.999],
    "levels": [0, 3],
    "share": 0.02,
    "flattened": True,
}


class Method(LevelMatcher):
    """Loss = 1 - cosine of the flattened levels, summed over them; map = the sum of 1 - cosine at each position."""

    defaults = DEFAULTS

    def build(self) -> nn.Module:
        return ReverseStudent(self.features.channels, self.features.sizes)

    def loss(self, levels: Sequence[Tensor], step: Step) -> Tensor:
        if not self.params["flattened"]:
            return super().loss(levels, step)
        pairs = zip(*self.compared(levels), strict=True)
        cosines = [F.cosine_similarity(t.flatten(1), p.flatten(1), dim=1) for t, p in pairs]
        return torch.stack([1 - cosine.mean() for cosine in cosines]).sum()
