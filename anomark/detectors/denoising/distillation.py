"""Trains a denoiser anew so that fewer calls do: each stage imitates several steps of the one before."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from anomark.detectors.diffusion_training import train_averaged
from anomark.detectors.training import Step
from anomark.diffusion.distillation import distilled_noise
from anomark.diffusion.sampler import ddim_times
from anomark.diffusion.schedule import Schedule


def distil(
    network: nn.Module,
    X: Any,
    schedule: Schedule,
    stages: Sequence[int],
    *,
    start: int,
    params: Mapping[str, Any],
    seed: int,
    device: str,
    maps: Callable[[Tensor], Tensor],
) -> nn.Module:
    """A network that reconstructs from T' in as many calls of DDIM as the last stage has.

    The loss is the squared error of the noise at the student's own times, which is that of x0 weighted by the
    signal-to-noise ratio: up to T' = 250 that is Salimans & Ho's weight max(ratio, 1), since the ratio is above 1.

    Args:
        network: the teacher, which predicts noise; left alone.
        X, maps, params: as `train_network` takes them; every stage takes `steps` steps.
        stages: numbers of calls, those of the teacher first, each a multiple of the next.
        start: T'.
    """
    for before, calls in itertools.pairwise(stages):
        times = ddim_times(start, before)
        each = before // calls
        parts = [(times[i : i + each], [*times, 0][i + each]) for i in range(0, before, each)]
        teacher = copy.deepcopy(network).eval().requires_grad_(False)

        def loss(
            predict: Callable[..., Tensor], step: Step, teacher: nn.Module = teacher, parts: Any = parts
        ) -> Tensor:
            x0 = maps(step.batch)
            draw: dict[str, Any] = {"generator": step.generator, "device": x0.device}
            part, to = parts[int(torch.randint(len(parts), (), **draw))]
            t = torch.full((len(x0),), part[0], device=x0.device)
            x_t = schedule.q_sample(x0, t, torch.randn(x0.shape, **draw)).to(memory_format=torch.channels_last)
            with torch.no_grad():
                target = distilled_noise(teacher, schedule, x_t, part, to)
            return (predict(x_t, t) - target).square().mean()

        student = copy.deepcopy(teacher).requires_grad_(True)
        network = train_averaged(student, X, loss, params=params, seed=seed, device=device, name=f"distil-{calls}")
    return network
