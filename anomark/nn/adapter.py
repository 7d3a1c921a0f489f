"""From an input of any modality to the first feature map of the network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.nn.time_embedding import sinusoid

#: What an input channel is: a colour of an image, or a part of a scalogram.
ROLES = ("red", "green", "blue", "real", "imaginary", "residual")
#: Length of the fixed code that tells the variables of a multivariate window apart.
CODE = 8


class SharedInputAdapter(nn.Module):
    """One bank of learnable kernels for RGB, greyscale and scalogram inputs: (B, C, H, W) -> (B, width, H, W).

    Every input channel is convolved with the same bank; learnt weights, one set for each role of a channel, mix the
    responses. Both steps are linear and are carried out as one convolution. No weight's shape depends on the modality
    or on C: whatever the input, the network behind it stays the same.

    A greyscale image is an image whose three colours are equal. A window of V variables has the channels (real,
    imaginary, residual) of the first, of the second, ...; the mixing weights of variable v are a learnt combination of
    the fixed sinusoidal code of v, and the sum over variables is divided by sqrt(V).

    Args:
        picture: whether the input is a picture, which has 1 or 3 channels, or a scalogram, which has a multiple of 3.
        channels: C.
        width: channels of the feature map.
        kernels: size of the bank.
        kernel_size: odd.
    """

    code: Tensor  # (V, CODE)

    def __init__(self, picture: bool, channels: int, width: int, *, kernels: int = 16, kernel_size: int = 5) -> None:
        super().__init__()
        if channels not in (1, 3) if picture else channels % 3:
            what, expected = ("picture", "1 or 3") if picture else ("scalogram", "3 for each variable")
            raise ValueError(f"a {what} has {channels} channels, expected {expected}")
        self.grey = picture and channels == 1
        self.roles = slice(0, 3) if picture else slice(3, 6)
        variables = 1 if picture else channels // 3
        self.register_buffer("code", sinusoid(torch.arange(variables), CODE), persistent=False)
        self.bank = nn.Parameter(torch.randn(kernels, kernel_size, kernel_size) / kernel_size)
        # Three channels of unit variance give responses of unit variance: half of a code's squares sum to CODE / 2.
        scale = (3 * kernels * CODE / 2) ** -0.5
        self.mixing = nn.Parameter(scale * torch.randn(len(ROLES), CODE, width, kernels))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        mixing = torch.einsum("vp,rpwk->vrwk", self.code, self.mixing[self.roles]) / len(self.code) ** 0.5
        kernels = torch.einsum("vrwk,kij->wvrij", mixing, self.bank).flatten(1, 2)  # (width, C, k, k)
        if self.grey:
            kernels = kernels.sum(1, keepdim=True)
        return F.conv2d(x, kernels, self.bias, padding="same")


def plain_input(channels: int, width: int, *, kernel_size: int = 5) -> nn.Conv2d:
    """The ablation of the adapter: a convolution whose weights belong to one modality and number of channels."""
    return nn.Conv2d(channels, width, kernel_size, padding="same")


class FeatureAdapter(nn.Module):
    """The adapter for feature maps, whose channels are the same for every modality: (B, C, H, W) -> (B, width, H, W).

    Again all channels are convolved with one bank of kernels, and learnt weights mix the responses.
    """

    def __init__(self, channels: int, width: int, *, kernels: int = 8, kernel_size: int = 3) -> None:
        super().__init__()
        self.bank = nn.Parameter(torch.randn(kernels, kernel_size, kernel_size) / kernel_size)
        self.mixing = nn.Parameter(torch.randn(width, channels, kernels) * (channels * kernels) ** -0.5)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        kernels = torch.einsum("wck,kij->wcij", self.mixing, self.bank)
        return F.conv2d(x, kernels, self.bias, padding="same")
