"""The forward process and what follows from it in closed form (Ho et al. 2020, section 2)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

ScheduleName = Literal["linear", "cosine"]


class Schedule:
    """Noise schedule beta_1..beta_T with its float64 tables, indexed by t itself: entry 0 is "no noise yet".

    betas
        (T + 1,), betas[0] = 0.
    alphas_bar
        (T + 1,), abar_t = prod_{s <= t} (1 - beta_s), abar_0 = 1.

    Methods take x (B, ...) and t, int64 (B,) in 0..T, and compute in x's type.
    """

    def __init__(self, betas: Tensor) -> None:
        """betas: (T,), each in (0, 1)."""
        self.betas = torch.cat([torch.zeros(1, dtype=torch.float64), betas.double().cpu()])
        self.alphas_bar = torch.cumprod(1 - self.betas, dim=0)
        self.T = len(betas)

    @classmethod
    def named(cls, name: ScheduleName, T: int = 1000) -> Schedule:
        """`linear` (Ho et al. 2020, section 4) or `cosine` (Nichol & Dhariwal 2021, equation 17).

        Linear betas run from 1e-4 to .02 at T = 1000 and scale with 1000 / T, so that abar_T stays near 4e-5.
        """
        if name == "linear":
            betas = torch.linspace(1e-4, 0.02, T, dtype=torch.float64) * (1000 / T)
        elif name == "cosine":
            offset = 0.008  # s of equation 17: keeps beta_1 from being too small
            u = torch.arange(T + 1, dtype=torch.float64) / T
            f = torch.cos((u + offset) / (1 + offset) * math.pi / 2) ** 2
            betas = 1 - f[1:] / f[:-1]
        else:
            raise ValueError(f"schedule is {name!r}, expected 'linear' or 'cosine'")
        return cls(betas.clamp(max=0.999))  # Nichol & Dhariwal's bound against a singular last step

    def at(self, table: Tensor, t: Tensor, x: Tensor) -> Tensor:
        """Entries t of a table (T + 1,), shaped (B, 1, ...) to multiply x."""
        return table[t.cpu()].to(x).reshape(-1, *[1] * (x.ndim - 1))

    def q_sample(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) noise (equation 4)."""
        return self.at(self.alphas_bar.sqrt(), t, x0) * x0 + self.at((1 - self.alphas_bar).sqrt(), t, x0) * noise

    def predict_x0(self, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x0 = (x_t - sqrt(1 - abar_t) noise) / sqrt(abar_t): equation 4 solved for x0, the one-step estimate."""
        return (x_t - self.at((1 - self.alphas_bar).sqrt(), t, x_t) * noise) / self.at(self.alphas_bar.sqrt(), t, x_t)

    def predict_noise(self, x_t: Tensor, t: Tensor, x0: Tensor) -> Tensor:
        """noise = (x_t - sqrt(abar_t) x0) / sqrt(1 - abar_t), t >= 1: equation 4 solved for the noise."""
        return (x_t - self.at(self.alphas_bar.sqrt(), t, x_t) * x0) / self.at((1 - self.alphas_bar).sqrt(), t, x_t)

    def posterior(self, x0: Tensor, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (B, ...) and variance (B, 1, ...) of q(x_{t-1} given x_t, x0), t >= 1 (equations 6 and 7)."""
        abar, beta = self.alphas_bar[1:], self.betas[1:]
        before = self.alphas_bar[:-1]
        weight0 = before.sqrt() * beta / (1 - abar)
        weight_t = (1 - beta).sqrt() * (1 - before) / (1 - abar)
        variance = (1 - before) / (1 - abar) * beta
        i = t - 1
        mean = self.at(weight0, i, x_t) * x0 + self.at(weight_t, i, x_t) * x_t
        return mean, self.at(variance, i, x_t)
