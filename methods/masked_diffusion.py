"""Masked diffusion: half of a sample is hidden in noise and filled in from the other half, then the halves change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from anomark.detectors.denoising.model import MapDenoiser
from anomark.detectors.diffusion_training import train_averaged
from anomark.detectors.training import Step
from anomark.diffusion.masking import discs, grids, in_frequencies, patches
from anomark.diffusion.sampler import shared_noise

NAME = "Masked diffusion"
LABEL = "mDDPM"
PAPER = "Iqbal et al.: Unsupervised Anomaly Detection in Medical Images Using Masked Diffusion Model. MLMI 2023"
PUBLISHED = (
    "In training up to five patches of a brain image, each 9 to 18% of a side, are replaced by versions of them "
    "without low or high frequencies, and a U-Net predicts the clean image from its noised copy (simplex noise, L1). "
    "In a test, boxes of the image are noised to t = 500 of 1000 in turn and predicted in one call each "
    "(hasan1292/mDDPM@e76b948)."
)
DIFFERS = (
    "Masked parts are hidden by noise in training as they are in a test, in random boxes of a quarter of the side, of "
    "which about half are masked. A test takes two calls, one for each half of a chessboard of such boxes. Noise is "
    "Gaussian. It runs on f's whitened maps, where pixels would need a longer training; `masked_diffusion-pixels` has "
    "those. The published threshold is chosen on lesions; there is none here."
)
FAMILY = "diffusion"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended",)
VARIANTS = {
    "masked_diffusion-frequency": {
        "frequencies": True,
        "SUITES": ("extended",),
        "DIFFERS": "Frequencies of the map are masked in place of boxes: first the low ones, then all others.",
    },
    "masked_diffusion-pixels": {
        "space": "pixels",
        "share": 1.0,
        "NEEDS": (),
        "FULL_RESOLUTION": False,
        "SUITES": ("extended",),
        "DIFFERS": "Pixels at the suite's resolution are masked, and the score is the mean of the whole map.",
    },
}
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 2e-3,
    "width": 32,
    "space": "features",
    "schedule": "linear",  # 1e-4 to .02, Ho et al. 2020, section 4
    "T": 1000,
    "time": 500,  # t of the noise in masked parts, as published
    "side": 0.25,  # of a box, as a share of the map's sides
    "frequencies": False,
    "radius": 0.125,  # of the disc of low frequencies, in cycles per position
    "share": 0.02,  # of the map; the score is the mean of that share's largest values
}


class Method(MapDenoiser):
    """Map = squared difference of what was masked to what is filled in, averaged over channels."""

    defaults = DEFAULTS
    calls = 2

    def build(self, channels: int) -> nn.Module:
        """A predictor of the clean map."""
        return self.unet(channels)

    def train(self, rows: Any, maps: Callable[[Tensor], Tensor], X: Any) -> nn.Module:
        p = self.params

        def loss(predict: Callable[..., Tensor], step: Step) -> Tensor:
            x = maps(step.batch)
            draw: dict[str, Any] = {"generator": step.generator, "device": x.device}
            noise = torch.randn(x.shape, **draw)
            if p["frequencies"]:
                mask = self.masks(x)[torch.randint(2, (len(x),), **draw)]
            else:
                side = max(1, round(p["side"] * min(x.shape[2:])))
                mask = patches(x.shape[2:], side, x.new_full((len(x),), 0.5), step.generator)[:, None]
            return self.part(self.filled_in(predict, x, noise, mask) - x, mask).abs().mean()

        return train_averaged(self.network, rows, loss, params=p, seed=self.seed, device=self.device)

    def masks(self, x: Tensor) -> Tensor:
        """Two complementary masks for maps (B, C, h, w): bool (2, 1, h, w)."""
        p, size = self.params, x.shape[2:]
        both = discs(size, p["radius"]) if p["frequencies"] else grids(size, p["side"])
        return both[:, None].to(x.device)

    def part(self, x: Tensor, mask: Tensor) -> Tensor:
        """What of maps lies in the mask, and 0 elsewhere."""
        return in_frequencies(x, mask) if self.params["frequencies"] else x * mask

    def filled_in(self, predict: Callable[..., Tensor], x: Tensor, noise: Tensor, mask: Tensor) -> Tensor:
        """The prediction of maps x, whose masked part is noised."""
        t = torch.full((len(x),), self.params["time"], device=x.device)
        return predict(x + self.part(self.schedule.q_sample(x, t, noise) - x, mask), t)

    def errors(self, maps: Tensor) -> Tensor:
        noise = next(shared_noise(maps, seed=0))
        total = torch.zeros_like(maps[:, :1])
        for mask in self.masks(maps):
            missed = self.part(self.filled_in(self.network, maps, noise, mask) - maps, mask)
            total = total + missed.square().mean(1, keepdim=True)
        return total
