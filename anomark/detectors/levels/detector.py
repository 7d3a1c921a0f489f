"""What methods share that train a network on f's levels and score every position of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.base import OnePassDetector
from anomark.detectors.frontend import too_short
from anomark.detectors.levels.features import LevelFeatures, resized
from anomark.detectors.trained import NetworkDetector
from anomark.detectors.training import Step, seeded


class LevelDetector(NetworkDetector, OnePassDetector):
    """Map = one value for each position of each level, joined at the finest size; score = mean of its largest values.

    Training reads f's levels from memory, where they are computed once. The learning rate is constant. A subclass names
    its `defaults`, builds what is trained, and says loss and values. `defaults` hold steps, batch_size, lr, levels
    (first and stop of f's `map_levels`) and share (of the map, whose largest values give the score), and may hold
    weight_decay, betas and clip_norm.
    """

    defaults: ClassVar[Mapping[str, Any]]
    skip = staticmethod(too_short)

    def __init__(self, spec: Spec, seed: int, device: str, features: str | None = None, **params: Any) -> None:
        self.spec, self.seed, self.device = spec, seed, device
        self.params = {**self.defaults, **params}
        first, stop = self.params["levels"]
        self.features = LevelFeatures(spec, features, device, first=first, stop=stop)
        with seeded(seed):
            self.trained = self.build()
        self.network = nn.ModuleDict({"features": self.features, "trained": self.trained}).to(device)
        self.info: dict[str, Any] = {
            "network_calls": 1,
            "parameters": sum(w.numel() for w in self.trained.parameters()),
            "f": self.features.name,
        }

    def build(self) -> Any:
        """The module that is trained."""
        raise NotImplementedError

    def prepare(self, X: Any, levels: Sequence[Tensor]) -> None:
        """What is learnt from samples and their levels before the first step; nothing here."""

    def loss(self, levels: Sequence[Tensor], step: Step) -> Tensor:
        """What a step minimises, a scalar.

        Args:
            levels: of the batch, (B, c, h, w) each.
            step: whose batch holds the numbers of the training maps, (B,).
        """
        raise NotImplementedError

    def finish(self, levels: Sequence[Tensor]) -> None:
        """What is learnt from the training levels after the last step; nothing here."""

    def values(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Levels (B, c, h, w) to how anomalous each position is, (B, h, w) for each level that is scored."""
        raise NotImplementedError

    def joined(self, values: Sequence[Tensor]) -> Tensor:
        """The levels' maps as one (B, h, w) of the finest size: their sum."""
        return self.enlarged(values).sum(0)

    @staticmethod
    def enlarged(values: Sequence[Tensor]) -> Tensor:
        """The levels' maps (B, h, w) at the size of the first, (levels, B, h, w)."""
        return torch.stack([resized(value[:, None], values[0].shape[-2:])[:, 0] for value in values])

    def fit(self, X: Any, X_valid: Any) -> Self:
        p, cached = self.params, self.features.fit(X)
        self.prepare(X, cached)
        optimiser = torch.optim.Adam(
            self.trained.parameters(),
            lr=p["lr"],
            betas=p.get("betas", (0.9, 0.999)),
            weight_decay=p.get("weight_decay", 0),
        )
        for step in self.steps(np.arange(len(cached[0])), {"trained": self.trained, "optimiser": optimiser}):
            levels = [level[step.batch.long()] for level in cached]
            step.minimise(self.loss(levels, step), optimiser, clip_norm=p.get("clip_norm"))
        with torch.no_grad():
            self.finish(cached)
        return self

    @torch.no_grad()
    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps (N, h, w) or (N, L), float32."""
        scores, maps = [], []
        for levels in self.features.transform(X):
            joined = self.joined(self.values(levels))
            scores.append(self.features.scores(joined, self.params["share"]))
            maps.append(self.features.locate(joined))
        return torch.cat(scores).cpu().numpy(), torch.cat(maps).cpu().numpy()
