"""FastFlow: a convolutional normalising flow on each level of the frozen network f."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from anomark.detectors.levels.detector import LevelDetector
from anomark.detectors.levels.flows import Flow, convolutions
from anomark.detectors.training import Step

NAME = "FastFlow"
LABEL = "FastFlow"
PAPER = (
    "Yu et al.: FastFlow: Unsupervised Anomaly Detection and Localization via 2D Normalizing Flows. arXiv:2111.07677, "
    "2021"
)
PUBLISHED = (
    "Each level of f has a flow of 8 couplings, whose convolutions are 3x3 and 1x1 in turn. The loss is the negative "
    "log-likelihood. The map is the mean over levels of -exp(-z^2 / 2), with z^2 averaged over channels, and leaves "
    "the log-determinant out, as in the code gathierry/FastFlow@2cf1f2f; the paper speaks of the likelihood."
)
DIFFERS = (
    "Channels are centred and scaled by training data, where that code has a layer normalisation over the whole map. "
    "The subnetworks have a quarter of the level's channels instead of as many. There are fewer steps, at the same "
    "learning rate, and gradients are clipped. The score is the mean of the map's largest 2%."
)
FAMILY = "features"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended", "paper-cpu")
DEFAULTS = {
    "steps": 150,
    "batch_size": 16,
    "lr": 1e-3,  # with weight decay 1e-5: gathierry/FastFlow@2cf1f2f, constants.py
    "weight_decay": 1e-5,
    "clip_norm": 1.0,
    "couplings": 8,
    "clamp": 2.0,
    "ratio": 0.25,  # width of the subnetworks in a level's channels
    "levels": [0, None],
    "share": 0.02,
}


class Method(LevelDetector):
    """Loss = -log p per channel, summed over levels; value = 1 - exp(-|z|^2 / 2c)."""

    defaults = DEFAULTS

    def build(self) -> nn.Module:
        p, flows = self.params, nn.ModuleList()
        for level, channels in enumerate(self.features.channels):
            hidden = max(1, round(p["ratio"] * channels))
            turns = [partial(convolutions, hidden=hidden, kernel_size=size) for size in (3, 1)]
            flows.append(Flow(channels, turns, couplings=p["couplings"], clamp=p["clamp"], seed=self.seed + level))
        return flows

    def loss(self, levels: Sequence[Tensor], step: Step) -> Tensor:
        densities = [flow.log_density(level) for flow, level in zip(self.trained, levels, strict=True)]
        return torch.stack([-d.mean() / level.shape[1] for d, level in zip(densities, levels, strict=True)]).sum()

    def values(self, levels: Sequence[Tensor]) -> list[Tensor]:
        codes = [flow(level)[0] for flow, level in zip(self.trained, levels, strict=True)]
        return [1 - (-0.5 * z.square().mean(1)).exp() for z in codes]
