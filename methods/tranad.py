"""TranAD: the error of a first reconstruction tells a second one where to look, and two decoders oppose each other."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from anomark.detectors.stepwise import StepwiseDetector
from anomark.detectors.trained import SCORE_BATCH
from anomark.detectors.training import Stateful
from anomark.nn.window_embedding import positions

NAME = "TranAD"
LABEL = "TranAD"
PAPER = "Tuli, Casale, Jennings: TranAD. PVLDB 15(6), 2022"
PUBLISHED = (
    "Two phases with a focus score, and two decoders with the paper's opposed losses. The score comes from both "
    "reconstructions. As in the authors' code, windows are scaled to [0, 1] by the training data, and the weights of "
    "the losses are 1/n over 5 epochs."
)
DIFFERS = (
    "The whole window is rebuilt, and not the last of 10 steps. The embedding is linear and as wide as the suite "
    "says, because a layer norm over twice one channel leaves only signs. There is no meta-learning step. An epoch is "
    "600 steps, so that the weights of the losses do not depend on the budget; from the fifth on they stay. Decoder 2 "
    "really plays against the rest, where the authors' code trains the first loss alone; at the end its output is far "
    "from the window."
)
FAMILY = "reconstruction"
MODALITIES = ("series",)
SUITES = ("extended", "paper-cpu", "paper-quick")
DEFAULTS = {
    "steps": 3000,
    "batch_size": 32,
    "lr": 1e-3,
    "width": 32,
    "heads": 4,
    "epochs": 5,  # as in the authors' code; the weights of the losses stay what they are in the last of them
    "epoch_steps": 600,
}


def losses(window: Tensor, first: Tensor, second: Tensor, focused: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
    """What the encoder and decoder 1, and what decoder 2 minimises (equations 8 and 9 of the paper).

    Mean squared errors, and 1 / n for the weight epsilon^-n of epoch n, as in the authors' code.

    Args:
        window: W, (B, C, L).
        first, second: O1 and O2, the decoders' outputs of phase 1.
        focused: O2 of phase 2.
        epoch: n, from 1.
    """
    plain, adversarial = 1 / epoch, 1 - 1 / epoch
    error_first, error_second, error_focused = ((o - window).square().mean() for o in (first, second, focused))
    return (
        plain * error_first + adversarial * error_focused,
        plain * error_second - adversarial * error_focused,
    )


class Scaling(nn.Module):
    """Channels between their least and greatest value in training: (B, C, L) to [0, 1] there, unbounded elsewhere.

    A channel that never moves is only shifted.
    """

    low: Tensor
    range: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros(channels, 1))
        self.register_buffer("range", torch.ones(channels, 1))

    def fit(self, X: Any) -> None:
        parts = [np.asarray(X[i : i + SCORE_BATCH], np.float32) for i in range(0, len(X), SCORE_BATCH)]
        low, high = (pick([pick(part, axis=(0, 2)) for part in parts], axis=0)[:, None] for pick in (np.min, np.max))
        self.low.copy_(torch.from_numpy(low))
        self.range.copy_(torch.from_numpy(np.where(high > low, high - low, 1)))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.low) / self.range


class Decoder(nn.Module):
    """Masked self-attention over the window, attention to its context, and a map back to values in [0, 1]."""

    def __init__(self, channels: int, dim: int, heads: int) -> None:
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(dim, heads, dim, dropout=0.0, batch_first=True)
        self.head = nn.Sequential(nn.Linear(dim, channels), nn.Sigmoid())

    def forward(self, window: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Embedded window and its encoding, each (B, L, dim), to (B, C, L)."""
        reconstruction: Tensor = self.head(self.layer(window, context, tgt_mask=mask, tgt_is_causal=True)).mT
        return reconstruction


class TranAD(nn.Module):
    """One encoder of window and focus, two decoders; all see the window scaled to [0, 1]."""

    positions: Tensor
    mask: Tensor

    def __init__(self, channels: int, length: int, dim: int, heads: int) -> None:
        super().__init__()
        self.scaling = Scaling(channels)
        self.embedding = nn.Linear(2 * channels, dim)
        self.register_buffer("positions", positions(length, dim), persistent=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length), persistent=False)
        self.encoder = nn.TransformerEncoderLayer(dim, heads, dim, dropout=0.0, batch_first=True)
        self.decoder_1, self.decoder_2 = Decoder(channels, dim, heads), Decoder(channels, dim, heads)

    def embed(self, window: Tensor, focus: Tensor) -> Tensor:
        """(B, C, L) twice -> (B, L, dim)."""
        embedded: Tensor = self.embedding(torch.cat([window, focus], dim=1).mT) + self.positions
        return embedded

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """O1 and O2 of phase 1, without focus, and O2 of phase 2, whose focus is O1's error: (B, C, L) each."""
        nothing = torch.zeros_like(window)
        target = self.embed(window, nothing)
        context = self.encoder(target)
        first, second = (d(target, context, self.mask) for d in (self.decoder_1, self.decoder_2))
        focused_context = self.encoder(self.embed(window, (first - window).square()))
        return first, second, self.decoder_2(target, focused_context, self.mask)


class Method(StepwiseDetector):
    """Map = half the squared error of the first and half that of the focused reconstruction (algorithm 2).

    Windows are scaled by the channels' least and greatest values in training, as in the authors' experiments.
    """

    defaults = DEFAULTS
    network: TranAD

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        channels, length = shape
        return TranAD(channels, length, 2 * self.params["width"], self.params["heads"])

    def fit(self, X: Any, X_valid: Any) -> Self:
        """Train two players in turn: decoder 2 against the rest of the network."""
        p, network = self.params, self.network
        network.scaling.fit(X)
        opponent = list(network.decoder_2.parameters())
        others = [q for q in network.parameters() if not any(q is r for r in opponent)]
        optimisers = [torch.optim.AdamW(q, lr=p["lr"], weight_decay=1e-5) for q in (others, opponent)]
        state: dict[str, Stateful] = {"network": network, "first": optimisers[0], "second": optimisers[1]}
        network.train()
        for step in self.steps(X, state):
            epoch = min(p["epochs"], math.ceil(step.index / p["epoch_steps"]))
            window = network.scaling(step.batch)
            for player, optimiser in enumerate(optimisers):
                first, second, focused = network(window)
                step.minimise(losses(window, first, second, focused, epoch)[player], optimiser, clip_norm=1.0)
        return self

    def errors(self, x: Tensor) -> Tensor:
        window = self.network.scaling(x)
        first, _, focused = self.network(window)
        error: Tensor = ((first - window).square() + (focused - window).square()).mean(dim=1) / 2
        return error
