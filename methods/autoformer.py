"""Autoformer's encoder with a reconstruction head: stretches of like phase attend to each other, not single steps."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.stepwise import StepwiseDetector
from anomark.nn.window_embedding import ValueEmbedding

NAME = "Autoformer"
LABEL = "Autoformer"
PAPER = "Wu, Xu, Wang, Long: Autoformer. NeurIPS 2021"
PUBLISHED = (
    "Series decomposition with a moving average of 25 steps, and auto-correlation over the floor(log L) best delays. "
    "The encoder has 3 layers and a linear head, as in the authors' Time-Series-Library for anomaly detection."
)
DIFFERS = (
    "Delays are chosen for each window in training too, and not for the batch. For the short budget there is no "
    "dropout, and the learning rate is 1e-3 instead of 1e-4."
)
FAMILY = "reconstruction"
MODALITIES = ("series",)
DEFAULTS = {
    "steps": 3000,
    "batch_size": 32,
    "lr": 1e-3,
    "width": 32,
    "layers": 3,  # this and the next two: the authors' follow-up, Time-Series-Library, for anomaly detection
    "moving_average": 25,
    "factor": 1,
}


def decompose(x: Tensor, kernel: int) -> tuple[Tensor, Tensor]:
    """Seasonal part and trend of (B, L, D), where the trend is a moving average over `kernel` steps (equation 1).

    The first and the last step are repeated beyond the ends, so that the length stays the same.
    """
    before = (kernel - 1) // 2
    padded = F.pad(x.mT, (before, kernel - 1 - before), mode="replicate")
    trend = F.avg_pool1d(padded, kernel, stride=1).mT
    return x - trend, trend


def autocorrelation(query: Tensor, key: Tensor) -> Tensor:
    """R(tau) = sum over t of Q(t) K(t - tau), circular and averaged over features: (B, L, D) twice -> (B, L).

    This is equation 5 for all lags at once, by the Wiener-Khinchin theorem (equation 8). It sums over time, as the
    authors' code does, where the equation has a mean.
    """
    length = query.shape[1]
    spectrum = torch.fft.rfft(query, dim=1) * torch.fft.rfft(key, dim=1).conj()
    return torch.fft.irfft(spectrum.mean(dim=2), n=length, dim=1)


def aggregate(value: Tensor, correlation: Tensor, delays: int) -> Tensor:
    """Sum of the value (B, L, D) rolled by its best `delays` lags, weighted by softmax of R (B, L) (equation 6).

    A weighted sum of rolls is a circular correlation with the weights, so it is a product of spectra too.
    """
    best, lags = correlation.topk(delays, dim=1)
    weights = torch.zeros_like(correlation).scatter(1, lags, best.softmax(dim=1))
    spectrum = torch.fft.rfft(value, dim=1) * torch.fft.rfft(weights, dim=1).conj()[..., None]
    return torch.fft.irfft(spectrum, n=value.shape[1], dim=1)


class AutoCorrelation(nn.Module):
    """The counterpart of self-attention: (B, L, dim) -> (B, L, dim).

    As in the authors' code, the lags are chosen by the mean of R over all features of all heads, so that all heads do
    the same. Each sample has lags of its own in training too, where that code chooses them for the whole batch.
    """

    def __init__(self, dim: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        delays = max(1, int(self.factor * math.log(x.shape[1])))  # k = floor(c log L)
        correlation = autocorrelation(self.query(x), self.key(x))
        result: Tensor = self.out(aggregate(self.value(x), correlation, delays))
        return result


class SeasonalNorm(nn.Module):
    """Layer norm whose mean over time is taken off again (the authors' norm for seasonal parts): (B, L, dim)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(x)
        return y - y.mean(dim=1, keepdim=True)


class EncoderLayer(nn.Module):
    """Auto-correlation, then a feed-forward network, each with a residual and without the trend (equation 4)."""

    def __init__(self, dim: int, moving_average: int, factor: int) -> None:
        super().__init__()
        self.kernel = moving_average
        self.attention = AutoCorrelation(dim, factor)
        self.feed_forward = nn.Sequential(nn.Linear(dim, dim, bias=False), nn.GELU(), nn.Linear(dim, dim, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        x, _ = decompose(x + self.attention(x), self.kernel)
        x, _ = decompose(x + self.feed_forward(x), self.kernel)
        return x


class Autoformer(nn.Module):
    """Value embedding without positions, encoder layers, and a linear map back: (B, C, L) -> (B, C, L)."""

    def __init__(self, channels: int, dim: int, layers: int, moving_average: int, factor: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ValueEmbedding(channels, dim),
            *(EncoderLayer(dim, moving_average, factor) for _ in range(layers)),
            SeasonalNorm(dim),
            nn.Linear(dim, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        reconstruction: Tensor = self.layers(x).mT
        return reconstruction


class Method(StepwiseDetector):
    """Score = mean squared error between window and reconstruction, map = the same for every step.

    Windows come standardised by the training part of their series, as in the authors' experiments.
    """

    defaults = DEFAULTS

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        p = self.params
        return Autoformer(shape[0], 4 * p["width"], p["layers"], p["moving_average"], p["factor"])
