"""The hybrid time embedding: a convolution over the sinusoidal embedding of t."""

from __future__ import annotations

from torch import Tensor, nn

from anomark.nn.time_embedding import SinusoidalEmbedding, sinusoid


class HybridTimeEmbedding(SinusoidalEmbedding):
    """Sinusoid, convolved along its frequencies and added to itself, then the perceptron: t (B,) -> (B, dim).

    Cosine and sine of a frequency are the two channels of a sequence of dim / 2 steps, from the shortest period to the
    longest; two convolutions mix neighbouring frequencies. Without them this is `SinusoidalEmbedding`, the ablation.

    Args:
        dim: size of the embedding, even.
        channels: of the hidden sequence.
        kernel_size: frequencies that a convolution sees, odd.
    """

    def __init__(self, dim: int, channels: int = 16, kernel_size: int = 5) -> None:
        super().__init__(dim)
        padding = kernel_size // 2
        self.convolution = nn.Sequential(
            nn.Conv1d(2, channels, kernel_size, padding=padding),
            nn.SiLU(),
            nn.Conv1d(channels, 2, kernel_size, padding=padding),
        )

    def forward(self, t: Tensor) -> Tensor:
        wave = sinusoid(t, self.dim).unflatten(1, (2, -1))  # (B, 2, dim / 2): cosines, sines
        embedding: Tensor = self.mlp((wave + self.convolution(wave)).flatten(1))
        return embedding
