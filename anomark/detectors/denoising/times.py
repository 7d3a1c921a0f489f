"""Diffusion time estimation at every position of a map: how long the vector there seems to have been noised."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.training import Step
from anomark.diffusion.schedule import Schedule


class TimeClassifier(nn.Module):
    """Tells in which of equal parts of 0..T-1 the time t of x_t = x_0 + sigma_t n lies (Livernoche et al. 2024).

    Beta is linear from 1e-4 to .01, and there is no drift. A perceptron sees one position at a time and is not told t.

    Args:
        channels: of a map.
        hidden: units of the hidden layers.
        parts: of 0..T-1.
        T: steps.
    """

    def __init__(self, channels: int, *, hidden: Sequence[int], parts: int, T: int) -> None:
        super().__init__()
        widths = [channels, *hidden, parts]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Conv2d(before, after, 1), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])
        self.parts, self.T = parts, T
        #: sigma_t^2, float64 (T,).
        self.variance = 1 - Schedule(torch.linspace(1e-4, 0.01, T)).alphas_bar[1:]

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, h, w) to logits (B, parts, h, w)."""
        logits: Tensor = self.layers(x)
        return logits

    def estimate(self, x: Tensor) -> Tensor:
        """The expected part at every position of maps, (B, h, w), in [0, parts - 1]."""
        return torch.einsum("bkhw,k->bhw", self(x).softmax(1), torch.arange(self.parts).to(x))

    def loss(self, maps: Callable[[Tensor], Tensor]) -> Callable[[Callable[..., Tensor], Step], Tensor]:
        """Cross entropy of the part of t, uniform at every position, as `train_averaged` takes it."""

        def loss(predict: Callable[..., Tensor], step: Step) -> Tensor:
            x = maps(step.batch)
            t = torch.randint(self.T, (len(x), *x.shape[2:]), generator=step.generator, device=x.device)
            noise = torch.randn(x.shape, generator=step.generator, device=x.device)
            noised = x + self.variance[t.cpu()].sqrt().to(x)[:, None] * noise
            return F.cross_entropy(predict(noised), t * self.parts // self.T)

        return loss
