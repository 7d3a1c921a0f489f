"""STFPM: a student learns the levels of the frozen network f from normal images, and fails on what it never saw."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.levels.matching import Distillation, half_squared_distance
from anomark.detectors.training import Step

NAME = "Student-teacher feature pyramid matching"
LABEL = "STFPM"
PAPER = "Wang et al.: Student-Teacher Feature Pyramid Matching for Anomaly Detection. BMVC 2021"
PUBLISHED = (
    "A ResNet-18 with random weights learns three levels of a pretrained one by half the squared distance of unit "
    "vectors at each position. The map is the product of the levels' distances, and the score is its largest value. "
    "SGD runs for 100 epochs, and the best epoch on held-out normal images is kept."
)
DIFFERS = (
    "The student is no copy of f, whose depthwise convolutions take seven times as long to train. It starts from f's "
    "finest level instead of pixels, and has two 3x3 convolutions for each level behind it, with group normalisation, "
    "so that no score depends on a batch. It learns f's `map_levels`, centred and scaled. Adam at a constant rate "
    "takes the place of SGD, and the last weights are kept. Levels are added in the map, which found more on "
    "transistor than their product, and the score is the mean of the map's largest 2%."
)
FAMILY = "features"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended", "paper-cpu")
VARIANTS = {
    "stfpm-ikd": {
        "loss": "ikd",
        "SUITES": ("extended",),
        "LABEL": "IKD",
        "DIFFERS": "Informative knowledge distillation (Cao et al., Knowledge-Based Systems 2022; "
        "caoyunkang/IKD@ec8d4f9): positions count whose distance is above a moving margin, and the relations between "
        "positions are learnt too. Each level has a margin of its own, as in the authors' later code of CDO.",
    },
    "stfpm-ensemble": {
        "students": 3,
        "SUITES": ("extended",),
        "LABEL": "Students",
        "DIFFERS": "After Bergmann et al. (CVPR 2020): the error of the mean of three students, and the students' "
        "variance, each in standard units of training data, are added. The paper's students learn patch descriptors "
        "from pixels.",
    },
}
DEFAULTS = {
    "steps": 150,
    "batch_size": 16,  # 32 in the paper, section 4.1
    "lr": 3e-3,
    "levels": [0, None],
    "share": 0.02,
    "loss": "distance",  # or "ikd"
    "students": 1,
}


class Method(Distillation):
    """Loss = half the squared distance of unit vectors (equation 1); map = its sum over levels."""

    defaults = DEFAULTS

    def build(self) -> nn.Module:
        levels = len(self.features.channels) - 1
        students = nn.ModuleList(super(Method, self).build() for _ in range(self.params["students"]))
        students.register_buffer("margin", torch.zeros(levels))
        students.register_buffer("usual", torch.tensor([0.0, 1.0]).repeat(levels, 2, 1))  # mean and deviation, of both
        return students

    def loss(self, levels: Sequence[Tensor], step: Step) -> Tensor:
        loss = self.informative if self.params["loss"] == "ikd" else self.distance
        pairs = [enumerate(zip(levels[1:], student(levels), strict=True)) for student in self.trained]
        return torch.stack([loss(i, t, p) for pair in pairs for i, (t, p) in pair]).sum()

    @staticmethod
    def distance(level: int, target: Tensor, predicted: Tensor) -> Tensor:
        return half_squared_distance(target, predicted).mean()

    def informative(self, level: int, target: Tensor, predicted: Tensor) -> Tensor:
        """Mean of the distances above the margin, which follows mean + 2 deviations, and the error of the relations."""
        distances = 2 * half_squared_distance(target, predicted)
        margin, now = self.trained.margin, distances.detach()
        margin[level] = 0.01 * margin[level] + 0.99 * (now.mean() + 2 * now.std(correction=0))
        above = distances > margin[level]
        hard = (distances * above).sum() / above.sum().clamp(min=1)
        return hard + (relations(target) - relations(predicted)).square().mean()

    def finish(self, levels: Sequence[Tensor]) -> None:
        if self.params["students"] > 1:
            parts = [self.parts([level[i : i + 16] for level in levels]) for i in range(0, len(levels[0]), 16)]
            for level, found in enumerate(zip(*parts, strict=True)):
                terms = torch.cat(found, dim=1).flatten(1)  # (2, N P)
                self.trained.usual[level] = torch.stack([terms.mean(1), terms.std(1).clamp(min=1e-6)], dim=1)

    def values(self, levels: Sequence[Tensor]) -> list[Tensor]:
        if self.params["students"] == 1:
            return [half_squared_distance(*pair) for pair in zip(levels[1:], self.trained[0](levels), strict=True)]
        usual = self.trained.usual[..., None, None, None]  # (levels, 2, mean or deviation, 1, 1, 1)
        return [((p - u[:, 0]) / u[:, 1]).sum(0) for p, u in zip(self.parts(levels), usual, strict=True)]

    def parts(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Error of the students' mean, and their variance, (2, B, h, w) for each level."""
        found = []
        for target, *predicted in zip(levels[1:], *(student(levels) for student in self.trained), strict=True):
            students = torch.stack([F.normalize(p, dim=1) for p in predicted])
            mean = students.mean(0)
            error = (F.normalize(target, dim=1) - mean).square().sum(1)
            found.append(torch.stack([error, (students - mean).square().sum(2).mean(0)]))
        return found


def relations(level: Tensor) -> Tensor:
    """Cosines of all pairs of positions, (B, c, h, w) -> (B, P, P)."""
    vectors = F.normalize(level, dim=1).flatten(2)
    return vectors.mT @ vectors
