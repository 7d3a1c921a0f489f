"""Adapts the frozen network f to a dataset, so that what a denoiser cannot get right is no difference any more."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from anomark.detectors.backbones.base import FeatureNetwork
from anomark.detectors.diffusion_training import train_averaged
from anomark.detectors.feature_distance import cosine_distance
from anomark.detectors.perceptual import FeatureExtractor
from anomark.detectors.training import Step

#: Weight of staying close to the frozen network: lambda of Mousakhan et al. 2023, equation 11.
STAYING = 0.1
#: Layers that are adapted, the last ones before the deepest level.
LAYERS = 2


def adaptable(f: FeatureNetwork) -> FeatureNetwork:
    """A copy of f whose last layers can be trained, under a name of its own, since its maps are no longer f's."""
    tuned = copy.deepcopy(f)
    deepest = int(f.levels[-1].rpartition(".")[2])
    for layer in tuned.features[deepest - LAYERS + 1 : deepest + 1]:
        layer.requires_grad_(True)
    tuned.name = f"{f.name}-adapted"
    return tuned


def adapt(
    tuned: FeatureNetwork,
    extractor: FeatureExtractor,
    X: Any,
    reconstruct: Callable[[Tensor, Tensor], Tensor],
    *,
    params: Mapping[str, Any],
    seed: int,
    device: str,
) -> nn.Module:
    """Train the copy of f so that reconstructions look like their targets (Mousakhan et al. 2023, section 3.4).

    Another image is denoised towards a target. The loss is the cosine distance of the result and the target in the
    copy, and STAYING times that of the copy and of f for each of the two.

    Args:
        tuned: see `adaptable`.
        extractor: f.
        X: images, as `train_steps` takes them.
        reconstruct: (images to begin with, targets) -> images.
        params: steps, batch_size, lr.
    """

    def loss(predict: Callable[..., Tensor], step: Step) -> Tensor:
        target = step.batch
        with torch.no_grad():
            other = reconstruct(target.roll(1, 0), target)
            frozen = [extractor.f(extractor.enlarged(x, extractor.side)) for x in (target, other)]
        moved = [tuned(extractor.enlarged(x, extractor.side)) for x in (target, other)]
        near = _distance(*moved)
        return near + STAYING * sum(_distance(a, b) for a, b in zip(moved, frozen, strict=True))

    return train_averaged(tuned, X, loss, params=params, seed=seed, device=device, name="adapt")


def _distance(a: list[Tensor], b: list[Tensor]) -> Tensor:
    return torch.stack([cosine_distance(left, right).mean() for left, right in zip(a, b, strict=True)]).sum()
