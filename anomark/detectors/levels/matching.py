"""Networks that predict f's levels, and what they miss: students of f, and decoders behind a bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.levels.detector import LevelDetector
from anomark.detectors.levels.features import resized
from anomark.detectors.training import Step
from anomark.nn.unet import group_norm


class LevelMatcher(LevelDetector):
    """A method whose network predicts levels of f; how anomalous a position is, is how far the prediction is off.

    The distance is half the squared one of unit vectors, and the loss is its mean, summed over levels.
    """

    def compared(self, levels: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Levels of f to what is to be predicted and to the predictions, lists of maps (B, c, h, w)."""
        return levels, self.trained(levels)

    def values(self, levels: Sequence[Tensor]) -> list[Tensor]:
        return [half_squared_distance(t, p) for t, p in zip(*self.compared(levels), strict=True)]

    def loss(self, levels: Sequence[Tensor], step: Step) -> Tensor:
        return torch.stack([values.mean() for values in self.values(levels)]).sum()


class Distillation(LevelMatcher):
    """A student that sees the finest level of f predicts all others."""

    def build(self) -> nn.Module:
        return Student(self.features.channels, self.features.sizes)

    def compared(self, levels: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        return levels[1:], self.trained(levels)


def half_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Of unit vectors at every position, (B, c, h, w) twice -> (B, h, w): 1 - cosine, in [0, 2]."""
    return (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(1) / 2


class Student(nn.Module):
    """Convolutions that lead from f's finest level to all others, as f's own layers do: levels -> all but the finest.

    A stage is two 3x3 convolutions with group normalisation and ReLU, the first of which takes f's stride, and a 1x1
    convolution, since f's levels are linear.

    Args:
        channels, sizes: of f's levels, finest first.
    """

    def __init__(self, channels: Sequence[int], sizes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for (into, out), (size, smaller) in zip(pairwise(channels), pairwise(sizes), strict=True):
            stride = stride_between(size, smaller)
            self.stages.append(
                nn.Sequential(*convolution(into, out, stride), *convolution(out, out), nn.Conv2d(out, out, 1))
            )

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        h, outputs = levels[0], []
        for stage in self.stages:
            h = stage(h)
            outputs.append(h)
        return outputs


class ReverseStudent(nn.Module):
    """All levels through one small code and back: levels -> levels, the deepest rebuilt first.

    Every level is brought to half the deepest one's size and joined, and a 1x1 and a 3x3 convolution make the code. At
    each level on the way back the map is enlarged and convolved, and a 1x1 convolution gives the level.

    Args:
        channels, sizes: of f's levels, finest first.
    """

    def __init__(self, channels: Sequence[int], sizes: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.sizes = [tuple(size) for size in sizes]
        self.small = tuple(-(-n // 2) for n in sizes[-1])
        code = channels[-1]
        self.fusion = nn.ModuleList(
            nn.Sequential(*convolution(c, c, stride_between(size, self.small)))
            for c, size in zip(channels, sizes, strict=True)
        )
        self.code = nn.Sequential(nn.Conv2d(sum(channels), code, 1), *convolution(code, code))
        before = [code, *reversed(channels[1:])]
        self.stages = nn.ModuleList(
            nn.Sequential(*convolution(b, c), *convolution(c, c))
            for b, c in zip(before, reversed(channels), strict=True)
        )
        self.heads = nn.ModuleList(nn.Conv2d(c, c, 1) for c in reversed(channels))

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        joined = [resized(net(level), self.small) for net, level in zip(self.fusion, levels, strict=True)]
        h, outputs = self.code(torch.cat(joined, dim=1)), []
        for size, stage, head in zip(reversed(self.sizes), self.stages, self.heads, strict=True):
            h = stage(F.interpolate(h, size=size, mode="nearest"))
            outputs.append(head(h))
        return outputs[::-1]


def convolution(channels: int, out: int, stride: tuple[int, int] = (1, 1)) -> list[nn.Module]:
    """A 3x3 convolution with group normalisation, whose statistics are those of one sample, and ReLU."""
    return [nn.Conv2d(channels, out, 3, stride, padding=1, bias=False), group_norm(out), nn.ReLU()]


def stride_between(size: Sequence[int], smaller: Sequence[int]) -> tuple[int, int]:
    """The stride of a convolution from maps of one size (h, w) to maps of about another."""
    height, width = (max(1, round(n / m)) for n, m in zip(size, smaller, strict=True))
    return height, width
