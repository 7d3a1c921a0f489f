"""Adversarial denoising: beside the loss of the noise, a discriminator judges single steps of the denoising."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.denoising.model import MapDenoiser
from anomark.detectors.diffusion_training import train_averaged
from anomark.detectors.training import Step, seeded
from anomark.diffusion.sampler import reconstruct
from anomark.nn.time_embedding import SinusoidalEmbedding
from anomark.nn.unet import group_norm

NAME = "Adversarial denoising diffusion model"
LABEL = "ADDM"
PAPER = "Yu, Oh, Yang: Adversarial Denoising Diffusion Model for Unsupervised Anomaly Detection. arXiv 2312.04382"
PUBLISHED = (
    "A denoising diffusion model whose training has an adversarial term: a discriminator tells denoised samples from "
    "samples that were noised to the same step. On brain MRI it needs half the steps of the plain model."
)
DIFFERS = (
    "No code was found and the abstract alone could be read, so this is the closest form that it allows. The "
    "discriminator sees x_{t-1}, x_t and t, as in denoising diffusion GANs (Xiao et al. 2022), where x_{t-1} is drawn "
    "from the posterior of the true or of the predicted x0. Its term has weight .01 (this suite's choice). Pixels at "
    "the suite's resolution are denoised from T' = 100 in 10 calls, as by `ddpm`, so that both can be compared."
)
FAMILY = "diffusion"
MODALITIES = ("image",)
SUITES = ("extended",)
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 2e-3,
    "width": 32,
    "space": "pixels",
    "schedule": "linear",  # 1e-4 to .02, Ho et al. 2020, section 4
    "T": 1000,
    "start": 100,
    "calls": 10,
    "adversarial": 0.01,  # weight of the discriminator's term; 0: a plain diffusion model
    "share": 1.0,  # of the map; the score is the mean of all of it
}


class Method(MapDenoiser):
    """Map = squared difference of the sample and its reconstruction, averaged over channels."""

    defaults = DEFAULTS

    def train(self, rows: Any, maps: Callable[[Tensor], Tensor], X: Any) -> nn.Module:
        p, schedule = self.params, self.schedule
        if not p["adversarial"]:
            return super().train(rows, maps, X)
        with seeded(self.seed):
            judge = Discriminator(self.front.shape[0], p["width"]).to(self.device)
        optimiser = torch.optim.Adam(judge.parameters(), lr=p["lr"], betas=(0.5, 0.9))

        def loss(predict: Callable[..., Tensor], step: Step) -> Tensor:
            x0 = maps(step.batch)
            draw: dict[str, Any] = {"generator": step.generator, "device": x0.device}
            t = torch.randint(1, schedule.T + 1, (len(x0),), **draw)
            noise = torch.randn(x0.shape, **draw)
            x_t = schedule.q_sample(x0, t, noise).to(memory_format=torch.channels_last)
            predicted = predict(x_t, t)
            guess = schedule.predict_x0(x_t, t, predicted)
            if self.front.clip is not None:
                guess = guess.clamp(*self.front.clip)
            again = torch.randn(x0.shape, **draw)
            true, fake = (
                mean + variance.sqrt() * again
                for mean, variance in (schedule.posterior(x, x_t, t) for x in (x0, guess))
            )
            verdicts = F.softplus(-judge(true, x_t, t)) + F.softplus(judge(fake.detach(), x_t, t))
            step.minimise(verdicts.mean(), optimiser, clip_norm=1.0)
            fooled = F.softplus(-judge(fake, x_t, t)).mean()
            return F.mse_loss(predicted, noise) + p["adversarial"] * fooled

        others: dict[str, Any] = {"judge": judge, "judge_optimiser": optimiser}
        return train_averaged(self.network, rows, loss, params=p, seed=self.seed, device=self.device, others=others)

    def errors(self, maps: Tensor) -> Tensor:
        p = self.params
        other = reconstruct(
            self.network, self.schedule, maps, seed=0, start=p["start"], calls=p["calls"], clip=self.front.clip
        )
        return (maps - other).square().mean(1, keepdim=True)


class Discriminator(nn.Module):
    """Whether x_{t-1} (B, C, H, W) belongs to x_t: three strided convolutions that know t, to a logit (B,)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        widths = [2 * channels, width, 2 * width, 4 * width]
        self.embedding = SinusoidalEmbedding(4 * width)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in itertools.pairwise(widths)
        )
        self.norms = nn.ModuleList(group_norm(after) for after in widths[1:])
        self.times = nn.ModuleList(nn.Linear(4 * width, after) for after in widths[1:])
        self.last = nn.Linear(4 * width, 1)

    def forward(self, before: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        h, embedding = torch.cat([before, x_t], 1), self.embedding(t)
        for convolution, norm, time in zip(self.convolutions, self.norms, self.times, strict=True):
            h = F.silu(norm(convolution(h)) + time(embedding)[:, :, None, None])
        logit: Tensor = self.last(h.mean((2, 3)))[:, 0]
        return logit
