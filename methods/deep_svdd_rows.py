"""Deep SVDD of rows: a row is anomalous if its code lies far from the centre of the codes of normal rows."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor, nn

from anomark.contracts import Array
from anomark.detectors.rows import RowDetector, glorot
from anomark.detectors.training import Step, seeded

NAME = "Deep SVDD of rows"
LABEL = "Deep SVDD (rows)"
PAPER = (
    "Ruff et al.: Deep One-Class Classification. ICML 2018; for rows as in PyOD 1.0 (Zhao et al.: PyOD: A Python "
    "Toolbox for Scalable Outlier Detection. JMLR 2019)"
)
PUBLISHED = (
    "Dense layers of 64 and 32 units without biases, trained for 100 epochs with batches of 32, as Livernoche et al. "
    "used PyOD's class of 2023. The score is the squared distance to the centre."
)
DIFFERS = (
    "PyOD has moved to another library since; its class of today has a learning rate of 1e-4 and a weight decay in "
    "place of the regulariser. So the network of 2023 is written out here, with what it did: the centre is that of "
    "another network with other initial weights, and an activity regulariser of .1 pulls all codes to 0."
)
FAMILY = "one-class"
MODALITIES = ("tabular",)
SUITES = ("dte",)
DEFAULTS = {
    "epochs": 100,
    "steps": None,  # of the suite's budget; None: as many as the epochs have
    "batch_size": 32,
    "lr": 1e-3,
    "hidden": [64, 32],
    "activity": 0.1,
    "held_out": 0.1,
}
#: A coordinate of the centre that is nearer to 0 is moved to this distance, unless it is 0.
SMALLEST = 0.1


class Method(RowDetector):
    """Score = squared distance of a row's code to the centre."""

    defaults = DEFAULTS
    adam_eps = 1e-7

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        first, second = self.params["hidden"]
        self.centre = torch.zeros(second, device=self.device)
        layers = glorot(math.prod(shape), first, bias=False), nn.ReLU(), glorot(first, second, bias=False), nn.ReLU()
        return nn.Sequential(*layers)

    @torch.no_grad()
    def train(self, rows: Array) -> None:
        """Fix the centre at the mean code of a network that is then left, and train another."""
        with seeded(self.seed + 1):
            other = self.build((rows.shape[1],)).to(self.device)
        centre = torch.cat([other(x) for x in self.batches(rows)]).mean(0)
        self.centre = torch.where((centre > 0) & (centre < SMALLEST), SMALLEST, centre)
        with torch.enable_grad():
            super().train(rows)

    def loss(self, step: Step) -> Tensor:
        """The mean squared distance to the centre, and the activities of both layers."""
        first = torch.relu(self.network[0](step.batch))
        code = torch.relu(self.network[2](first))
        activity = first.square().sum(1) + code.square().sum(1)
        return ((code - self.centre).square().sum(1) + self.params["activity"] * activity).mean()

    def score(self, x: Tensor) -> Tensor:
        distance: Tensor = (self.network(x) - self.centre).square().sum(1)
        return distance

    def state_dict(self) -> dict[str, Tensor]:
        return {"centre": self.centre, **super().state_dict()}

    def load_state_dict(self, state: dict[str, Tensor]) -> Self:
        self.centre = state["centre"].to(self.device)
        return super().load_state_dict({key: value for key, value in state.items() if key != "centre"})
