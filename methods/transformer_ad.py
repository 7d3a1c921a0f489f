"""Transformer autoencoder: a window that a few summary tokens cannot describe is anomalous."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.stepwise import StepwiseDetector
from anomark.nn.window_embedding import ValueEmbedding, positions

NAME = "Transformer autoencoder"
LABEL = "Trans-AD"
PAPER = "Vaswani et al.: Attention Is All You Need. NeurIPS 2017; Chen's Trans-AD names no source"
PUBLISHED = (
    "A Transformer encoder with a value embedding and sinusoidal positions. The score is the reconstruction error, "
    "and windows are standardised by training statistics."
)
DIFFERS = (
    "A window is rebuilt from 4 learnt tokens that the encoder summarises it in, because an encoder with an output at "
    "every step learns the identity. Sizes are those of Time-Series-Library (3 layers, 8 heads, a feed-forward "
    "network as wide as the model) with the suite's width. For the short budget there is no dropout, and the learning "
    "rate is 1e-3 instead of 1e-4."
)
FAMILY = "reconstruction"
MODALITIES = ("series",)
DEFAULTS = {"steps": 3000, "batch_size": 32, "lr": 1e-3, "width": 32, "layers": 3, "heads": 8, "tokens": 4}


class Transformer(nn.Module):
    """An encoder sees the window and a few learnt tokens; one more layer rebuilds every step from those tokens alone.

    With an output at every step of the encoder, as in forecasting models, the residual connections would carry each
    value to its own output, and an anomaly would be rebuilt as well as anything else.

    Args:
        channels, length: C and L of a window.
        dim: of the model; a multiple of `heads`.
        layers: of the encoder.
        tokens: number of vectors of `dim` numbers that a window is summarised in.
    """

    positions: Tensor

    def __init__(self, channels: int, length: int, dim: int, layers: int, heads: int, tokens: int) -> None:
        super().__init__()
        self.embedding = ValueEmbedding(channels, dim)
        self.register_buffer("positions", positions(length, dim), persistent=False)
        self.tokens = nn.Parameter(0.02 * torch.randn(tokens, dim))
        self.queries = nn.Parameter(0.02 * torch.randn(length, dim))

        def encoder(depth: int) -> nn.Module:
            # No dropout: the summary is what keeps the network from learning the identity.
            layer = nn.TransformerEncoderLayer(dim, heads, dim, 0.0, F.gelu, batch_first=True)
            return nn.TransformerEncoder(layer, depth, nn.LayerNorm(dim), enable_nested_tensor=False)

        self.encoder, self.decoder = encoder(layers), encoder(1)
        self.head = nn.Linear(dim, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction of windows (B, C, L)."""
        n, count = len(x), len(self.tokens)
        steps = self.embedding(x) + self.positions  # (B, L, dim)
        summary = self.encoder(torch.cat([self.tokens.expand(n, -1, -1), steps], dim=1))[:, :count]
        queries = (self.positions + self.queries).expand(n, -1, -1)
        rebuilt = self.decoder(torch.cat([summary, queries], dim=1))[:, count:]
        reconstruction: Tensor = self.head(rebuilt).mT
        return reconstruction


class Method(StepwiseDetector):
    """Score = mean squared error between window and reconstruction, map = the same for every step.

    Windows come standardised by the training part of their series, as is usual for Transformer detectors.
    """

    defaults = DEFAULTS

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        (channels, length), p = shape, self.params
        return Transformer(channels, length, 4 * p["width"], p["layers"], p["heads"], p["tokens"])
