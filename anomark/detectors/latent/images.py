"""Diffusion on whitened feature maps of images: a denoiser in closed form, and a learnt one that may go on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.base import OnePassDetector
from anomark.detectors.diffusion_training import train_network
from anomark.detectors.patch_features import PatchFeatures
from anomark.detectors.training import seeded
from anomark.diffusion.closed_form import posterior_mean
from anomark.diffusion.sampler import shared_noise
from anomark.diffusion.schedule import Schedule
from anomark.nn.adapter import FeatureAdapter, plain_input
from anomark.nn.wavelet_unet import wavelet_unet
from anomark.nn.whitening import PositionWhitening, UnitVariance

#: One draw of the memory for all seeds, so that what learns nothing has no seed.
MEMORY_SEED = 0


class WhitenedDiffusion(OnePassDetector):
    """Score = mean of the largest `share` of the squared errors between whitened features and their reconstruction.

    Four steps lead to the errors; `params` says which of whitening, anchor and network take part.

    1. f's levels give a vector at each position, and the vector is whitened by the position's own mean and covariance.
    2. The anchor D(z) is the closed-form denoiser of a memory of training vectors from all images and positions.
    3. A network F learns what the anchor misses. r = (z - D(z)) / c, where c is the usual size of the difference, is
       noised to r_t, and F predicts r from r_t and t in one call at each of several times t. While the network is
       trained, the anchor leaves out the image's own vectors, or nothing would be missing.
    4. The reconstruction is D(z) + c F(r_t, t). Errors are averaged over channels and times.

    Args:
        spec: of the images.
        seed: of the network's first weights and of its training.
        device: where everything runs.
        features: path of f's weights.
        params: whitening, anchor and network (False leaves the step out: features are only scaled, D = 0, F = 0);
            shrinkage and regularisation (see `PositionWhitening`); memory, the number of vectors in it; noise, the
            anchor's noise level; T, schedule and times; share; and what the network's training and parts are.
    """

    def __init__(self, spec: Spec, seed: int, device: str, features: str | None, params: Mapping[str, Any]) -> None:
        self.seed, self.device = seed, device
        self.params = p = params
        self.schedule = Schedule.named(p["schedule"], p["T"])
        self.features = PatchFeatures(spec, features, device, levels="map", neighbourhood=1)
        channels, (h, w) = self.features.channels, self.features.size
        self.whitening = (
            PositionWhitening(h * w, channels, shrinkage=p["shrinkage"], regularisation=p["regularisation"])
            if p["whitening"]
            else UnitVariance()
        )
        self.anchor = Anchor(channels)
        self.modules = nn.ModuleDict({"features": self.features, "whitening": self.whitening, "anchor": self.anchor})
        if p["network"]:
            first = p["width"] * p["multipliers"][0]
            with seeded(seed):
                stem = FeatureAdapter(channels, first) if p["adapter"] else plain_input(channels, first, kernel_size=3)
                multipliers = [m // p["multipliers"][0] for m in p["multipliers"]]
                network = wavelet_unet(channels, stem, p, width=first, multipliers=multipliers)
            self.modules["network"] = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.modules.to(device)
        self.info: dict[str, Any] = {
            "network_calls": len(p["times"]) if p["network"] else 1,
            "parameters": sum(w.numel() for w in self.modules["network"].parameters()) if p["network"] else 0,
            "f": self.features.name,
        }

    @torch.no_grad()
    def fit(self, X: Any) -> Self:
        """Learn the whitening, draw the memory, and train the network on what the anchor misses."""
        p = self.params
        vectors = self.features.fit(X)
        self.whitening.fit(vectors)
        z = torch.cat([self.whitening(v) for v in vectors.split(16)])
        count, positions = z.shape[:2]
        if p["anchor"]:
            generator = torch.Generator().manual_seed(MEMORY_SEED)
            drawn = torch.randperm(count * positions, generator=generator)[: p["memory"]].sort().values.to(z.device)
            self.anchor.rows = z.flatten(0, 1)[drawn]
        if not p["network"]:
            return self
        if p["anchor"]:
            own = torch.arange(count, device=z.device).repeat_interleave(positions)
            # One image alone has no other to be told by, and then nothing is missing.
            places = (own, drawn // positions) if count > 1 else None
            z = z - posterior_mean(z.flatten(0, 1), self.anchor.rows, p["noise"], places=places).reshape(z.shape)
        self.anchor.missing.copy_(z.square().mean().sqrt().clamp(min=1e-3))
        with torch.enable_grad():
            self.modules["network"] = train_network(
                self.modules["network"],
                self._maps(z / self.anchor.missing).cpu().numpy(),
                self.schedule,
                lambda noised, predicted: F.mse_loss(predicted, noised.x0),
                params=p,
                seed=self.seed,
                device=self.device,
            )
        return self

    @torch.no_grad()
    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps (N, h, w), float32; about 1 for whitened training vectors without a reconstruction."""
        scores, maps = [], []
        for vectors in self.features.transform(X):
            errors = self._errors(self.whitening(vectors))
            largest = errors.topk(max(1, round(self.params["share"] * errors.shape[1])), dim=1).values
            scores.append(largest.mean(1))
            maps.append(self.features.locate(errors))
        return torch.cat(scores).cpu().numpy(), torch.cat(maps).cpu().numpy()

    def _errors(self, z: Tensor) -> Tensor:
        """Whitened vectors (B, P, C) to mean squared errors (B, P)."""
        p = self.params
        if p["anchor"]:
            z = z - posterior_mean(z.flatten(0, 1), self.anchor.rows, p["noise"]).reshape(z.shape)
        if not p["network"]:
            return z.square().mean(2)
        network = self.modules["network"].eval()
        missed = self._maps(z / self.anchor.missing)
        errors = []
        for draw, time in enumerate(p["times"]):
            t = torch.full((len(z),), time, device=z.device)
            noised = self.schedule.q_sample(missed, t, next(shared_noise(missed, seed=draw)))
            errors.append((network(noised, t) - missed).square().mean(1))
        return torch.stack(errors).mean(0).flatten(1) * self.anchor.missing.square()

    def _maps(self, z: Tensor) -> Tensor:
        """(B, P, C) to (B, C, h, w)."""
        return z.mT.unflatten(2, self.features.size).contiguous(memory_format=torch.channels_last)

    def state_dict(self) -> dict[str, Tensor]:
        return self.modules.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        state = {key: torch.as_tensor(np.asarray(value)) for key, value in state.items()}
        self.anchor.rows = torch.empty_like(state["anchor.rows"], device=self.device)
        self.modules.load_state_dict(state)
        return self


class Anchor(nn.Module):
    """The memory of the closed-form denoiser, and the usual size of what it misses.

    rows
        (M, C), whitened training vectors; none where the anchor is left out.
    missing
        c, root mean square over training images of the difference to an anchor that doesn't know the image.
    """

    rows: Tensor
    missing: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.empty(0, channels))
        self.register_buffer("missing", torch.ones(()))
