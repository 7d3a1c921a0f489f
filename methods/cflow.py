"""CFLOW: one conditional normalising flow for all positions of a level of the frozen network f."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from anomark.detectors.levels.detector import LevelDetector
from anomark.detectors.levels.flows import Flow, dense, position_code
from anomark.detectors.training import Step

NAME = "CFLOW-AD"
LABEL = "CFLOW"
PAPER = (
    "Gudovskiy, Ishizaka, Kozuka: CFLOW-AD: Real-Time Unsupervised Anomaly Detection with Localization via Conditional "
    "Normalizing Flows. WACV 2022"
)
PUBLISHED = (
    "Each of three levels has a flow of 8 couplings of vectors, which knows the position by a code of 128 sines. "
    "Levels' likelihoods, exp(log p / C), are divided by their largest value over the test set, added and turned "
    "round. The score is the largest value. The input's size is chosen for each category."
)
DIFFERS = (
    "The largest likelihood of training data takes the place of the test set's, because a score may not depend on "
    "others. Channels are centred and scaled. All categories are seen at one size. A step sees 256 positions of each "
    "level, as published, but there are fewer steps at a higher learning rate, without a schedule, and the last "
    "weights are kept instead of the best on the test set. The score is the mean of the map's largest 2%."
)
FAMILY = "features"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended",)
DEFAULTS = {
    "steps": 150,
    "batch_size": 16,
    "lr": 2e-3,  # 2e-4 in gudovskiy/cflow-ad@b2ebf9e
    "clip_norm": 1.0,
    "vectors": 256,  # positions of each level that a step sees
    "couplings": 8,
    "clamp": 1.9,
    "condition": 128,
    "levels": [0, None],
    "share": 0.02,
}


class Method(LevelDetector):
    """Loss = -log sigmoid(log p / C); value = how far the likelihood is below the largest of training data."""

    defaults = DEFAULTS

    def build(self) -> nn.Module:
        p, flows = self.params, nn.ModuleList()
        for level, (channels, size) in enumerate(zip(self.features.channels, self.features.sizes, strict=True)):
            flow = Flow(
                channels,
                [partial(dense, hidden=2 * channels)],
                couplings=p["couplings"],
                clamp=p["clamp"],
                seed=self.seed + level,
                condition=p["condition"],
            )
            flow.register_buffer("code", position_code(p["condition"], *size).flatten(1).T, persistent=False)
            flow.register_buffer("largest", torch.zeros(()))  # of log p / C over training data
            flows.append(flow)
        return flows

    def loss(self, levels: Sequence[Tensor], step: Step) -> Tensor:
        losses = []
        for flow, level in zip(self.trained, levels, strict=True):
            vectors = level.flatten(2).mT  # (B, P, C)
            drawn = torch.randint(
                vectors.shape[0] * vectors.shape[1],
                (self.params["vectors"],),
                generator=step.generator,
                device=level.device,
            )
            density = flow.log_density(vectors.flatten(0, 1)[drawn], flow.code[drawn % vectors.shape[1]])
            losses.append(-nn.functional.logsigmoid(density / level.shape[1]).mean())
        return torch.stack(losses).sum()

    def finish(self, levels: Sequence[Tensor]) -> None:
        parts = [self.densities([level[i : i + 16] for level in levels]) for i in range(0, len(levels[0]), 16)]
        for flow, densities in zip(self.trained, zip(*parts, strict=True), strict=True):
            flow.largest.copy_(torch.cat(densities).max())

    def values(self, levels: Sequence[Tensor]) -> list[Tensor]:
        densities = zip(self.trained, self.densities(levels), strict=True)
        return [1 - (density - flow.largest).exp() for flow, density in densities]

    def densities(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """log p / C of each position, (B, h, w) for each level."""
        found = []
        for flow, level in zip(self.trained, levels, strict=True):
            vectors = level.flatten(2).mT.flatten(0, 1)
            density = flow.log_density(vectors, flow.code.repeat(len(level), 1)) / level.shape[1]
            found.append(density.reshape(len(level), *level.shape[2:]))
        return found
