"""Progressive distillation: one step of a sampler learns to go as far as several did (Salimans & Ho 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from anomark.diffusion.sampler import Predictor
from anomark.diffusion.schedule import Schedule


def distilled_noise(teacher: Predictor, schedule: Schedule, x: Tensor, times: list[int], to: int) -> Tensor:
    """The noise that takes x to the time `to` in one step of DDIM, as far as the teacher goes in several.

    With x_to = what the teacher's steps make of x, and a, s = sqrt(abar), sqrt(1 - abar), the predicted x0 has to be
    (x_to - (s_to / s_t) x) / (a_to - (s_to / s_t) a_t) (their appendix G); the noise is what agrees with it.

    Args:
        teacher: the noise predictor to be imitated; called once at each of `times`.
        x: x_t at the first of the times, (B, ...).
        times: of the teacher's steps, decreasing.
        to: the time after the last step, 0 or more.
    """
    z = x
    for now, following in zip(times, [*times[1:], to], strict=True):
        t = torch.full((len(z),), now, device=z.device)
        noise = teacher(z, t)
        before = float(schedule.alphas_bar[following])
        z = before**0.5 * schedule.predict_x0(z, t, noise) + (1 - before) ** 0.5 * noise
    abar, before = float(schedule.alphas_bar[times[0]]), float(schedule.alphas_bar[to])
    ratio = ((1 - before) / (1 - abar)) ** 0.5
    x0 = (z - ratio * x) / (before**0.5 - ratio * abar**0.5)
    return schedule.predict_noise(x, torch.full((len(x),), times[0], device=x.device), x0)
