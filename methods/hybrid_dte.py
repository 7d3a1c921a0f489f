"""Diffusion time estimation and reconstruction together: one says how far a sample is off, the other where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anomark.contracts import Array
from anomark.detectors.denoising.model import MapDenoiser
from anomark.detectors.denoising.times import TimeClassifier
from anomark.detectors.diffusion_training import train_averaged
from anomark.detectors.training import seeded
from anomark.diffusion.sampler import reconstruct

NAME = "Diffusion time estimation with reconstruction"
LABEL = "Hybrid DTE"
PAPER = (
    "This suite's own, with the time estimation of Livernoche et al.: On Diffusion Modeling for Anomaly Detection. "
    "ICLR 2024"
)
PUBLISHED = "Nothing: no paper of that name was found. The two parts are those of `dte_features` and of `ddpm`."
DIFFERS = (
    "The sum of the two errors, each in its deviations over normal samples, on f's whitened maps. Reconstruction "
    "starts at T' = 250 and makes 10 calls. In `hybrid_dte-dynamic` the estimated time of a sample says how far it is "
    "noised: T' is the time at which a diffusion model's noise relative to its signal is that of the estimate, and "
    "there is one call for each 25 steps of T', so that samples that look normal cost less."
)
FAMILY = "diffusion"
MODALITIES = ("image",)
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended",)
VARIANTS = {
    "hybrid_dte-dynamic": {
        "dynamic": True,
        "SUITES": ("extended",),
        "DIFFERS": "T' and the number of calls grow with the estimated time of a sample.",
    },
}
DEFAULTS = {
    "steps": 3000,
    "batch_size": 16,
    "lr": 1e-3,
    "width": 32,
    "space": "features",
    "schedule": "linear",  # 1e-4 to .02, Ho et al. 2020, section 4
    "T": 1000,
    "start": 250,
    "latest": 500,  # the largest t in training
    "calls": 10,
    "dynamic": False,
    "parts": 7,  # of 0..400, and the units below: Livernoche et al.
    "hidden": [256, 512, 256],
    "share": 0.02,  # of the map; the score is the mean of that share's largest values
}


class Method(MapDenoiser):
    """Map = squared error of the reconstruction + expected part of the diffusion time, each scaled.

    With `dynamic`, `info` has the mean of the calls over the samples last scored, and their range.
    """

    defaults = DEFAULTS
    terms = 2

    def __init__(self, spec: Any, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        super().__init__(spec, seed, device, features, **params)
        p = self.params
        self.sampler = (p["start"], p["calls"])
        with seeded(seed):
            times = TimeClassifier(self.front.shape[0], hidden=p["hidden"], parts=p["parts"], T=400)
        self.parts["times"] = times.to(device)
        self.info["parameters"] += sum(w.numel() for w in times.parameters())

    @property
    def times(self) -> Any:
        return self.parts["times"]

    def train(self, rows: Any, maps: Callable[[Tensor], Tensor], X: Any) -> nn.Module:
        own: dict[str, Any] = {"params": self.params, "seed": self.seed, "device": self.device, "name": "times"}
        network = super().train(rows, maps, X)
        self.parts["times"] = train_averaged(self.times, rows, self.times.loss(maps), **own)
        return network

    def errors(self, maps: Tensor) -> Tensor:
        start, calls = self.sampler
        other = reconstruct(self.network, self.schedule, maps, seed=0, start=start, calls=calls)
        return torch.stack([(maps - other).square().mean(1), self.times.estimate(maps)], 1)

    @torch.no_grad()
    def _errors(self, X: Any) -> Tensor:
        if not self.params["dynamic"]:
            return super()._errors(X)
        calls = self.calls_needed(X)
        self.info["network_calls"] = float(calls.mean())
        self.info["calls_range"] = [int(calls.min()), int(calls.max())]
        found: dict[int, Tensor] = {}
        for count in np.unique(calls):
            rows = np.flatnonzero(calls == count)
            self.sampler = (int(count) * self.params["start"] // self.params["calls"], int(count))
            found |= zip(rows.tolist(), super()._errors(X[rows]), strict=True)
        return torch.stack([found[row] for row in range(len(X))])

    def calls_needed(self, X: Any) -> Array:
        """Network calls for each sample, int64 (N,), by the largest of its map of estimated times."""
        p, times = self.params, self.times
        estimates = []
        for maps in self.batches(X):
            flat = times.estimate(maps).flatten(1)
            estimates.append(flat.topk(max(1, round(p["share"] * flat.shape[1])), dim=1).values.mean(1))
        t = (torch.cat(estimates).cpu() * times.T / times.parts).long()  # in 0..T-1 of the time estimation
        ratio = times.variance[t]  # of noise to signal; that of a diffusion model is (1 - abar) / abar
        start = torch.searchsorted((1 - self.schedule.alphas_bar) / self.schedule.alphas_bar, ratio)
        every = p["start"] / p["calls"]
        return (start / every).ceil().clamp(1, p["calls"]).long().numpy()
