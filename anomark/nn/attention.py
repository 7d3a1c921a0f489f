"""Multi-head self-attention over the positions of a feature map."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from anomark.nn.unet import group_norm


class SelfAttention2d(nn.Module):
    """x + projection(attention(norm(x))): (B, C, H, W) -> (B, C, H, W) (Vaswani et al. 2017, section 3.2.2).

    Every position attends to every other, at a cost of (H W)^2. The projection starts at zero, so a new module is the
    identity.

    Args:
        channels: C.
        heads: number of heads; must divide C.
    """

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{heads} attention heads need a multiple of {heads} channels, got {channels}")
        self.heads = heads
        self.norm = group_norm(channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.projection = nn.Linear(channels, channels)
        nn.init.zeros_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        h = self.norm(x).flatten(2).mT  # (B, HW, C)
        h = self.query_key_value(h).unflatten(2, (3, self.heads, -1))  # (B, HW, 3, heads, C / heads)
        query, key, value = h.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, HW, C / heads)
        h = F.scaled_dot_product_attention(query, key, value)
        h = self.projection(h.transpose(1, 2).flatten(2))  # (B, HW, C)
        result: Tensor = x + h.mT.unflatten(2, (height, width))
        return result
