"""SimpleNet: a small network tells features of the frozen network f from the same features with noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from anomark.detectors.levels.detector import LevelDetector
from anomark.detectors.levels.features import resized
from anomark.detectors.training import Step

NAME = "SimpleNet"
LABEL = "SimpleNet"
PAPER = "Liu et al.: SimpleNet: A Simple Network for Image Anomaly Detection and Localization. CVPR 2023"
PUBLISHED = (
    "Patch features of two levels of WideResNet-50 pass a linear adapter. A perceptron gives them a value above .5 and "
    "the same features with Gaussian noise (deviation .015) one below -.5. The map is minus that value, and the score "
    "its largest. The state with the best AUROC on the test set is kept (DonaldRR/SimpleNet@15f87c5)."
)
DIFFERS = (
    "The last state is kept. f's `map_levels` are joined at the size of the deepest but one, each channel centred and "
    "scaled, so the deviation of the noise is in the channels' own. Batch normalisation in the perceptron is left out, "
    "one Adam trains adapter and perceptron at one rate, and the score is the mean of the map's largest 2%."
)
FAMILY = "features"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended",)
DEFAULTS = {
    "steps": 150,
    "batch_size": 16,  # 8 in the authors' run.sh
    "lr": 1e-3,  # of the adapter 1e-4, of the perceptron 2e-4 there
    "weight_decay": 1e-5,
    "hidden": 256,  # 1024 there, for 1536 channels
    "noise": 0.5,
    "margin": 0.5,
    "levels": [0, None],
    "share": 0.02,
}


class Method(LevelDetector):
    """Loss = mean of max(0, margin - D(x)) + mean of max(0, margin + D(x + noise)); value = -D(x)."""

    defaults = DEFAULTS

    def build(self) -> nn.Module:
        channels, hidden = sum(self.features.channels), self.params["hidden"]
        perceptron = [nn.Conv2d(channels, hidden, 1), nn.LeakyReLU(0.2), nn.Conv2d(hidden, 1, 1, bias=False)]
        return nn.ModuleDict({"adapter": nn.Conv2d(channels, channels, 1), "perceptron": nn.Sequential(*perceptron)})

    def adapted(self, levels: Sequence[Tensor]) -> Tensor:
        """Levels, joined at the size of the deepest but one, behind the adapter, (B, C, h, w)."""
        size = levels[max(0, len(levels) - 2)].shape[-2:]
        adapted: Tensor = self.trained["adapter"](torch.cat([resized(level, size) for level in levels], dim=1))
        return adapted

    def loss(self, levels: Sequence[Tensor], step: Step) -> Tensor:
        p, features = self.params, self.adapted(levels)
        noise = torch.randn(features.shape, generator=step.generator, device=features.device)
        normal, noisy = (self.trained["perceptron"](x) for x in (features, features + p["noise"] * noise))
        return (p["margin"] - normal).clamp(min=0).mean() + (p["margin"] + noisy).clamp(min=0).mean()

    def values(self, levels: Sequence[Tensor]) -> list[Tensor]:
        return [-self.trained["perceptron"](self.adapted(levels))[:, 0]]
