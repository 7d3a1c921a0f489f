"""Two-dimensional discrete wavelet transform in torch, and the wavelet pyramid of the denoiser.

A separable transform is two strided depthwise convolutions. Along an axis, everything that follows it in memory is
treated as channels, so both convolutions run on channels-last memory without im2col. Conventions (phase, boundary
handling, odd sizes, order of the detail bands) are PyWavelets': Lee et al., "PyWavelets", JOSS 4(36), 2019.
"""

from __future__ import annotations

from typing import Literal, get_args

import pywt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Mode = Literal["periodization", "symmetric", "zero"]
#: Fewer channels than this do not fill a vector register: channels are then folded into the batch.
MIN_CHANNELS = 16


class DWT2(nn.Module):
    """Two-dimensional discrete wavelet transform and its inverse, differentiable in both directions.

    Args:
        wavelet: an orthogonal or biorthogonal wavelet of PyWavelets with finite filters (db1..., sym, coif, bior).
        mode: how the image continues beyond its border. `periodization` has ceil(n / 2) coefficients along an axis
            of length n (an odd one is first extended by its last value), `symmetric` (half-sample reflection) and
            `zero` have floor((n + F - 1) / 2), F being the filter length.
    """

    analysis: Tensor  # (2, F) correlation filters: low-pass, high-pass
    synthesis: Tensor  # (2, F)

    def __init__(self, wavelet: str = "db2", mode: Mode = "periodization") -> None:
        super().__init__()
        if mode not in get_args(Mode):
            raise ValueError(f"unknown boundary mode {mode!r}: choose one of {', '.join(get_args(Mode))}")
        bank = pywt.Wavelet(wavelet)
        self.wavelet, self.mode, self.taps = wavelet, mode, bank.dec_len
        # The filters are kept in double precision and rounded to the input's type at each call.
        low, high, rec_low, rec_high = (torch.tensor(f, dtype=torch.float64) for f in bank.filter_bank)
        self.register_buffer("analysis", torch.stack([low, high]).flip(1), persistent=False)
        self.register_buffer("synthesis", torch.stack([rec_low, rec_high]), persistent=False)

    def _apply(self, fn, recurse: bool = True):  # type: ignore[no-untyped-def]
        """Follow the module to a device but stay in double precision through `.float()` and `.bfloat16()`."""
        for name in ("analysis", "synthesis"):
            self._buffers[name] = self._buffers[name].to(fn(torch.empty(0)).device)  # type: ignore[union-attr]
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """One level.

        Args:
            x: (B, C, H, W), any floating type; fastest as float32, contiguous or channels-last.

        Returns:
            approximation (B, C, h, w) and details (B, C, 3, h, w) in PyWavelets' order: horizontal (high-pass along
            H), vertical (high-pass along W), diagonal.
        """
        bands = self._split(_fold(x))  # along H: (2N, h, W, K)
        bands = self._split(bands.transpose(1, 2))  # along W: (4N, w, h, K), ordered low-low, high-low, low-high, ...
        bands = _unfold(bands.transpose(1, 2), x.shape[0], x.shape[1])  # (4, B, C, h, w)
        return bands[0], bands[1:].permute(1, 2, 0, 3, 4)

    def inverse(self, approximation: Tensor, details: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """One level back: (B, C, h, w) and (B, C, 3, h, w) to (B, C, H, W), cropped to `size` where that is given."""
        bands = torch.cat([approximation.unsqueeze(2), details], dim=2)  # (B, C, 4, h, w)
        rows = _fold(bands.permute(2, 0, 1, 3, 4).flatten(0, 1))
        rows = self._merge(rows.transpose(1, 2))  # along W: (2N, W, h, K)
        rows = self._merge(rows.transpose(1, 2))  # along H: (N, H, W, K)
        image = _unfold(rows, *approximation.shape[:2])[0]
        return image if size is None else image[..., : size[0], : size[1]]

    def decompose(self, x: Tensor, levels: int) -> list[tuple[Tensor, Tensor]]:
        """[(A_1, D_1), ..., (A_L, D_L)]: each level is the transform of the approximation above it."""
        pyramid = []
        for _ in range(levels):
            x, details = self(x)
            pyramid.append((x, details))
        return pyramid

    def reconstruct(self, approximation: Tensor, details: list[Tensor], size: tuple[int, int]) -> Tensor:
        """(A_L, [D_1, ..., D_L]) back to an image of `size` (H, W)."""
        for level in range(len(details) - 1, -1, -1):
            target = size if level == 0 else (details[level - 1].shape[-2], details[level - 1].shape[-1])
            approximation = self.inverse(approximation, details[level], target)
        return approximation

    def _split(self, x: Tensor) -> Tensor:
        """Low-pass and high-pass half along axis 1: (N, n, ...) to (2N, m, ...)."""
        x = self._extend(x).contiguous()
        return torch.cat([_depthwise(F.conv2d, x, f, stride=(2, 1)) for f in self.analysis.to(x)])

    def _extend(self, x: Tensor) -> Tensor:
        n, odd = x.shape[1], x.shape[1] % 2
        if self.mode == "periodization":
            before = after = self.taps // 2 - 1
            if odd:
                x, n = torch.cat([x, x[:, -1:]], dim=1), n + 1
        else:
            before, after = self.taps - 2, self.taps - 2 + odd
        return _pad(x, before, after, self.mode)

    def _merge(self, bands: Tensor) -> Tensor:
        """Inverse of `_split`, up to one sample where the signal was odd: (2N, m, ...) to (N, n, ...)."""
        crop = self.taps - 2
        if self.mode == "periodization":
            wrap = -(-self.taps // 4)
            bands = _pad(bands, wrap, wrap, self.mode)
            crop = self.taps // 2 - 1 + 2 * wrap
        halves = bands.contiguous().chunk(2)
        low, high = (
            _depthwise(F.conv_transpose2d, half, f, stride=(2, 1), padding=(crop, 0))
            for half, f in zip(halves, self.synthesis.to(bands), strict=True)
        )
        return low + high


class WaveletPyramid(nn.Module):
    """The wavelet pyramid module: {A_l, D_l} of an image, one tensor for each encoder stage.

    Level l has ceil(H / 2^l) x ceil(W / 2^l) positions, which is what l stride-2 convolutions (kernel 3, padding 1)
    leave of H x W. `periodization` gives that size by itself; the other modes' border coefficients are cropped evenly.

    Orthogonal filters double a constant at every level; A_l is divided by 2^l, so that it stays in the range of x.
    Details are left alone: unit white noise has unit variance in each of them.
    """

    def __init__(self, levels: int, wavelet: str = "db2", mode: Mode = "periodization") -> None:
        super().__init__()
        self.levels = levels
        self.dwt = DWT2(wavelet, mode)

    @staticmethod
    def channels(channels: int) -> int:
        """Channels of every level, for an image with `channels`: one approximation and three details each."""
        return 4 * channels

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) to [(B, 4C, ceil(H / 2^l), ceil(W / 2^l)) for l = 1..levels]: A_l first, then D_l."""
        stages = []
        height, width = x.shape[-2:]
        for level, (approximation, details) in enumerate(self.dwt.decompose(x, self.levels), start=1):
            height, width = -(-height // 2), -(-width // 2)
            stage = torch.cat([approximation / 2**level, details.flatten(1, 2)], dim=1)
            top, left = (stage.shape[-2] - height) // 2, (stage.shape[-1] - width) // 2
            stages.append(stage[..., top : top + height, left : left + width])
        return stages


def _fold(x: Tensor) -> Tensor:
    """(B, C, H, W) as (N, H, W, K), which is channels-last memory: K = C, or 1 where C is small and N = B C."""
    return x.flatten(0, 1).unsqueeze(-1) if x.shape[1] < MIN_CHANNELS else x.permute(0, 2, 3, 1)


def _unfold(rows: Tensor, batch: int, channels: int) -> Tensor:
    """(bands N, H, W, K) as (bands, B, C, H, W)."""
    if channels < MIN_CHANNELS:
        return rows.squeeze(-1).unflatten(0, (-1, batch, channels))
    return rows.unflatten(0, (-1, batch)).permute(0, 1, 4, 2, 3)


def _depthwise(convolution, x: Tensor, taps: Tensor, **options) -> Tensor:  # type: ignore[no-untyped-def]
    """One filter along axis 1 of a contiguous (N, n, ...), all later axes being channels."""
    rows = x.flatten(2).unsqueeze(2).permute(0, 3, 1, 2)  # (N, channels, n, 1), channels-last
    weight = taps.reshape(1, 1, -1, 1).expand(rows.shape[1], -1, -1, -1)
    y = convolution(rows, weight, groups=rows.shape[1], **options)
    return y.permute(0, 2, 3, 1).reshape(x.shape[0], -1, *x.shape[2:])


def _pad(x: Tensor, before: int, after: int, mode: Mode) -> Tensor:
    """Extend axis 1 of (N, n, ...); the extension may be longer than the signal itself."""
    if before == after == 0:
        return x
    if mode == "zero":
        return F.pad(x, (0, 0) * (x.ndim - 2) + (before, after))
    n = x.shape[1]
    index = torch.arange(-before, n + after, device=x.device)
    if mode == "periodization":
        index = index % n
    else:
        index = index % (2 * n)
        index = torch.minimum(index, 2 * n - 1 - index)
    # Only the two borders are gathered: copying the whole by index would be several times slower.
    return torch.cat([x[:, index[:before]], x, x[:, index[before + n :]]], dim=1)
