"""Diffusion on the feature maps of the frozen network f that sees a window or a clip as scalograms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.diffusion import DiffusionDetector
from anomark.detectors.diffusion_training import train_network
from anomark.detectors.frontend import front_end
from anomark.detectors.perceptual import FeatureExtractor
from anomark.detectors.training import seeded
from anomark.diffusion.sampler import shared_noise
from anomark.diffusion.schedule import Schedule
from anomark.nn.adapter import FeatureAdapter, plain_input
from anomark.nn.wavelet_unet import wavelet_unet

#: Training maps that are kept in memory: evenly spaced over the training data where it has more.
TRAINING_MAPS = 4096
#: Training maps that the usual errors are computed from.
CALIBRATION_MAPS = 512
#: Maps per forward pass when scoring.
BATCH = 32


class LatentErrors(nn.Module):
    """What is learnt beside the network: the scale of f's channels, and how large errors usually are.

    mean, std
        (C, 1, 1) of f's maps over training data.
    usual
        (times, C, 1, 1), mean squared error of each channel at each time over training data.
    spread
        (times, V, h, w), deviation of the error at each time, variable and position over training data.
    """

    mean: Tensor
    std: Tensor
    usual: Tensor
    spread: Tensor

    def __init__(self, channels: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))
        self.register_buffer("usual", torch.ones(shape[0], channels, 1, 1))
        self.register_buffer("spread", torch.ones(shape))


class ScalogramDiffusion(DiffusionDetector):
    """Score = mean of the largest `share` of the errors between f's map of a sample and its reconstruction.

    f's map is noised to several times t, and the clean map is predicted in one call from each. The network predicts x0
    instead of the noise, because that is learnt in fewer steps and makes one call a reconstruction. An error is
    averaged over f's channels, each relative to its usual error, because a channel that can't be predicted says little.
    The map is the errors. Positions of a scalogram have a meaning of their own: a beat varies more in one phase than in
    another. So errors are also divided by the deviation at the position.

    Args:
        spec: of the samples.
        seed: of the network's first weights and of the training.
        device: where everything runs.
        features: path of f's weights.
        params: steps, batch_size, lr, width, multipliers, wavelet, heads, adapter, hybrid_embedding,
            schedule, T, times and share.
    """

    def __init__(self, spec: Spec, seed: int, device: str, features: str | None, params: Mapping[str, Any]) -> None:
        self.seed, self.device = seed, device
        self.params = p = params
        self.extractor = FeatureExtractor(spec, features, device)
        self.extractor.f.select(self.extractor.f.map_levels)
        self.schedule = Schedule.named(p["schedule"], p["T"])
        self.front = front_end(spec).to(device)
        self.variables = self.extractor.variables
        channels, *size = self._features(torch.zeros(1, *self.front.shape, device=device)).shape[1:]
        self.errors = LatentErrors(channels, (len(p["times"]), self.variables, *size)).to(device)
        first = p["width"] * p["multipliers"][0]
        with seeded(seed):
            stem = FeatureAdapter(channels, first) if p["adapter"] else plain_input(channels, first, kernel_size=3)
            multipliers = [m // p["multipliers"][0] for m in p["multipliers"]]
            network = wavelet_unet(channels, stem, p, width=first, multipliers=multipliers)
        self.network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.info = {
            "network_calls": len(p["times"]),
            "parameters": sum(w.numel() for w in self.network.parameters()),
            "f": self.extractor.f.name,
        }

    @torch.no_grad()
    def _features(self, maps: Tensor) -> Tensor:
        """The front end's maps (B, C', H, W) to f's levels, joined at the size of the deepest: (B V, C, h, w)."""
        levels = self.extractor(maps)
        h, w = levels[-1].shape[-2:]
        return torch.cat([F.adaptive_avg_pool2d(level, (h, w)) for level in levels], dim=1)

    def _standardised(self, maps: Tensor) -> Tensor:
        z = (self._features(maps) - self.errors.mean) / self.errors.std
        return z.contiguous(memory_format=torch.channels_last)

    def fit(self, X: Any) -> Self:
        """Minimise the mean squared error of the predicted x0, t uniform up to twice the latest time scored."""
        p = self.params
        self.front.fit(X)
        frames = self.front.sample(X, max(1, TRAINING_MAPS // self.variables))
        z = torch.cat([self._features(self.front(b.to(self.device))) for b in frames.split(BATCH)])
        self.errors.mean.copy_(z.mean((0, 2, 3))[:, None, None])
        std = z.std((0, 2, 3))[:, None, None]
        # Channels that hardly vary would otherwise blow up what the arithmetic rounds off.
        self.errors.std.copy_(std.clamp(min=0.05 * float(std.mean()) + 1e-6))
        z = ((z - self.errors.mean) / self.errors.std).cpu()

        self.network = train_network(
            self.network,
            z.numpy(),
            self.schedule,
            lambda noised, predicted: F.mse_loss(predicted, noised.x0),
            params=p,
            seed=self.seed,
            device=self.device,
            latest=min(p["T"], 2 * max(p["times"])),
        )

        rows = z.unflatten(0, (-1, self.variables))[:: max(1, len(z) // CALIBRATION_MAPS)].flatten(0, 1)
        squared = torch.cat([self._squared(b.to(self.device)) for b in rows.split(BATCH)])
        # What never errs would otherwise make the smallest error infinite.
        usual = squared.mean((0, 3, 4))[..., None, None]
        self.errors.usual.copy_(usual.clamp(min=0.1 * float(usual.mean()) + 1e-6))
        if len(rows) > self.variables:
            spread = self._relative(squared).std(0)
            self.errors.spread.copy_(spread.clamp(min=0.1 * float(spread.mean()) + 1e-6))
        return self

    @torch.no_grad()
    def _squared(self, z: Tensor) -> Tensor:
        """Standardised maps (B V, C, h, w) -> squared errors (B V, times, C, h, w)."""
        z = z.contiguous(memory_format=torch.channels_last)
        errors = []
        for draw, time in enumerate(self.params["times"]):
            t = torch.full((len(z),), time, device=z.device)
            x_t = self.schedule.q_sample(z, t, next(shared_noise(z, seed=draw)))
            errors.append((self.network(x_t, t) - z).square())
        return torch.stack(errors, dim=1)

    def _relative(self, squared: Tensor) -> Tensor:
        """Squared errors (B V, times, C, h, w) -> their means over channels, (B, times, V, h, w)."""
        errors = (squared / self.errors.usual).mean(2)
        return errors.unflatten(0, (-1, self.variables)).transpose(1, 2)

    @torch.no_grad()
    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps (N, L), float32, relative to the usual error."""
        self.network.eval()
        size = max(1, BATCH // (self.front.maps_per_sample * self.variables))
        scores, maps = [], []
        for i in range(0, len(X), size):
            x = torch.from_numpy(np.array(X[i : i + size], dtype=np.float32)).to(self.device)
            squared = self._squared(self._standardised(self.front(x)))
            errors = (self._relative(squared) / self.errors.spread).mean(1)  # (B F, V, h, w)
            flat = errors.reshape(len(x), -1)
            scores.append(flat.topk(max(1, round(self.params["share"] * flat.shape[1])), dim=1).values.mean(1))
            maps.append(self.front.locate_grid(errors.mean(1)))
        return torch.cat(scores).cpu().numpy(), torch.cat(maps).cpu().numpy()

    def learnt(self) -> dict[str, nn.Module]:
        return {"front": self.front, "network": self.network, "errors": self.errors}
