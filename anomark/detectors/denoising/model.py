"""What methods share that train a denoiser on maps of images and derive an anomaly map from what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.base import OnePassDetector
from anomark.detectors.denoising.maps import FeatureMaps, WhiteNoisePredictor
from anomark.detectors.diffusion_training import Noised, train_network
from anomark.detectors.frontend import FrontEnd, front_end, too_short
from anomark.detectors.training import seeded
from anomark.diffusion.schedule import Schedule
from anomark.nn.adapter import plain_input
from anomark.nn.unet import UNet

#: Maps per forward pass.
BATCH = 8
#: Normal samples that the deviations of errors come from, evenly spaced.
CALIBRATION = 64


class MapDenoiser(OnePassDetector):
    """A network is trained on maps, and every position of a map gets errors of one or several terms.

    Each term is divided by its deviation over positions of normal samples, and the terms are added with equal weights.
    The map is that sum, and the score the mean of its largest `share`. Where there is one term it stays as it is.

    A subclass names its `defaults` and says its errors; by default its network predicts noise. `defaults` hold steps,
    batch_size, lr, width, schedule, T and share, and say by `space` what the maps are: "features", f's whitened maps,
    or "pixels", an image as it is or the scalogram of a window.

    Attributes:
        front: the front end of the samples.
        network: trained by `train`.
        parts: all that is learnt, by the names that the stored model uses.
    """

    defaults: ClassVar[Mapping[str, Any]]
    skip = staticmethod(too_short)

    def __init__(self, spec: Spec, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        self.spec, self.seed, self.device = spec, seed, device
        self.params = p = {**self.defaults, **params}
        self.schedule = Schedule.named(p["schedule"], p["T"])
        self.front: FrontEnd | FeatureMaps = (
            FeatureMaps(spec, features, device) if p["space"] == "features" else front_end(spec).to(device)
        )
        with seeded(seed):
            network = self.build(self.front.shape[0])
        self.scale: Any = nn.Module()
        self.scale.register_buffer("of_terms", torch.ones(self.terms))
        self.parts: Any = nn.ModuleDict({"front": self.front, "network": network, "scale": self.scale}).to(device)
        self.info: dict[str, Any] = {
            "network_calls": self.calls,
            "parameters": sum(w.numel() for w in network.parameters()),
            "f": self.front.name if isinstance(self.front, FeatureMaps) else None,
        }

    @property
    def network(self) -> Any:
        return self.parts["network"]

    @property
    def calls(self) -> int:
        """Calls of the network for the score of one sample."""
        return int(self.params["calls"])

    @property
    def terms(self) -> int:
        """How many errors a position has."""
        return 1

    def build(self, channels: int) -> nn.Module:
        """A predictor of the noise in maps (B, channels, h, w)."""
        network = self.unet(channels)
        return WhiteNoisePredictor(network, self.schedule) if self.params["space"] == "features" else network

    def unet(self, channels: int) -> nn.Module:
        """A U-Net of the suite's width; f's maps are small and have many channels."""
        p = self.params
        if p["space"] == "features":
            first = 2 * p["width"]
            network = UNet(channels, width=first, multipliers=[1, 2], stem=plain_input(channels, first, kernel_size=1))
        else:
            network = UNet(channels, width=p["width"], multipliers=[1, 2, 3, 4])
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def fit(self, X: Any, X_valid: Any) -> Self:
        if isinstance(self.front, FeatureMaps):
            self.parts["network"] = self.train(self.front.fit(X), _as_they_are, X)
        else:
            self.front.fit(X)
            self.parts["network"] = self.train(self.front.frames(X), self.front, X)
        self.calibrate(X if X_valid is None or not len(X_valid) else X_valid)
        return self

    def train(self, rows: Any, maps: Callable[[Tensor], Tensor], X: Any) -> nn.Module:
        """The network, trained.

        Args:
            rows: as `train_steps` takes them.
            maps: turns a batch of rows into maps.
            X: the samples that the rows come from.
        """
        return train_network(
            self.network,
            rows,
            self.schedule,
            self.loss,
            params=self.params,
            seed=self.seed,
            device=self.device,
            maps=maps,
            latest=self.params.get("latest"),
        )

    def loss(self, noised: Noised, predicted: Tensor) -> Tensor:
        """Mean squared error of the predicted noise (Ho et al. 2020, equation 14)."""
        return F.mse_loss(predicted, noised.noise)

    def errors(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) to errors (B, terms, h, w)."""
        raise NotImplementedError

    def calibrate(self, normal: Any) -> None:
        """Learn the terms' deviations from normal samples; one term alone needs none."""
        if self.terms > 1:
            errors = self.normal_errors(normal)
            spread = errors.transpose(0, 1).flatten(1).std(1).nan_to_num(0)
            self.scale.of_terms.copy_(spread.clamp(min=1e-6))

    def normal_errors(self, normal: Any) -> Tensor:
        """Errors (n, terms, h, w) of some normal samples, evenly spaced."""
        return self._errors(normal[np.unique(np.linspace(0, len(normal) - 1, CALIBRATION).astype(int))])

    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps (N, h, w) or (N, L), float32."""
        maps = self.combined(self._errors(X))
        located = self.front.locate(maps) if self.spec.planar else self.front.locate(maps).squeeze(1)
        flat = maps.reshape(len(X), -1)
        largest = flat.topk(max(1, round(self.params["share"] * flat.shape[1])), dim=1).values
        return largest.mean(1).cpu().numpy(), located.cpu().numpy()

    def combined(self, errors: Tensor) -> Tensor:
        """Errors (N, terms, h, w) to maps (N, h, w)."""
        if self.terms == 1:
            return errors[:, 0]
        return (errors / self.scale.of_terms[:, None, None]).mean(1)

    @torch.no_grad()
    def _errors(self, X: Any) -> Tensor:
        self.network.eval()
        return torch.cat([self.errors(maps)[:count] for maps, count in self._filled(X)]).float()

    @torch.no_grad()
    def batches(self, X: Any) -> Iterator[Tensor]:
        """The maps (B, C, h, w) of samples, some at a time."""
        return (maps[:count] for maps, count in self._filled(X))

    def _filled(self, X: Any) -> Iterator[tuple[Tensor, int]]:
        """Maps of samples, and how many of them count.

        The last batch is filled up with the maps of zeros, so that no error depends on batch mates.
        """
        each = self.front.maps_per_sample
        size = max(1, BATCH // each)
        for i in range(0, len(X), size):
            x = torch.from_numpy(np.array(X[i : i + size], dtype=np.float32)).to(self.device)
            filled = F.pad(x, (0,) * (2 * x.ndim - 1) + (size - len(x),))
            yield self.front(filled).contiguous(memory_format=torch.channels_last), len(x) * each

    def state_dict(self) -> dict[str, Tensor]:
        return self.parts.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        self.parts.load_state_dict({key: torch.as_tensor(np.asarray(value)) for key, value in state.items()})
        return self


def _as_they_are(batch: Tensor) -> Tensor:
    return batch
