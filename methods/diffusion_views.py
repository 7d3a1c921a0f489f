"""Diffusion on views of windows: what the denoiser of the training windows, known in closed form, leaves over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.data.windows import Windows
from anomark.detectors.base import OnePassDetector
from anomark.detectors.training import seeded
from anomark.diffusion.closed_form import relative_errors, usual_distance
from anomark.nn.untrained_encoder import untrained_encoder

NAME = "Closed-form diffusion on views of windows"
LABEL = "Diffusion views"
PAPER = "This suite's own, with the closed-form denoiser of Karras et al.: Elucidating the Design Space. NeurIPS 2022"
PUBLISHED = "Nothing: the method is this suite's own and stands in no paper."
DIFFERS = (
    "Three views of a window are compared with training windows. Two show its values at any shift, without most of "
    "their level, and the second of them without some of its amplitude. The third is the mean code of a small "
    "convolutional encoder that is never trained, which finds a shape wherever it stands. In each view the training "
    "rows give the optimal denoiser in closed form, which learns nothing. Its errors are divided by what is usual "
    "between training windows that share no step, and added. A channel with at most two values in training (a switch, "
    "a command) is left out where another channel has more. The settings were chosen on the embedded series, MSL, ten "
    "series of UCR-Anomaly, and streams of NAB that stand in no table of the paper."
)
FAMILY = "diffusion"
MODALITIES = ("series",)
DEFAULTS = {
    "level": 0.9,  # share of a window's mean that is taken away
    "amplitude": [0.0, 0.5],  # one view each: how far a window is scaled to the usual amplitude
    "codes": 64,  # numbers in a code of the third view; 0 leaves it out
    "noise": 0.35,  # the denoiser's noise level, in usual distances to the nearest row
    "dense": True,  # the first views compare with training windows at every shift
    "memory": 1_000_000,  # largest number of values in their memory; evenly spaced windows beyond
}
VARIANTS = {
    "diffusion_views-no-codes": {
        "codes": 0,
        "DETERMINISTIC": True,
        "SUITES": ("extended", "paper-quick"),
        "DIFFERS": "The third view is left out.",
    },
    "diffusion_views-codes-alone": {
        "amplitude": [],
        "SUITES": ("extended", "paper-quick"),
        "DIFFERS": "The third view alone.",
    },
    "diffusion_views-amplitude-kept": {
        "amplitude": [0.0],
        "SUITES": ("extended", "paper-quick"),
        "DIFFERS": "The second view is left out, so that windows keep their amplitude.",
    },
    "diffusion_views-level-kept": {
        "level": 0.0,
        "SUITES": ("extended", "paper-quick"),
        "DIFFERS": "Windows keep their level.",
    },
    "diffusion_views-nearest": {
        "noise": 0.0,
        "SUITES": ("extended", "paper-quick"),
        "DIFFERS": "The denoiser's limit without noise, which is the nearest training row.",
    },
    "diffusion_views-strided": {
        "dense": False,
        "SUITES": ("extended", "paper-quick"),
        "DIFFERS": "All views compare with training windows at the suite's stride.",
    },
}
#: Training windows that the usual errors are taken from.
CALIBRATION = 600
#: Windows looked at at a time.
BATCH = 1024
#: Smallest usual amplitude, where standardised series have a deviation of 1.
STILL = 1e-3
#: Layers of the encoder, and steps that each sees.
LAYERS, KERNEL = 2, 7


class Method(OnePassDetector):
    """Score = the sum over views of |z - D(z)|^2 / u; the map spreads it over the window's steps.

    z is what a view shows of a window x (C, L). With m, v the mean and the variance of each channel over the window,
    and w the mean of v over training windows, the first views show (x - level m) / a, where a^2 = (1 - s) +
    s (v / w + .01) and s is the view's amplitude share. The third shows the mean over steps of the encoder's last layer
    for (x - level m) / sqrt(w). D is `posterior_mean` at the noise level `noise` sqrt(u). u is the median squared
    distance of a training window's row to the nearest row of a window that shares no step with it.
    """

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        self.params = p = {**DEFAULTS, **params}
        self.seed, self.device = seed, device
        channels, length = spec.shape
        self.memory = Windows(np.zeros((length, channels), np.float32), np.zeros(1), length)
        self.used = np.ones(channels, dtype=bool)
        self.variance = np.ones(channels, np.float32)
        self.encoder = self._encoder()
        self.codes = torch.zeros(0, p["codes"], device=device)
        self.usual = np.ones(len(p["amplitude"]) + bool(p["codes"]), np.float32)
        self.info = {"network_calls": 1 if p["codes"] else 0}

    def _encoder(self) -> nn.Module:
        layers = LAYERS if self.params["codes"] else 0
        with seeded(self.seed):
            return untrained_encoder(int(self.used.sum()), self.params["codes"], layers, KERNEL).to(self.device)

    def fit(self, X: Any, X_valid: Any) -> Self:
        """Keep the training windows, and learn what is usual between those that share no step."""
        windows, p = Windows.of(X), self.params
        values, length = windows.series, windows.length
        several = ((values != values.min(0)) & (values != values.max(0))).any(0)
        self.used = several if several.any() else ~several
        self.encoder = self._encoder()
        self.variance = np.maximum(np.mean([x.var(-1).mean(0) for x in batches(windows)], axis=0), STILL**2)
        every = windows.every_shift() if p["dense"] else windows
        self.memory = every.thinned(p["memory"] // (length * int(self.used.sum())))
        if p["codes"]:
            self.codes = torch.cat([self._code(x) for x in batches(windows)])

        drawn = windows.thinned(CALIBRATION)
        for view, (rows, z) in enumerate(zip(self._memories(), self._look(drawn[:]), strict=True)):
            others = self.memory.starts if view < len(p["amplitude"]) else windows.starts
            places = torch.from_numpy(drawn.starts).to(z.device), torch.from_numpy(others).to(z.device)
            self.usual[view] = usual_distance(z, rows, places, apart=length)
        return self

    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps (N, L), float32; each view adds 1 where a window is as near as training windows are."""
        memories, maps = self._memories(), []
        for x in batches(X):
            total = torch.zeros(len(x), x.shape[2], device=self.device)
            for view, (rows, z) in enumerate(zip(memories, self._look(x), strict=True)):
                squared = relative_errors(z, rows, self.params["noise"], float(self.usual[view]))
                if view < len(self.params["amplitude"]):
                    total += squared.unflatten(1, (-1, x.shape[2])).sum(1) * x.shape[2]
                else:
                    total += squared.sum(1, keepdim=True)  # a code does not say where
            maps.append(total)
        found = torch.cat(maps).cpu()
        return found.mean(1).numpy(), found.numpy()

    def _look(self, x: Array) -> list[Tensor]:
        """For each view its rows (N, D) of windows (N, C, L)."""
        shown = [self._window(x, share) for share in self.params["amplitude"]]
        return [*shown, self._code(x)] if self.params["codes"] else shown

    def _memories(self) -> list[Tensor]:
        """For each view the rows (M, D) of the training windows that it compares with."""
        rows = self.memory[:]
        shown = [self._window(rows, share) for share in self.params["amplitude"]]
        return [*shown, self.codes] if self.params["codes"] else shown

    def _window(self, x: Array, share: float) -> Tensor:
        """The used channels of windows (N, C, L), without their level and some of their amplitude: (N, D)."""
        x = x[:, self.used]
        mean, own = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        amplitude = np.sqrt(1 - share + share * (own / self.variance[self.used, None] + 0.01))
        z = (x - self.params["level"] * mean) / amplitude
        return torch.from_numpy(z.astype(np.float32)).flatten(1).to(self.device)

    def _code(self, x: Array) -> Tensor:
        """The mean codes (N, codes) of windows (N, C, L)."""
        z = self._window(x, 0).unflatten(1, (-1, x.shape[2]))
        deviation = torch.from_numpy(np.sqrt(self.variance[self.used, None])).to(z)
        return torch.cat([self.encoder(part).mean(2) for part in (z / deviation).split(128)])

    def state_dict(self) -> dict[str, Any]:
        return {
            "series": self.memory.series,
            "starts": self.memory.starts,
            "used": self.used,
            "variance": self.variance,
            "usual": self.usual,
            "codes": self.codes,
            **{f"encoder.{name}": weights for name, weights in self.encoder.state_dict().items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        state = {key: np.asarray(value) for key, value in state.items()}
        self.memory = Windows(state["series"], state["starts"], self.memory.length)
        self.used, self.variance, self.usual = state["used"], state["variance"], state["usual"]
        self.codes = torch.from_numpy(state["codes"]).to(self.device)
        self.encoder = self._encoder()
        weights = {name: torch.from_numpy(state[f"encoder.{name}"]) for name in self.encoder.state_dict()}
        self.encoder.load_state_dict(weights)
        return self


def batches(X: Any) -> Iterator[Array]:
    """Samples (N, C, L), some at a time."""
    for i in range(0, len(X), BATCH):
        yield np.asarray(X[i : i + BATCH], np.float32)
