"""A U-Net whose encoder runs beside the wavelet pyramid of its input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from anomark.nn.attention import SelfAttention2d
from anomark.nn.hybrid_embedding import HybridTimeEmbedding
from anomark.nn.time_embedding import SinusoidalEmbedding
from anomark.nn.unet import UNet
from anomark.nn.wavelet import WaveletPyramid


def wavelet_unet(
    channels: int, stem: nn.Module, params: Mapping[str, Any], *, width: int, multipliers: Sequence[int]
) -> UNet:
    """Stem -> encoder beside the wavelet pyramid of x_t -> attention -> decoder; every part but the stem can be off.

    Args:
        channels: of the input and of the output.
        stem: (B, channels, H, W) -> (B, width, H, W).
        params: wavelet (None: no pyramid), heads (0: no attention), hybrid_embedding (False: a sinusoid and a
            perceptron alone), width (the time embedding has four times as many numbers) and, optionally,
            attention_stages.
        width, multipliers: of the stages, as `UNet` takes them.
    """
    levels = len(multipliers) - 1
    embedding = HybridTimeEmbedding if params["hybrid_embedding"] else SinusoidalEmbedding
    return UNet(
        channels,
        width=width,
        multipliers=multipliers,
        stem=stem,
        time_embedding=embedding(4 * params["width"]),
        pyramid=WaveletPyramid(levels, params["wavelet"]) if params["wavelet"] else None,
        pyramid_channels=[WaveletPyramid.channels(channels)] * levels if params["wavelet"] else (),
        attention=(lambda c: SelfAttention2d(c, params["heads"])) if params["heads"] else None,
        attention_stages=params.get("attention_stages", (-1,)),
    )
