"""The noise predictor: a U-Net of residual blocks that know the diffusion time (Ho et al. 2020, appendix B).

Stem -> encoder stages -> middle -> decoder stages -> head. Stem, time embedding, attention and the pyramid beside the
encoder are handed in, so that a model and its ablations are one network with other parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.nn.time_embedding import SinusoidalEmbedding


class GroupNorm(nn.GroupNorm):
    """Group normalisation in the precision of its weights, also where convolutions give half precision.

    Besides being more exact, this saves a CPU a tenth of a training step: its kernel for half precision is slow.
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(self.weight.dtype))


def group_norm(channels: int) -> GroupNorm:
    """Group normalisation in at most 8 groups. Its statistics are those of one sample, whatever else is in the batch.

    A group has at least two channels, so that a map of one pixel still has something to normalise.
    """
    return GroupNorm(math.gcd(16, channels) // 2 or 1, channels)


class ResidualBlock(nn.Module):
    """Norm -> SiLU -> 3x3 convolution, twice, around the addition of the time embedding; plus a shortcut.

    (B, channels, H, W), (B, embedding) -> (B, out_channels, H, W). The second convolution starts at zero, so a new
    block is its shortcut.
    """

    def __init__(self, channels: int, out_channels: int, embedding: int) -> None:
        super().__init__()
        self.norm1 = group_norm(channels)
        self.conv1 = nn.Conv2d(channels, out_channels, 3, padding=1)
        self.time = nn.Linear(embedding, out_channels)
        self.norm2 = group_norm(out_channels)
        self.conv2 = zero(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        self.shortcut = nn.Conv2d(channels, out_channels, 1) if channels != out_channels else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time(F.silu(embedding))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        result: Tensor = self.shortcut(x) + h
        return result


class UNet(nn.Module):
    """Predict the noise in x_t: (B, channels, H, W), t (B,) -> (B, channels, H, W), any H, W >= 1.

    Stage l works at H / 2^l with `width * multipliers[l]` channels. Sizes that 2^(stages - 1) does not divide are
    padded by repeating the border, and the result is cropped.

    Args:
        channels: of the input and of the output.
        width: channels of the first stage.
        multipliers: one per stage.
        blocks: residual blocks per stage, on both sides.
        stem: (B, channels, H, W) -> (B, width, H, W); a 3x3 convolution by default.
        time_embedding: t (B,) -> (B, d), with an attribute `dim` = d; sinusoid and perceptron by default.
        attention: called with a number of channels, gives a module (B, C, h, w) -> (B, C, h, w).
        attention_stages: the encoder stages that end in attention; -1, the last, lies between encoder and decoder.
        pyramid: (B, channels, H, W) of x_t -> one tensor for each stage from the second on, at that stage's
            resolution; concatenated to what the stage receives.
        pyramid_channels: channels of these tensors.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int = 32,
        multipliers: Sequence[int] = (1, 2, 3, 4),
        blocks: int = 1,
        stem: nn.Module | None = None,
        time_embedding: nn.Module | None = None,
        attention: Callable[[int], nn.Module] | None = None,
        attention_stages: Sequence[int] = (-1,),
        pyramid: nn.Module | None = None,
        pyramid_channels: Sequence[int] = (),
    ) -> None:
        super().__init__()
        widths = [width * m for m in multipliers]
        stages = len(widths)
        side = [0, *pyramid_channels] if pyramid else [0] * stages
        if len(side) != stages:
            raise ValueError(f"{stages} stages need {stages - 1} pyramid channels, got {len(side) - 1}")
        self.multiple = 2 ** (stages - 1)
        self.stem = stem or nn.Conv2d(channels, width, 3, padding=1)
        self.time_embedding = time_embedding or SinusoidalEmbedding(4 * width)
        self.pyramid = pyramid
        dim = int(self.time_embedding.dim)  # type: ignore[arg-type]

        def block_list(first: int, out: int) -> nn.ModuleList:
            return nn.ModuleList(ResidualBlock(first if i == 0 else out, out, dim) for i in range(blocks))

        before = [width, *widths[:-1]]  # channels that enter each stage
        self.down = nn.ModuleList(nn.Conv2d(c, c, 3, stride=2, padding=1) for c in widths[:-1])
        self.encoder = nn.ModuleList(block_list(before[s] + side[s], widths[s]) for s in range(stages))
        attended = {s % stages for s in attention_stages} if attention else set()
        self.attention = nn.ModuleDict({str(s): attention(widths[s]) for s in sorted(attended)} if attention else {})
        self.middle = ResidualBlock(widths[-1], widths[-1], dim)
        # Reduced before it is enlarged: the same map at a quarter of the cost.
        self.up = nn.ModuleList(nn.Conv2d(widths[s + 1], widths[s], 1) for s in range(stages - 1))
        self.decoder = nn.ModuleList(block_list(2 * widths[s], widths[s]) for s in range(stages - 1))
        self.head = nn.Sequential(group_norm(widths[0]), nn.SiLU(), zero(nn.Conv2d(widths[0], channels, 3, padding=1)))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % self.multiple, 0, -height % self.multiple), mode="replicate")
        embedding = self.time_embedding(t)
        side = self.pyramid(x) if self.pyramid is not None else None

        h = self.stem(x)
        skips = []
        for s, encoder in enumerate(self.encoder):
            if s > 0:
                h = self.down[s - 1](h)
                if side is not None:
                    h = torch.cat([h, side[s - 1]], dim=1)
            for block in encoder:  # type: ignore[attr-defined]
                h = block(h, embedding)
            if str(s) in self.attention:
                h = self.attention[str(s)](h)
            skips.append(h)

        h = self.middle(skips.pop(), embedding)
        for up, decoder in zip(reversed(self.up), reversed(self.decoder), strict=True):
            h = torch.cat([F.interpolate(up(h), scale_factor=2.0, mode="nearest"), skips.pop()], dim=1)
            for block in decoder:  # type: ignore[attr-defined]
                h = block(h, embedding)
        result: Tensor = self.head(h)[..., :height, :width]
        return result


def zero(conv: nn.Conv2d) -> nn.Conv2d:
    """The convolution, with all weights set to 0."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv
