"""Continuous wavelet transform by FFT, and an exactly invertible time-frequency map for two-dimensional networks.

`cwt` is the textbook transform with PyWavelets' wavelets and normalisation (Torrence & Compo, "A Practical Guide to
Wavelet Analysis", BAMS 79, 1998, eq. 4). `Scalogram` is a tight frame of the same wavelets plus a low-pass residual,
after the Littlewood-Paley construction (Mallat, "A Wavelet Tour of Signal Processing", 3rd ed., section 4.3 and 5.1).

Both continue a window beyond its ends by half-sample reflection, so a level or a trend causes no jump at the border.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pywt
import torch
import torch.nn.functional as F
from scipy.interpolate import BSpline
from torch import Tensor, nn

from anomark.contracts import Array

#: Relative power below which a filter counts as empty, and at zero frequency a wavelet as admissible.
NEGLIGIBLE = 1e-6


def spectrum(wavelet: str) -> Callable[[Array], Array]:
    """Fourier transform of one of PyWavelets' continuous wavelets, in closed form.

    Args:
        wavelet: `cmorB-C`, `shanB-C`, `fbspM-B-C`, `morl`, `mexh`, `gaus1`..`gaus8` or `cgau1`..`cgau8`.

    Returns:
        psi_hat(omega) = int psi(t) exp(-i omega t) dt, omega in radians per unit of t.
    """
    matched = re.fullmatch(r"(cmor|shan|fbsp|morl|mexh|gaus|cgau)((?:[\d.]+-?)*)", wavelet)
    numbers = [float(n) for n in matched[2].split("-") if n] if matched else []
    match (matched[1] if matched else "", numbers):
        case "cmor", [bandwidth, center]:
            return lambda w: np.exp(-bandwidth * (w - 2 * np.pi * center) ** 2 / 4)
        case "shan", [bandwidth, center]:
            return lambda w: _box(w / (2 * np.pi), center, bandwidth, order=1) / math.sqrt(bandwidth)
        case "fbsp", [order, bandwidth, center] if order == int(order) >= 1:
            return lambda w: _box(w / (2 * np.pi), center, bandwidth / order, int(order)) * order / math.sqrt(bandwidth)
        case "morl", []:
            return lambda w: math.sqrt(np.pi / 2) * (np.exp(-((w - 5) ** 2) / 2) + np.exp(-((w + 5) ** 2) / 2))
        case "mexh", []:
            return lambda w: math.sqrt(8 / 3) * np.pi**0.25 * w**2 * np.exp(-(w**2) / 2)
        case "gaus", [order] if order in range(1, 9):
            return _gaussian(int(order), shift=0.0)
        case "cgau", [order] if order in range(1, 9):
            return _gaussian(int(order), shift=1.0)
    raise ValueError(
        f"no continuous wavelet {wavelet!r}: write cmorB-C (cmor1.5-1.0), shanB-C, fbspM-B-C, morl, mexh, "
        "gaus1..gaus8 or cgau1..cgau8"
    )


def scales_between(wavelet: str, low: float, high: float, number: int) -> Array:
    """Log-spaced scales, smallest first, whose centre frequencies run from `high` down to `low` (cycles per sample)."""
    if not 0 < low < high <= 0.5:
        raise ValueError(f"centre frequencies need 0 < low < high <= 0.5 cycles per sample, got {low} and {high}")
    return pywt.central_frequency(wavelet, precision=14) / np.geomspace(high, low, number)


def cwt(x: Tensor, scales: Array, wavelet: str = "cmor1.5-1.0") -> Tensor:
    """Continuous wavelet transform of a batch of windows.

    W(s, b) = 1/sqrt(s) int x(t) conj(psi((t - b) / s)) dt, in samples; x is continued by half-sample reflection.
    `pywt.cwt` differs in that it continues x by zeros, averages psi over each sample and, where its filter has an even
    number of taps, is half a sample late.

    Args:
        x: (..., L) real.
        scales: (S,) positive; a scale s has centre frequency `pywt.central_frequency(wavelet) / s` cycles per sample.
        wavelet: see `spectrum`.

    Returns:
        (..., S, L), complex for complex wavelets and real for real ones.
    """
    length = x.shape[-1]
    omega = 2 * np.pi * np.fft.fftfreq(2 * length)
    scales = np.asarray(scales, dtype=np.float64)[:, None]
    response = np.sqrt(scales) * np.conj(spectrum(wavelet)(scales * omega))
    filters = torch.from_numpy(response).to(x.device, torch.complex128 if x.dtype == torch.float64 else torch.complex64)
    mirrored = torch.cat([x, x.flip(-1)], dim=-1).reshape(-1, 2 * length)
    if wavelet.startswith(("cmor", "shan", "fbsp", "cgau")):
        spectra, invert = torch.fft.fft(mirrored), torch.fft.ifft
    else:  # a real wavelet's map is real: half the spectrum says it all
        spectra, invert, filters = torch.fft.rfft(mirrored), torch.fft.irfft, filters[:, : length + 1]
    # One window at a time: a window's map stays in the processor's cache between the two steps.
    maps = torch.stack([invert(spectrum * filters, n=2 * length)[:, :length] for spectrum in spectra])
    return maps.reshape(*x.shape[:-1], len(scales), length)


class Scalogram(nn.Module):
    """An invertible time-frequency map: (B, C, L) windows to (B, 3C, S, M) maps and back, both linear.

    Channels are the real part, the imaginary part and the low-pass residual (repeated over the scale axis; its inverse
    takes the mean). A map's row j is the band of scale j, smallest scale first; its column m is the band at the middle
    of the m-th block of `decimation` samples, M = ceil(L / decimation).

    Construction. A half-sample reflected window is x(b) = sum_k c_k cos(pi k (b + 1/2) / L), c real (the DCT-II), so
    a band is W_j(b) = sum_k H_j(k) c_k exp(i pi k (b + 1/2) / L) with a real response H_j of positive frequencies
    only: the phase of the wavelet's own spectrum is dropped, a real wavelet gives the analytic signal of its transform.
    H_j is |psi_hat(s_j omega)|, the first one also covering all smaller scales and the residual all larger ones of the
    same geometric series; dividing by the total makes H_0^2 + sum_j H_j^2 = 1 at every frequency. So a constant lies
    in the residual alone, nothing is lost, and without decimation inverse = adjoint.

    With decimation, frequencies that alias onto one another share a small real system of equations (S + 1 unknown
    bands' values, at most ceil(decimation / 2) frequencies); its pseudo-inverse, computed once, is the inverse. Maps
    that no window has (a denoiser's output) are projected onto those that one has, by least squares.

    Args:
        length: L, samples of a window.
        scales: S, number of scales, log-spaced.
        wavelet: see `spectrum`.
        decimation: samples per column of the map.
        low, high: lowest and highest centre frequency, cycles per sample. By default two cycles per window and 0.4.

    Attributes:
        condition: largest over smallest gain of the map; how much the inverse can amplify an error, at most.
    """

    MAX_CONDITION = 30.0

    forward_bank: Tensor  # (Q, S + 1, 2M): gain of frequency r + 2M q in the bands, the residual last
    inverse_bank: Tensor  # (Q, S + 1, 2M)

    def __init__(
        self,
        length: int,
        scales: int = 32,
        wavelet: str = "cmor1.5-1.0",
        decimation: int = 1,
        low: float | None = None,
        high: float = 0.4,
    ) -> None:
        super().__init__()
        self.length, self.decimation, self.columns = length, decimation, -(-length // decimation)
        padded = self.columns * decimation
        self.scales = scales_between(wavelet, 2 / length if low is None else low, high, scales)
        gains = _frame(wavelet, self.scales, np.pi * np.arange(padded) / padded)
        gains[-1, self.columns :] = 0  # the residual is sampled once a column, so it may not reach further

        rows = 2 * self.columns
        folds = -(-padded // rows)
        gains = np.pad(gains, ((0, 0), (0, folds * rows - padded)))
        bank = gains.reshape(scales + 1, folds, rows).transpose(1, 0, 2)
        bank[1::2] *= -1  # exp(i pi (k + 2M) (m + 1/2) / M) = -exp(i pi k (m + 1/2) / M)
        systems = bank.transpose(2, 1, 0)  # (2M, S + 1, Q)
        used = np.less(np.arange(folds * rows), padded).reshape(folds, rows).T
        self.condition = _condition(systems, used)
        if not self.condition <= self.MAX_CONDITION:
            raise ValueError(
                f"{scales} scales at {decimation} samples a column determine a window of {length} samples too badly "
                f"(condition {self.condition:.3g}, allowed {self.MAX_CONDITION:g}): use more scales or less decimation"
            )
        inverse = np.linalg.pinv(systems).transpose(1, 2, 0)
        # Kept in double precision and rounded to the input's type at each call.
        self.register_buffer("forward_bank", torch.from_numpy(np.ascontiguousarray(bank)), persistent=False)
        self.register_buffer("inverse_bank", torch.from_numpy(np.ascontiguousarray(inverse)), persistent=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(S, M) of the map."""
        return len(self.scales), self.columns

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, L) real windows to (B, 3C, S, M) maps; channels (real, imaginary, residual) of each input channel."""
        missing = self.columns * self.decimation - self.length
        if missing:  # fill the last block by reflection
            x = torch.cat([x, x[..., -missing:].flip(-1)], dim=-1)
        rows = 2 * self.columns
        coefficients = F.pad(_dct(x), (0, len(self.forward_bank) * rows - x.shape[-1]))
        folded = coefficients.unflatten(-1, (-1, 1, rows)).unbind(2)  # Q times (B, C, 1, 2M)
        bands = sum(c * gain for c, gain in zip(folded, self.forward_bank.to(x), strict=True))  # (B, C, S + 1, 2M)
        values = torch.fft.ifft(bands[..., :-1, :] * self._phase(x), norm="forward")[..., : self.columns]
        residual = _inverse_dct(bands[..., -1, : self.columns])
        residual = residual.unsqueeze(-2).expand(values.shape)
        return torch.stack([values.real, values.imag, residual], dim=2).flatten(1, 2)

    def inverse(self, maps: Tensor) -> Tensor:
        """(B, 3C, S, M) maps to (B, C, L) windows."""
        real, imaginary, residual = maps.unflatten(1, (-1, 3)).unbind(2)
        rows = 2 * self.columns
        # The reflected half of a band is the conjugate of the first, so twice the real part covers both.
        values = torch.fft.fft(torch.complex(real, imaginary), n=rows)
        bands = (values * self._phase(real).conj()).real / self.columns
        last = F.pad(_dct(residual.mean(-2)), (0, self.columns)).unsqueeze(-2)
        bands = torch.cat([bands, last], dim=-2)
        folded = [(bands * gain).sum(-2) for gain in self.inverse_bank.to(real)]
        coefficients = torch.cat(folded, dim=-1)[..., : self.columns * self.decimation]
        return _inverse_dct(coefficients)[..., : self.length]

    def _phase(self, like: Tensor) -> Tensor:
        """(2M,) complex: a column lies in the middle of its block, half a column after the block's start."""
        angle = torch.arange(2 * self.columns, device=like.device, dtype=like.dtype) * (math.pi / (2 * self.columns))
        return torch.polar(torch.ones_like(angle), angle)


def _frame(wavelet: str, scales: Array, omega: Array) -> Array:
    """(S + 1, K) responses of the bands and, last, of the residual; their squares sum to one at every frequency."""
    psi_hat = spectrum(wavelet)
    ratio = scales[1] / scales[0]

    def power(scale: float) -> Array:
        return np.abs(psi_hat(scale * omega)) ** 2 + np.abs(psi_hat(-scale * omega)) ** 2

    squares = np.stack([power(s) for s in scales] + [np.zeros_like(omega)])
    peak = squares.max()
    if power(0.0)[0] > NEGLIGIBLE * peak:
        raise ValueError(f"{wavelet} does not annihilate the mean: give it a higher centre frequency or bandwidth")
    scale = scales[0]
    while (more := power(scale := scale / ratio)).max() > NEGLIGIBLE * peak:
        squares[0] += more
    scale = scales[-1]
    while (more := power(scale := scale * ratio)).max() > NEGLIGIBLE * peak:
        squares[-1] += more
    squares[:, 0] = 0.0
    squares[-1, 0] = 1.0
    return np.sqrt(squares / squares.sum(0))


def _condition(bank: Array, used: Array) -> float:
    """Largest over smallest singular value of all systems of equations; columns that hold no frequency are left out."""
    values = [np.linalg.svd(system[:, columns], compute_uv=False) for system, columns in zip(bank, used, strict=True)]
    values = [v for v in values if v.size]
    return float(max(v.max() for v in values) / max(min(v.min() for v in values), np.finfo(float).tiny))


def _dct(x: Tensor) -> Tensor:
    """(..., L) to the c_k of x(b) = sum_k c_k cos(pi k (b + 1/2) / L), k < L (DCT-II)."""
    length = x.shape[-1]
    spectra = torch.fft.rfft(torch.cat([x, x.flip(-1)], dim=-1))[..., :length]
    turn = torch.arange(length, device=x.device, dtype=x.dtype) * (-math.pi / (2 * length))
    c = (spectra.real * turn.cos() - spectra.imag * turn.sin()) / length
    return torch.cat([c[..., :1] / 2, c[..., 1:]], dim=-1)


def _inverse_dct(c: Tensor) -> Tensor:
    """(..., L) coefficients c_k back to x(b)."""
    length = c.shape[-1]
    turn = torch.arange(length, device=c.device, dtype=c.dtype) * (math.pi / (2 * length))
    spectra = torch.complex(c * turn.cos(), c * turn.sin()) * length
    spectra = torch.cat([2 * spectra[..., :1], spectra[..., 1:]], dim=-1)
    return torch.fft.irfft(spectra, n=2 * length)[..., :length]


def _box(f: Array, center: float, width: float, order: int) -> Array:
    """Cardinal B-spline of the given order (1: a box) centred on a frequency, knots `width` apart."""
    knots = np.arange(order + 1) - order / 2
    return np.nan_to_num(BSpline.basis_element(knots, extrapolate=False)((f - center) / width))


def _gaussian(order: int, shift: float) -> Callable[[Array], Array]:
    """Derivative of exp(-t^2 - i shift t), scaled to unit energy as PyWavelets scales it."""

    def raw(w: Array) -> Array:
        return (1j * w) ** order * math.sqrt(np.pi) * np.exp(-((w + shift) ** 2) / 4)

    grid = np.linspace(-30, 30, 60001)
    energy = np.sum(np.abs(raw(grid)) ** 2) * (grid[1] - grid[0]) / (2 * np.pi)  # Parseval
    sign = -1 if shift == 0 and order % 4 in (2, 3) else 1  # PyWavelets turns the real ones' main lobe upward
    return lambda w: sign * raw(w) / math.sqrt(energy)
