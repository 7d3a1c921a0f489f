"""Patch SVDD: patches are encoded at two scales and compared with those of normal images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.data.windows import window_starts
from anomark.detectors.base import OnePassDetector
from anomark.detectors.trained import NetworkDetector
from anomark.detectors.training import Stateful, seeded
from anomark.nn.nearest import nearest

NAME = "Patch SVDD"
LABEL = "PatchSVDD"
PAPER = "Yi & Yoon: Patch SVDD: Patch-level SVDD for Anomaly Detection and Segmentation. ACCV 2020"
PUBLISHED = (
    "A hierarchical encoder at two patch scales. It is trained to tell the relative position of eight neighbours, "
    "plus lambda times the distance of near patches. The map is the distance to the nearest training patch, "
    "multiplied over the two scales."
)
DIFFERS = (
    "Patches are an eighth and a quarter of the image, which are 32 and 64 pixels at the paper's 256. Both scales are "
    "compared at every 16th of the image, where the paper steps finer at the small scale. Nearest neighbours are "
    "exact. Neighbours never leave the image, so that no label is wrong. Lambda is .001 and was chosen on transistor."
)
FAMILY = "one-class"
MODALITIES = ("image",)
DEFAULTS = {
    "steps": 20000,
    "batch_size": 16,
    "lr": 1e-3,
    "width": 64,
    "latent": 64,  # D, as published
    "pairs": 16,  # of patches, for each image and each loss
    "svdd_weight": 1e-3,  # lambda of equation 5; .1 and 1 are worse on transistor
}
#: Rows (dy, dx): where the second patch lies from the first; the row is the label.
DIRECTIONS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
#: Deviation of the noise on colours and pixels, for images in [-1, 1], which keeps the classifier from shortcuts.
COLOUR_NOISE = 0.04
#: Images per forward pass when scoring.
BATCH = 8


class Encoder(nn.Module):
    """Hierarchical encoder: the large patch is seen through its four quarters (section 3.3).

    Args:
        channels: of the image.
        small: side k of a small patch; a large one has 2k.
        width: channels of the first convolution.
        latent: D.
    """

    def __init__(self, channels: int, small: int, width: int, latent: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        side, inner = small, width
        while side > 4:
            layers += [nn.Conv2d(channels, inner, 3, stride=2, padding=1), nn.LeakyReLU(0.1)]
            side, channels, inner = -(-side // 2), inner, 2 * width
        layers += [nn.Conv2d(channels, 2 * width, side), nn.LeakyReLU(0.1), nn.Conv2d(2 * width, latent, 1), nn.Tanh()]
        self.small = nn.Sequential(*layers)
        self.large = nn.Sequential(
            nn.Conv2d(latent, 2 * width, 2), nn.LeakyReLU(0.1), nn.Conv2d(2 * width, latent, 1), nn.Tanh()
        )
        self.side = small

    def forward(self, patches: Tensor) -> Tensor:
        """(B, C, k, k) or (B, C, 2k, 2k) to (B, D)."""
        if patches.shape[-1] == self.side:
            return self.small(patches).flatten(1)
        quarters = torch.cat([half for row in patches.chunk(2, dim=2) for half in row.chunk(2, dim=3)])
        grid = self.small(quarters).flatten(1).unflatten(0, (2, 2, len(patches)))  # (2, 2, B, D)
        large: Tensor = self.large(grid.permute(2, 3, 0, 1)).flatten(1)
        return large


class PositionClassifier(nn.Module):
    """Tells which of eight neighbours the second patch is, by the difference of two codes: (B, D) twice -> (B, 8)."""

    def __init__(self, latent: int, hidden: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, hidden), nn.LeakyReLU(0.1), nn.Linear(hidden, hidden), nn.LeakyReLU(0.1)
        )
        self.head = nn.Linear(hidden, len(DIRECTIONS))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        logits: Tensor = self.head(self.layers(first - second))
        return logits


class Method(NetworkDetector, OnePassDetector):
    """Score = largest value of the map, which is the product of both scales' distances to the nearest normal patch."""

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        self.seed, self.device = seed, device
        self.params = p = {**DEFAULTS, **params}
        self.sides = patch_sides(min(spec.shape[1:]))
        with seeded(seed):
            self.encoder = Encoder(spec.shape[0], self.sides[0], p["width"], p["latent"]).to(device)
            self.classifiers = nn.ModuleList(PositionClassifier(p["latent"]) for _ in self.sides).to(device)
        self.network = nn.ModuleDict({"encoder": self.encoder, "classifiers": self.classifiers})
        self.banks = [torch.empty(0, p["latent"], device=device) for _ in self.sides]
        self.info = {"network_calls": 2, "patches": self.sides}

    @staticmethod
    def skip(spec: Spec) -> str | None:
        side = min(spec.shape[1:])
        return f"an image of {side} pixels has no two neighbouring patches of 4" if side < 8 else None

    def fit(self, X: Any, X_valid: Any) -> Method:
        """Minimise L_SSL + lambda L_SVDD' at both scales (equation 5), then keep the codes of the training patches."""
        optimiser = torch.optim.Adam(self.network.parameters(), lr=self.params["lr"])
        state: dict[str, Stateful] = {"network": self.network, "optimiser": optimiser}
        for step in self.steps(X, state):
            losses = [
                self._loss(step.batch, side, classifier, step.generator)
                for side, classifier in zip(self.sides, self.classifiers, strict=True)
            ]
            step.minimise(torch.stack(losses).sum(), optimiser)
        self.banks = [torch.cat([c.flatten(0, 1) for c in self._codes(X, side)]) for side in self.sides]
        return self

    def _loss(self, images: Tensor, side: int, classifier: nn.Module, generator: torch.Generator) -> Tensor:
        """L_SSL + lambda L_SVDD' of patches of one side (equations 3 and 4)."""
        images = images.repeat_interleave(self.params["pairs"], dim=0)
        size = (images.shape[2], images.shape[3])
        first, second, label = position_pairs(len(images), size, side, generator)
        a, b = (self.encoder(perturb(cut(images, corner, side), generator)) for corner in (first, second))
        position = F.cross_entropy(classifier(a, b), label)
        near = jitter(first, size, side, generator)
        a, b = (self.encoder(cut(images, corner, side)) for corner in (first, near))
        return position + self.params["svdd_weight"] * (a - b).norm(dim=1).mean()

    @torch.no_grad()
    def _codes(self, X: Any, side: int) -> Any:
        """Codes (B, patches, D) of the patches on the grid, for a few images at a time."""
        for images in self.batches(X, BATCH):
            grid = self._grid(images.shape[2:], side)
            patches = torch.cat([images[:, :, y : y + side, x : x + side] for y, x in grid])
            yield self.encoder(patches).unflatten(0, (len(grid), -1)).transpose(0, 1)

    def _grid(self, size: tuple[int, ...], side: int) -> list[tuple[int, int]]:
        """Corners (y, x) of the patches that are compared, which lie a quarter of the large side apart."""
        stride = max(1, self.sides[1] // 4)
        rows, columns = (window_starts(n, side, min(stride, side)) for n in size)
        return [(int(y), int(x)) for y in rows for x in columns]

    @torch.no_grad()
    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,), the maps' largest values, and maps (N, H, W), float32.

        A pixel's value at one scale is the mean distance of the patches that cover it (section 3.4).
        """
        size = np.shape(X)[2:]
        maps = torch.ones(len(X), *size, device=self.device)
        for side, bank in zip(self.sides, self.banks, strict=True):
            distances = torch.cat(
                [nearest(c.flatten(0, 1), bank)[0].reshape(c.shape[:2]) for c in self._codes(X, side)]
            )
            total, count = torch.zeros_like(maps), maps.new_zeros(size)
            for distance, (y, x) in zip(distances.T, self._grid(size, side), strict=True):
                total[:, y : y + side, x : x + side] += distance[:, None, None]
                count[y : y + side, x : x + side] += 1
            maps *= total / count
        return maps.amax((1, 2)).cpu().numpy(), maps.cpu().numpy()

    def state_dict(self) -> dict[str, Any]:
        return {**self.encoder.state_dict(), **{f"bank.{i}": bank for i, bank in enumerate(self.banks)}}

    def load_state_dict(self, state: dict[str, Any]) -> Method:
        self.banks = [state[f"bank.{i}"].to(self.device) for i in range(len(self.sides))]
        self.encoder.load_state_dict({key: value for key, value in state.items() if not key.startswith("bank.")})
        return self


def patch_sides(side: int) -> tuple[int, int]:
    """Sides k and 2k of the patches, as shares of the image: 32 and 64 of 256 pixels in the paper."""
    small = max(2, side // 8)
    return small, 2 * small


def position_pairs(
    n: int, size: tuple[int, int], side: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Corners (n, 2) of patches, corners of one of their eight neighbours, and which of the eight it is (n,).

    The neighbour begins three quarters of a side away and up to a quarter farther, in each direction that it lies in;
    both patches lie inside the image.

    Raises:
        ValueError: the image is too small for two neighbours.
    """
    if min(size) < 2 * side:
        raise ValueError(f"neighbouring patches of side {side} need an image of {2 * side} pixels, got {size}")
    label = torch.randint(len(DIRECTIONS), (n,), generator=generator, device=generator.device)
    away = 3 * side // 4 + torch.randint(max(1, side // 4), (n, 2), generator=generator, device=generator.device)
    offset = torch.tensor(DIRECTIONS, device=generator.device)[label] * away
    last = torch.tensor(size, device=generator.device) - side  # of a corner
    low, high = (-offset).clamp(min=0), last - offset.clamp(min=0)
    share = torch.rand(n, 2, generator=generator, device=generator.device)
    first = low + (share * (high - low + 1)).long().clamp(max=high - low)
    return first, first + offset, label


def jitter(corners: Tensor, size: tuple[int, int], side: int, generator: torch.Generator) -> Tensor:
    """Corners (n, 2) moved by up to a 32nd of the side, or by up to one pixel, and kept inside the image."""
    reach = max(1, side // 32)
    moves = torch.randint(-reach, reach + 1, corners.shape, generator=generator, device=corners.device)
    return (corners + moves).clamp(min=0).minimum(torch.tensor(size, device=corners.device) - side)


def cut(images: Tensor, corners: Tensor, side: int) -> Tensor:
    """One patch of every image: (n, C, H, W) and (n, 2) to (n, C, side, side)."""
    steps = torch.arange(side, device=images.device)
    rows, columns = corners[:, :1] + steps, corners[:, 1:] + steps  # (n, side)
    image = torch.arange(len(images), device=images.device)
    return images[image[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def perturb(patches: Tensor, generator: torch.Generator) -> Tensor:
    """Patches with noise on every channel as a whole and on every pixel."""
    n, channels = patches.shape[:2]
    for shape in ((n, channels, 1, 1), patches.shape):
        patches = patches + COLOUR_NOISE * torch.randn(shape, generator=generator, device=patches.device)
    return patches
