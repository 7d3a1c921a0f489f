"""What steers a sampler: functions that change the predicted x0 before the sampler goes on with it.

A guide takes x_t, the predicted x0 and t, and gives the x0 to go on with; the sampler takes the noise that agrees with
it. Where y is the sample that is tested, a guide holds the reconstruction near y, or near the part of y that is known
to be normal. Each function here makes such a guide for given y.
"""

from __future__ import annotations

import torch
from torch import Tensor

from anomark.diffusion.sampler import Guide, Predictor
from anomark.diffusion.schedule import Schedule


def toward(y: Tensor, schedule: Schedule, weight: float) -> Guide:
    """x0 + w (1 - abar_t) (y - x0): the denoiser is conditioned on y (Mousakhan et al. 2023, algorithm 1).

    The paper noises y by the predicted noise to y_t, and takes w sqrt(1 - abar_t) (y_t - x_t) off that noise, which is
    the same. The step is at most the whole way to y, where the paper overshoots it if w (1 - abar_t) is above 1.

    Args:
        y: (B, ...).
        weight: w >= 0.
    """

    def guide(x_t: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        step = (weight * schedule.at(1 - schedule.alphas_bar, t, x0)).clamp(max=1)
        return x0 + step * (y - x0)

    return guide


def nearer(y: Tensor, predict: Predictor, schedule: Schedule, weight: float) -> Guide:
    """The gradient of |y - x0(x_t)|, a row's Euclidean norm, is followed downhill (Chung et al. 2023, algorithm 1).

    The noise is changed by w sqrt(1 - abar_t) times the gradient with respect to x_t. The network is called once more
    at each step, since the gradient goes through it.
    """

    def guide(x_t: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x_t.detach().requires_grad_()
            distance = (y - schedule.predict_x0(x, t, predict(x, t))).flatten(1).norm(dim=1)
            (gradient,) = torch.autograd.grad(distance.sum(), x)
        return x0 - weight * schedule.at((1 - schedule.alphas_bar) / schedule.alphas_bar.sqrt(), t, x0) * gradient

    return guide


def keep(y: Tensor, known: Tensor) -> Guide:
    """y where it is known, and the prediction elsewhere.

    From x_t = sqrt(abar_t) y + sqrt(1 - abar_t) n, DDIM without noise then holds the known part at y, noised by n to
    each of its times.

    Args:
        known: bool, of a shape that can be expanded to that of y.
    """
    return lambda x_t, x0, t: torch.where(known, y, x0)


def fused(y: Tensor, trust: Guide) -> Guide:
    """x0 + m (y - x0), where m in [0, 1] says of each position how far y is to be trusted there (Yao et al. 2024).

    Args:
        trust: x_t, x0 and t -> m, of a shape that can be expanded to theirs.
    """
    return lambda x_t, x0, t: x0 + trust(x_t, x0, t) * (y - x0)
