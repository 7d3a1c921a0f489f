"""Diffusion on views of clips: whitened log-mel statistics and a pretrained network's embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from anomark.contracts import Array, Spec
from anomark.detectors.listeners.yamnet import Network
from anomark.diffusion.closed_form import relative_errors, usual_distance
from anomark.nn.whitening import PositionWhitening
from anomark.signal.logmel import band_statistics, log_mel, patches

NAME = "Closed-form diffusion on views of clips"
LABEL = "Audio views"
PAPER = "This suite's own, with the closed-form denoiser of Karras et al.: Elucidating the Design Space. NeurIPS 2022"
PUBLISHED = "Nothing: the method is this suite's own and stands in no paper."
DIFFERS = (
    "A clip is shown in two views: mean and deviation of its 64 mel bands over time, and YAMNet's embedding, averaged "
    "over time. Each view is whitened by its covariance over training clips, with shrinkage. In each view the training "
    "clips give the optimal denoiser in closed form, which learns nothing. Its errors are divided by what is usual "
    "between training clips, and added. The settings were chosen on generated machine sounds alone."
)
FAMILY = "diffusion"
MODALITIES = ("audio",)
NEEDS = ("audio_features",)
DETERMINISTIC = True
SUITES = ("audio", "paper-cpu-text")
DEFAULTS = {
    "views": ["mel", "embedding"],
    "regularisation": {"mel": 0.1, "embedding": 1.0},  # in units of the mean variance
    "noise": 0.35,  # the denoiser's noise level, in usual distances to the nearest clip
}
VARIANTS = {
    "audio_views-mel": {
        "views": ["mel"],
        "SUITES": ("audio", "paper-cpu-text"),
        "DIFFERS": "The first view alone, so that no pretrained network takes part.",
    },
    "audio_views-embedding": {
        "views": ["embedding"],
        "SUITES": ("audio", "paper-cpu-text"),
        "DIFFERS": "The second view alone.",
    },
    "audio_views-nearest": {
        "noise": 0.0,
        "SUITES": ("audio", "paper-cpu-text"),
        "DIFFERS": "The denoiser's limit without noise, which is the nearest training clip.",
    },
}
#: Numbers of a clip in each view.
WIDTHS = {"mel": 128, "embedding": Network.channels}
#: Seconds of a clip at least.
SHORTEST = 0.1
#: Clips looked at at a time.
BATCH = 16


class Method:
    """Score = the sum over views of |z - D(z)|^2 / u.

    z is a clip's whitened view, D is `posterior_mean` at the noise level `noise` sqrt(u), and u is the median squared
    distance of a training clip to the nearest other one.
    """

    def __init__(self, spec: Spec, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        self.params = p = {**DEFAULTS, **params}
        assert spec.rate and features, "clips come with their sample rate, and the plan gives the network's weights"
        self.rate, self.device = spec.rate, device
        self.listener = Network.load(Path(features)).to(device)
        self.whitening = {
            view: PositionWhitening(1, WIDTHS[view], shrinkage=0.0, regularisation=p["regularisation"][view]).to(device)
            for view in p["views"]
        }
        self.memory = {view: torch.zeros(0, WIDTHS[view], device=device) for view in p["views"]}
        self.usual = {view: torch.ones((), device=device) for view in p["views"]}
        self.info = {"network_calls": 1, "f": self.listener.name}

    @staticmethod
    def skip(spec: Spec) -> str | None:
        seconds = spec.shape[-1] / (spec.rate or 1)
        return f"a clip of {seconds:g} s is too short for a spectrum of bands" if seconds < SHORTEST else None

    @torch.no_grad()
    def fit(self, X: Any, X_valid: Any) -> Self:
        """Learn the whitening, and keep the training clips' views."""
        looks = list(self._look(X))
        for view in self.params["views"]:
            rows = torch.cat([look[view] for look in looks])
            self.whitening[view].fit(rows[:, None])
            self.memory[view] = z = self._whitened(view, rows)
            places = torch.arange(len(z), device=z.device)
            self.usual[view].fill_(usual_distance(z, z, (places, places)))
        return self

    @torch.no_grad()
    def decision_function(self, X: Any) -> Array:
        scores = []
        for look in self._look(X):
            errors = [
                relative_errors(
                    self._whitened(view, rows), self.memory[view], self.params["noise"], float(self.usual[view])
                ).sum(1)
                for view, rows in look.items()
            ]
            scores.append(torch.stack(errors).sum(0))
        return torch.cat(scores).cpu().numpy()

    def _look(self, X: Any) -> Iterator[dict[str, Tensor]]:
        """The views (B, D) of clips, some at a time."""
        for i in range(0, len(X), BATCH):
            mel = log_mel(np.asarray(X[i : i + BATCH]), self.rate).to(self.device)
            look = {"mel": band_statistics(mel)}
            if "embedding" in self.params["views"]:
                shown = patches(mel)
                look["embedding"] = self.listener(shown.flatten(0, 1)).unflatten(0, shown.shape[:2]).mean(1)
            yield {view: look[view] for view in self.params["views"]}

    def _whitened(self, view: str, rows: Tensor) -> Tensor:
        whitened: Tensor = self.whitening[view](rows[:, None])
        return whitened[:, 0]

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = {}
        for view, whitening in self.whitening.items():
            state |= {f"{view}.whitening.{key}": value for key, value in whitening.state_dict().items()}
            state |= {f"{view}.memory": self.memory[view], f"{view}.usual": self.usual[view]}
        return state

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        state = {key: torch.as_tensor(np.asarray(value)).to(self.device) for key, value in state.items()}
        for view, whitening in self.whitening.items():
            self.memory[view], self.usual[view] = state[f"{view}.memory"], state[f"{view}.usual"]
            whitening.load_state_dict({key: state[f"{view}.whitening.{key}"] for key in whitening.state_dict()})
        return self
