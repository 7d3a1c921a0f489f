"""Deviation correction: a network trained to undo corrupted patches changes a sample where it deviates from normal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from anomark.detectors.denoising.model import MapDenoiser
from anomark.detectors.diffusion_training import train_averaged
from anomark.detectors.training import Step
from anomark.diffusion.masking import patches

NAME = "Deviation correction diffusion"
LABEL = "DeCo-Diff"
PAPER = "Beizaee, Lodygensky, Desrosiers, Dolz: Correcting Deviations from Normality. CVPR 2025"
PUBLISHED = (
    "In the latent space of Stable Diffusion's autoencoder, patches of random size are moved toward noise, or toward "
    "patches shuffled across the batch, by a step t of 10 of a cosine schedule. The network predicts the deviation. A "
    "test starts from the sample itself and makes 5 steps; the score is the largest root of the product of pixel and "
    "latent difference (farzad-bz/DeCo-Diff@05265aa: UNet_L, 800 epochs, one model for all categories)."
)
DIFFERS = (
    "f's whitened maps take the place of the autoencoder's latent space. There is no way back to pixels, so the latent "
    "difference is the whole score. Published differences are cut off at fixed values of that space and blurred; "
    "here neither is done. There is one model a category, and no augmentation. The score is the mean of the map's "
    "largest 2%. It does not carry over well: after 150 steps AUROC is .75 on transistor, where the distance to the "
    "mean alone has .98, because noise that is added to whitened maps looks like what is normal in them."
)
FAMILY = "diffusion"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended",)
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 2e-3,
    "width": 32,
    "space": "features",
    "schedule": "cosine",
    "T": 10,
    "calls": 5,  # the authors' --reverse-steps: from t = 5 of 10
    "patches": [1, 2, 4, 8],  # sides that are drawn from, in positions; the authors' latent has twice the positions
    "changed": 0.7,  # largest share of the patches that is changed; the authors' --mask-ratio
    "shuffled": 0.3,  # largest share of these that comes from elsewhere in the batch; their --patch-shuffle-ratio
    "share": 0.02,  # of the map; the score is the mean of that share's largest values
}


class Method(MapDenoiser):
    """Map = mean absolute difference, over channels, between the sample and its correction."""

    defaults = DEFAULTS

    def build(self, channels: int) -> nn.Module:
        """A predictor of the deviation d in x_t = x_0 + sqrt(1 - abar_t) d."""
        return self.unet(channels)

    def train(self, rows: Any, maps: Callable[[Tensor], Tensor], X: Any) -> nn.Module:
        p = self.params

        def loss(predict: Callable[..., Tensor], step: Step) -> Tensor:
            x, generator = maps(step.batch), step.generator
            draw: dict[str, Any] = {"generator": generator, "device": x.device}
            t = torch.randint(1, p["T"] + 1, (len(x),), **draw)
            size, side = x.shape[2:], p["patches"][int(torch.randint(len(p["patches"]), (), **draw))]
            mask = patches(size, side, p["changed"] * torch.rand(len(x), **draw), generator)[:, None]
            moved = patches(size, side, p["shuffled"] * torch.rand(len(x), **draw), generator)[:, None]
            noise = torch.where(moved, shuffled(x, side, generator), torch.randn(x.shape, **draw))
            change = mask * (self.schedule.q_sample(x, t, noise) - x)
            deviation = change / self.schedule.at((1 - self.schedule.alphas_bar).sqrt(), t, x)
            return (predict(x + change, t) - deviation).square().mean()

        return train_averaged(self.network, rows, loss, params=p, seed=self.seed, device=self.device)

    def errors(self, maps: Tensor) -> Tensor:
        return (maps - self.corrected(maps)).abs().mean(1, keepdim=True)

    def corrected(self, x: Tensor) -> Tensor:
        """Maps after each predicted deviation was scaled down to that of the next smaller t, and at last to none."""
        size = (1 - self.schedule.alphas_bar).sqrt()
        for time in range(self.params["calls"], 0, -1):
            deviation = self.network(x, torch.full((len(x),), time, device=x.device))
            x = x - float(size[time] - size[time - 1]) * deviation
        return x


def shuffled(x: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Maps (B, C, h, w) whose whole patches of a regular grid change places among all rows; a remainder stays."""
    h, w = (n // side * side for n in x.shape[2:])
    cells = x[:, :, :h, :w].unflatten(3, (-1, side)).unflatten(2, (-1, side)).permute(0, 2, 4, 1, 3, 5)
    flat = cells.flatten(0, 2)
    order = torch.randperm(len(flat), generator=generator, device=x.device)
    result = x.clone()
    back = flat[order].reshape(cells.shape).permute(0, 3, 1, 4, 2, 5)
    result[:, :, :h, :w] = back.flatten(4, 5).flatten(2, 3)
    return result
