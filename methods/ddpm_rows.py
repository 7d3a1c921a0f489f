"""Diffusion model of rows: a row is denoised as if it were noisy, and the score is how much that changes it."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.rows import Dropout, RowDetector
from anomark.detectors.training import Step
from anomark.diffusion.schedule import Schedule
from anomark.nn.time_embedding import sinusoid

NAME = "Denoising diffusion probabilistic model of rows"
LABEL = "DDPM (rows)"
PAPER = (
    "Ho, Jain, Abbeel: Denoising Diffusion Probabilistic Models. NeurIPS 2020; for rows as in Livernoche et al.: On "
    "Diffusion Modeling for Anomaly Detection. ICLR 2024"
)
PUBLISHED = (
    "A residual network of 3 blocks with 128 and 256 units predicts the noise, T = 1000 and a linear beta from 1e-4 to "
    ".01. It is trained for at most 400 epochs with batches of 64, until an epoch's loss is above that of 39 epochs "
    "before. A test row is taken for x_250 as it is, and denoised by the means of 250 ancestral steps: the authors' "
    "code adds no noise to the row, nor at the steps."
)
DIFFERS = "Batches run across the ends of epochs, where the authors drop an incomplete batch."
FAMILY = "diffusion"
MODALITIES = ("tabular",)
SUITES = ("dte",)
DEFAULTS = {
    "epochs": 400,
    "steps": None,  # of the suite's budget; None: as many as the epochs have
    "batch_size": 64,
    "lr": 1e-4,
    "weight_decay": 5e-4,
    "main": 128,
    "hidden": 256,
    "blocks": 3,
    "dropout": [0.4, 0.1],  # behind the first and the second layer of a block
    "embedding": 256,
    "T": 1000,
    "start": 250,  # T'
}
#: Training stops when an epoch's mean loss is above that of the epoch so many before; not before the second number.
LOOK_BACK, FIRST_STOP = 39, 52


class Block(nn.Module):
    """Normalise, widen, narrow, add: (B, main) to (B, main) (Gorishniy et al. 2021, section 3.2)."""

    def __init__(self, main: int, hidden: int, dropout: list[float]) -> None:
        super().__init__()
        first, second = dropout
        self.layers = nn.Sequential(
            nn.BatchNorm1d(main),
            nn.Linear(main, hidden),
            nn.ReLU(),
            Dropout(first),
            nn.Linear(hidden, main),
            Dropout(second),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


class Network(nn.Module):
    """The noise (B, D) in rows (B, D) at times t, (B,) or (1,); the embedding of t is added behind the first layer."""

    def __init__(self, size: int, p: dict[str, Any]) -> None:
        super().__init__()
        main, self.embedding = p["main"], p["embedding"]
        self.first = nn.Linear(size, main)
        self.time = nn.Sequential(
            nn.Linear(self.embedding, self.embedding),
            nn.SiLU(),
            nn.Linear(self.embedding, self.embedding),
            nn.SiLU(),
            nn.Linear(self.embedding, main),
        )
        self.blocks = nn.Sequential(*(Block(main, p["hidden"], p["dropout"]) for _ in range(p["blocks"])))
        self.head = nn.Sequential(nn.BatchNorm1d(main), nn.ReLU(), nn.Linear(main, size))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        y: Tensor = self.head(self.blocks(self.first(x) + self.time(sinusoid(t, self.embedding))))
        return y


class History:
    """The mean loss of every epoch, and the losses of the present one, as a checkpoint keeps them."""

    def __init__(self) -> None:
        self.epochs: list[float] = []
        self.losses: list[float] = []

    def add(self, loss: float, steps: int) -> bool:
        """Take the loss of a step; True where it ends an epoch of that many steps after which training stops."""
        self.losses.append(loss)
        if len(self.losses) < steps:
            return False
        self.epochs.append(sum(self.losses) / steps)
        self.losses = []
        return len(self.epochs) >= FIRST_STOP and self.epochs[-1] > self.epochs[-1 - LOOK_BACK]

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": list(self.epochs), "losses": list(self.losses)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epochs, self.losses = list(state_dict["epochs"]), list(state_dict["losses"])


class Method(RowDetector):
    """Score = mean squared difference of a row and what the ancestral steps make of it."""

    defaults = DEFAULTS

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        super().__init__(spec, seed, device, **params)
        self.schedule = Schedule(torch.linspace(1e-4, 0.01, self.params["T"]))
        self.info["network_calls"] = self.params["start"]

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        return Network(math.prod(shape), self.params)

    def epoch(self, n: int) -> int:
        return max(1, n // int(self.params["batch_size"]))

    def train(self, rows: Array) -> None:
        """Minimise the mean squared error of the noise until the loss no longer falls, or the epochs are over."""
        optimiser, history, epoch = self.optimiser(), History(), self.epoch(len(rows))
        self.network.train()
        for step in self.steps(rows, {"network": self.network, "optimiser": optimiser, "history": history}):
            step.minimise(self.loss(step), optimiser)
            if history.add(step.losses[-1], epoch):
                break
        self.info["epochs"] = len(history.epochs)

    def loss(self, step: Step) -> Tensor:
        x = step.batch
        # t counts from 0 for the network, as in the authors' code, and from 1 in the schedule.
        t = torch.randint(self.params["T"], (len(x),), generator=step.generator, device=x.device)
        noise = torch.randn(x.shape, generator=step.generator, device=x.device)
        return F.mse_loss(self.network(self.schedule.q_sample(x, t + 1, noise), t), noise)

    def score(self, x: Tensor) -> Tensor:
        """The mean of each ancestral step from t = start to 1 (Ho et al. 2020, algorithm 2), without its noise."""
        schedule, y = self.schedule, x
        for t in range(self.params["start"], 0, -1):
            beta, abar = float(schedule.betas[t]), float(schedule.alphas_bar[t])
            predicted = self.network(y, torch.tensor([t - 1], device=y.device))
            y = (y - beta / math.sqrt(1 - abar) * predicted) / math.sqrt(1 - beta)
        return (x - y).square().mean(1)
