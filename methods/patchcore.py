"""PatchCore: distance to the nearest of a coreset of normal patch features, as the frozen network f gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from anomark.contracts import Array, Spec
from anomark.detectors.base import OnePassDetector
from anomark.detectors.frontend import too_short
from anomark.detectors.patch_features import PatchFeatures
from anomark.nn.nearest import nearest

NAME = "PatchCore"
LABEL = "PatchCore"
PAPER = "Roth et al.: Towards Total Recall in Industrial Anomaly Detection. CVPR 2022"
PUBLISHED = (
    "Patches are averaged over 3 x 3 positions of two levels of f. A greedy k-center coreset is chosen in a random "
    "projection. The map is the distance to the nearest patch in the coreset, and the score is reweighted by equation "
    "7."
)
DIFFERS = (
    "f is a smaller network, where the paper has WideResNet-50. The settings are the best that were found on "
    "transistor, textures and digits: all levels that diffusion on feature maps has too, no averaging over neighbours, "
    "and the mean of the map's largest 2% as the score, not reweighted. Levels are standardised. The coreset holds 10% "
    "of the patches and 6000 at most. Windows and clips enter as scalograms, images at the size they are prepared in. "
    "`patchcore-published` has the paper's settings."
)
FAMILY = "features"
MODALITIES = ("image", "series", "audio")
NEEDS = ("features",)
FULL_RESOLUTION = True
SUITES = ("extended", "paper-cpu", "paper-quick")
VARIANTS = {
    "patchcore-published": {
        "levels": "patch",
        "neighbourhood": 3,
        "share": 0.0,
        "neighbours": 9,
        "SUITES": ("extended", "paper-quick"),
        "DIFFERS": "As published, but for f and its levels (two, of strides 16 and 32 in MobileNetV2, chosen on "
        "transistor and standardised), and for the coreset's size: 10% of the patches and 6000 at most. b, which the "
        "paper leaves open, is 9.",
    },
    "patchcore-full": {
        "coreset": 1.0,
        "levels": "patch",
        "neighbourhood": 3,
        "share": 0.0,
        "DETERMINISTIC": True,
        "SUITES": ("extended",),
        "DIFFERS": "Patches are the published ones, but every training patch is kept, and the score is the distance to "
        "the nearest one, not reweighted.",
    },
}
DEFAULTS = {
    "coreset": 0.1,  # share of the training patches that is kept; 1, 10 and 25% in the paper's table 1
    "largest": 6000,  # patches that are kept at most
    "projection": 32,  # dimensions in which the coreset is chosen
    "neighbours": 0,  # b of equation 7, which reweights the largest value; 0: no reweighting
    "levels": "map",  # of f, see `PatchFeatures`
    "neighbourhood": 1,  # positions on a side that a level is averaged over; 3 in the paper
    "share": 0.02,  # of the map; the score is the mean of that share's largest values, of one at least
}


class Method(OnePassDetector):
    """Map = distance of every patch to the nearest in the coreset; score = mean of the largest, times a weight.

    With `share` = 0 the score is the largest value alone. With `neighbours` > 0 it is reweighted by equation 7.
    """

    skip = staticmethod(too_short)

    def __init__(self, spec: Spec, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        self.seed, self.params = seed, {**DEFAULTS, **params}
        self.features = PatchFeatures(
            spec, features, device, levels=self.params["levels"], neighbourhood=self.params["neighbourhood"]
        )
        self.bank = torch.empty(0, self.features.channels, device=device)
        self.info: dict[str, Any] = {"network_calls": 1, "f": self.features.name}

    @torch.no_grad()
    def fit(self, X: Any, X_valid: Any) -> Method:
        p = self.params
        patches = self.features.fit(X).flatten(0, 1)
        if p["coreset"] == 1:
            self.bank = patches
        else:
            generator = torch.Generator().manual_seed(self.seed)
            count = min(max(p["neighbours"], round(p["coreset"] * len(patches))), p["largest"], len(patches))
            projection = torch.randn(patches.shape[1], p["projection"], generator=generator).to(patches)
            first = int(torch.randint(len(patches), (), generator=generator))
            self.bank = patches[greedy_k_center(patches @ projection, count, first)]
        self.info["patches"] = {"training": len(patches), "kept": len(self.bank)}
        return self

    @torch.no_grad()
    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps (N, h, w) or (N, L), float32, in standard deviations of the features."""
        scores, maps = [], []
        for vectors in self.features.transform(X):  # (B, P, C)
            distances, rows = (t.reshape(vectors.shape[:2]) for t in nearest(vectors.flatten(0, 1), self.bank))
            largest, patch = distances.topk(max(1, round(self.params["share"] * distances.shape[1])), dim=1)
            patch = patch[:, 0]
            sample = torch.arange(len(vectors), device=patch.device)
            weight = self._weight(vectors[sample, patch], self.bank[rows[sample, patch]])
            scores.append(weight * largest.mean(1))
            maps.append(self.features.locate(distances))
        return torch.cat(scores).cpu().numpy(), torch.cat(maps).cpu().numpy()

    def _weight(self, patches: Tensor, found: Tensor) -> Tensor:
        """Equation 7, (B,): 1 - exp ||m_test - m*|| / sum of exp ||m_test - m|| over the b patches nearest to m*.

        m* is one of the b, so the weight lies in [0, 1). It is low where m* is far from other normal patches.
        """
        b = min(self.params["neighbours"], len(self.bank))
        if b == 0:
            return patches.new_ones(len(patches))
        around = torch.cdist(found, self.bank).topk(b, largest=False).indices  # (B, b)
        distances = (patches[:, None] - self.bank[around]).norm(dim=2)
        own = (patches - found).norm(dim=1)
        return 1 - (own - distances.logsumexp(1)).exp()

    def state_dict(self) -> dict[str, Any]:
        return {"bank": self.bank, **self.features.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> Method:
        state = dict(state)
        self.bank = torch.as_tensor(np.asarray(state.pop("bank"))).to(self.bank)
        self.features.load_state_dict(state)
        return self


def greedy_k_center(points: Tensor, count: int, first: int) -> Tensor:
    """Rows of `count` points, each the farthest from those before it (Gonzalez 1985): int64 (count,).

    The largest distance of any point to the chosen ones is at most twice the smallest possible (algorithm 1).

    Args:
        points: (N, D).
        count: at most N.
        first: the row to begin with.
    """
    chosen = torch.empty(count, dtype=torch.long, device=points.device)
    to_chosen = points.new_full((len(points),), float("inf"))  # squared
    squared = points.square().sum(1)
    farthest = torch.tensor(first, device=points.device)
    for i in range(count):
        chosen[i] = farthest
        to_chosen = torch.minimum(
            to_chosen, torch.addmv(squared + squared[farthest], points, points[farthest], alpha=-2)
        )
        to_chosen[farthest] = -1  # chosen once only
        farthest = to_chosen.argmax()
    return chosen
