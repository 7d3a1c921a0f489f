"""Plain diffusion model: a sample is noised part of the way and denoised, and the score is how much it changed."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from anomark.contracts import Spec
from anomark.detectors.denoising.distillation import distil
from anomark.detectors.diffusion import Reconstructor, start_of
from anomark.detectors.diffusion_training import train_network
from anomark.detectors.frontend import front_end
from anomark.detectors.reconstruction import ReconstructionScore
from anomark.detectors.training import seeded
from anomark.diffusion.schedule import Schedule
from anomark.nn.unet import UNet

NAME = "Denoising diffusion probabilistic model"
LABEL = "DDPM"
PAPER = (
    "Ho, Jain, Abbeel: Denoising Diffusion Probabilistic Models. NeurIPS 2020; scored as in Wyatt et al.: AnoDDPM. "
    "CVPR Workshops 2022"
)
PUBLISHED = (
    "The loss on the predicted noise, T = 1000 and a linear beta. As in AnoDDPM, a test sample is noised to T' = 250, "
    "denoised and compared with itself."
)
DIFFERS = (
    "T' is 100 for images, because at 250 the noise hides small ones: AUROC was .64 and .67 against .85 and .83 on "
    "textures, and only on transistor .06 higher. The noise is Gaussian instead of simplex noise. To fit a CPU's "
    "budget, DDIM makes 10 network calls instead of 250 ancestral steps, and the U-Net has one block a stage, no "
    "attention, and the suite's width. All test samples share their noise, so that no score depends on the other "
    "samples. Windows and clips pass through an invertible scalogram."
)
FAMILY = "diffusion"
MODALITIES = ("image", "series", "audio")
VARIANTS = {
    "ddpm-distilled-5": {
        "stages": [10, 5],
        "calls": 5,
        "MODALITIES": ("image", "series"),
        "SUITES": ("extended",),
        "DIFFERS": "Distilled from 10 network calls to 5 (Salimans, Ho: Progressive Distillation. ICLR 2022), by as "
        "many steps as the network was trained with.",
    },
    "ddpm-distilled-2": {
        "stages": [10, 2],
        "calls": 2,
        "MODALITIES": ("image", "series"),
        "SUITES": ("extended",),
        "DIFFERS": "Distilled from 10 network calls to 2, each of which imitates five.",
    },
    "ddpm-distilled-1": {
        "stages": [10, 2, 1],
        "calls": 1,
        "MODALITIES": ("image", "series"),
        "SUITES": ("extended",),
        "DIFFERS": "Distilled from 10 network calls to 2, and from these to 1.",
    },
}
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 2e-3,
    "width": 32,
    "multipliers": [1, 2, 3, 4],
    "schedule": "linear",  # 1e-4 to .02, Ho et al. 2020, section 4
    "T": 1000,
    "start": {"image": 100, "series": 250, "audio": 250},  # T'; 250 in AnoDDPM, section 4, and see `start_of`
    "sampler": "ddim",
    "calls": 10,
    "eta": 0.0,
    "draws": 1,
    "stages": [],  # numbers of calls that the network is distilled through, its own first; none: it is left as it is
}
#: What `sweep` tries beside the model's own setting: network calls K, T' as shares of T, and the start from pure noise.
SWEEP = {"calls": (1, 2, 5, 10, 25, 50, 250), "start": (0.05, 0.1, 0.25, 0.5, 0.75, 1.0), "from_noise": (True,)}


class Method(Reconstructor):
    """Score = mean squared error between sample and reconstruction; map = the squared error of every pixel or step.

    A U-Net predicts the noise. Windows and clips are noised and denoised as scalograms, and the error is taken in the
    signal, after the inverse transform.
    """

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        self.seed, self.device = seed, device
        self.params = {**DEFAULTS, **params}
        self.params["start"] = start_of(self.params, spec)
        self.schedule = Schedule.named(self.params["schedule"], self.params["T"])
        self.front = front_end(spec).to(device)
        self.score = ReconstructionScore(self.front, draws=self.params["draws"]).to(device)
        with seeded(seed):
            network = UNet(self.front.shape[0], width=self.params["width"], multipliers=self.params["multipliers"])
        self.network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.info = {"network_calls": self.network_calls}

    def fit(self, X: Any, X_valid: Any) -> Method:
        """Minimise the mean squared error of the predicted noise at uniform t (Ho et al. 2020, equation 14)."""
        self.front.fit(X)
        self.network = train_network(
            self.network,
            self.front.frames(X),
            self.schedule,
            lambda noised, predicted: F.mse_loss(predicted, noised.noise),
            params=self.params,
            seed=self.seed,
            device=self.device,
            maps=self.front,
        )
        self.network = distil(
            self.network,
            self.front.frames(X),
            self.schedule,
            self.params["stages"],
            start=self.params["start"],
            params=self.params,
            seed=self.seed,
            device=self.device,
            maps=self.front,
        )
        return self
