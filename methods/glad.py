"""Global and local adaptive diffusion: reconstruction keeps to a sample once and where the two agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anomark.detectors.denoising.generated import generated
from anomark.detectors.denoising.model import MapDenoiser
from anomark.detectors.diffusion_training import train_averaged
from anomark.detectors.training import Step
from anomark.diffusion.guidance import fused
from anomark.diffusion.sampler import reconstruct, shared_noise
from anomark.diffusion.schedule import Schedule

NAME = "Global and local adaptive diffusion"
LABEL = "GLAD"
PAPER = (
    "Yao et al.: GLAD: Towards Better Reconstruction with Global and Local Adaptive Diffusion Models for Unsupervised "
    "Anomaly Detection. ECCV 2024"
)
PUBLISHED = (
    "Stable Diffusion is trained so that it takes an anomaly out as it takes noise out. A test sample is denoised from "
    "t = 750 in 25 calls. As soon as its reconstruction and itself, both as predicted at that step, differ by more "
    "than a threshold in the features of DINO, or t is below 350, both are mixed by the sigmoid of their difference. "
    "Thresholds, starts and checkpoints are chosen for each category (hyao1/GLAD@7fef283)."
)
DIFFERS = (
    "f's whitened maps take the place of the latent space and of DINO. One setting serves all categories: T' = 500, 10 "
    "calls, and as thresholds the 95% quantiles over training images. The loss is the paper's; in the authors' code "
    "the term for the anomaly has the opposite sign, by which the network would learn 2 z - z_n in place of the normal "
    "z_n. The anomalies in training are this suite's synthetic ones. Only a part of the paper's settings could be "
    "read, so the sigmoid's slope is this suite's choice. Errors are squared differences of the two maps. In this form "
    "mixing costs more than it brings: on transistor AUROC is .775 with it and .977 without (`glad-no-mixing`)."
)
FAMILY = "diffusion"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended",)
VARIANTS = {
    "glad-no-mixing": {
        "mixing": False,
        "SUITES": ("extended",),
        "DIFFERS": "The reconstruction never keeps to the sample: what training on anomalies is worth alone.",
    },
}
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 1e-3,
    "width": 32,
    "space": "features",
    "schedule": "linear",
    "T": 1000,
    "start": 500,
    "calls": 10,
    "until": 350,  # t below which all samples are mixed; the authors' value
    "positions": 10,  # the mean of so many largest differences is compared with the threshold; theirs
    "quantile": 0.95,
    "slope": 4.0,
    "mixing": True,
    "share": 0.02,  # of the map; the score is the mean of that share's largest values
}


class Method(MapDenoiser):
    """Map = squared difference of the sample and of its mixed reconstruction, averaged over channels."""

    defaults = DEFAULTS

    def __init__(self, spec: Any, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        super().__init__(spec, seed, device, features, **params)
        self.scale.register_buffer("thresholds", torch.full((self.calls,), torch.inf, device=device))

    def train(self, rows: Any, maps: Callable[[Tensor], Tensor], X: Any) -> nn.Module:
        changed, _ = generated(X[: len(rows)], self.spec.modality, self.seed)
        anomalous = torch.cat(list(self.batches(changed))).cpu().numpy()

        def loss(predict: Callable[..., Tensor], step: Step) -> Tensor:
            normal, other = step.batch.chunk(2, dim=1)
            draw: dict[str, Any] = {"generator": step.generator, "device": normal.device}
            t = torch.randint(1, self.params["start"] + 1, (len(normal),), **draw)
            x_t, target = adapted(self.schedule, normal, other, t, torch.randn(normal.shape, **draw))
            return (predict(x_t, t) - target).square().mean()

        pairs = np.concatenate([rows, anomalous], axis=1)
        return train_averaged(self.network, pairs, loss, params=self.params, seed=self.seed, device=self.device)

    @torch.no_grad()
    def calibrate(self, normal: Any) -> None:
        """Learn how large the differences of normal samples usually are at each step."""
        seen = torch.cat([torch.stack(self.reconstruct(maps, False)[1], 1) for maps in self.batches(normal)])
        self.scale.thresholds.copy_(seen.quantile(self.params["quantile"], dim=0))

    def errors(self, maps: Tensor) -> Tensor:
        return (maps - self.reconstruct(maps, self.params["mixing"])[0]).square().mean(1, keepdim=True)

    def reconstruct(self, y: Tensor, mixing: bool) -> tuple[Tensor, list[Tensor]]:
        """The reconstruction of maps (B, C, h, w), and for each step how much it differed, (B,).

        That is the mean of the largest differences of x0 and of y, both as they are predicted at that step.
        """
        p, noise, differed = self.params, next(shared_noise(y, seed=0)), []
        mixed = torch.zeros(len(y), 1, 1, 1, dtype=torch.bool, device=y.device)

        def trust(x_t: Tensor, x0: Tensor, t: Tensor) -> Tensor:
            predicted = self.schedule.predict_noise(x_t, t, x0)
            y0 = self.schedule.predict_x0(self.schedule.q_sample(y, t, noise), t, predicted)
            difference = (x0 - y0).square().mean(1, keepdim=True)
            flat = difference.flatten(1)
            differed.append(flat.topk(min(p["positions"], flat.shape[1]), dim=1).values.mean(1))
            threshold = self.scale.thresholds[len(differed) - 1]
            mixed.logical_or_(((differed[-1] > threshold) | (t < p["until"]))[:, None, None, None])
            return (p["slope"] * (1 - difference / threshold)).sigmoid() * mixed * mixing

        other = reconstruct(
            self.network, self.schedule, y, seed=0, start=p["start"], calls=p["calls"], guide=fused(y, trust)
        )
        return other, differed


def adapted(schedule: Schedule, normal: Tensor, other: Tensor, t: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A noised anomalous map and the noise to be predicted of it, so that the predicted x0 is the normal map.

    The anomaly comes in as the noise does: z = normal + (t / T) (other - normal) is noised. The target is noise +
    sqrt(abar_t / (1 - abar_t)) (z - normal).
    """
    mixed = normal + (t / schedule.T)[:, None, None, None] * (other - normal)
    x_t = schedule.q_sample(mixed, t, noise)
    return x_t, schedule.predict_noise(x_t, t, normal)
