"""The perceptual network f as methods use it: found by its file of weights, and shown what the front end makes.

Images reach f as they are, and a window or a clip as the scalograms of its variables.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor

from anomark.contracts import AnomarkError, Spec
from anomark.detectors.backbones.base import FeatureNetwork, read_weights
from anomark.detectors.latent import stored_maps

#: Rows of scalograms are standardised; divided by this, all but their extremes lie in f's range, [-1, 1].
SCALOGRAM_RANGE = 3.0


@cache
def backbones() -> tuple[ModuleType, ...]:
    """The files of `anomark/detectors/backbones/`, in the order of their names."""
    names = sorted(path.stem for path in (Path(__file__).parent / "backbones").glob("*.py"))
    return tuple(
        importlib.import_module(f"anomark.detectors.backbones.{name}")
        for name in names
        if not name.startswith("_") and name != "base"
    )


def load_features(path: Path) -> FeatureNetwork:
    """The network whose weights the file holds: that of the backbone whose MARK is among the file's tensors.

    Raises:
        AnomarkError: the file is absent or unreadable, or its tensors are not a backbone's.
    """
    tensors = read_weights(path)
    for backbone in backbones():
        if backbone.MARK in tensors:
            network: FeatureNetwork = backbone.Network.load(path)
            return network
    marks = ", ".join(f"{b.MARK} ({b.__name__.rpartition('.')[2]})" for b in backbones())
    raise AnomarkError(
        f"{path}: none of its tensors is one by which a network is known: {marks}; give the weights of one of these"
    )


class FeatureExtractor:
    """f as it looks at the maps of a front end (see `anomark.detectors.frontend`).

    This is no torch module, because f is not part of what a method learns and stores.

    Args:
        spec: of the samples.
        features: path of f's weights.
        device: where f runs.

    Attributes:
        f: the network.
        variables: V, number of images that f sees for one map: 1 of a picture, one for each variable of a scalogram.
        side: pixels that the shorter side of what f sees has at least; smaller maps are enlarged.
    """

    def __init__(self, spec: Spec, features: str | None, device: str) -> None:
        if features is None:
            raise AnomarkError("this method needs the perceptual network f: give `features`, the path of its weights")
        self.f = load_features(Path(features)).to(device)
        self.planar = spec.planar
        self.variables = 1 if spec.planar else spec.shape[0]
        self.side = self.f.picture_side if spec.planar else self.f.scalogram_side

    def __call__(self, maps: Tensor, side: int | None = None) -> list[Tensor]:
        """Maps (B, C, H, W) to f's levels (B V, c, h, w).

        A scalogram of V variables is V images, whose channels are real part, imaginary part and residual.

        Args:
            side: in place of the attribute.
        """
        side, maps = side or self.side, self.seen(maps)
        stored = stored_maps.current()
        if stored and not (torch.is_grad_enabled() and maps.requires_grad):
            found = stored.find(self.f.name, self.f.levels, side, maps)
            if found is not None:
                return found
        levels: list[Tensor] = self.f(self.enlarged(maps, side))
        return levels

    def seen(self, maps: Tensor) -> Tensor:
        """Maps (B, C, H, W) as the images (B V, c, H, W) that f is shown, before they are enlarged."""
        return maps if self.planar else maps.unflatten(1, (-1, 3)).flatten(0, 1) / SCALOGRAM_RANGE

    @staticmethod
    def enlarged(seen: Tensor, side: int) -> Tensor:
        """Images whose shorter side has at least that many pixels."""
        if min(seen.shape[-2:]) >= side:
            return seen
        size = [round(n * side / min(seen.shape[-2:])) for n in seen.shape[-2:]]
        return F.interpolate(seen, size=size, mode="bilinear", align_corners=False)
