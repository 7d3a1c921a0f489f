"""CWT against PyWavelets, and the scalogram's exact inverse: levels, steps, ramps, noise, odd lengths, decimation."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
import torch

from anomark.signal.cwt import Scalogram, cwt, scales_between, spectrum

CONTINUOUS = ["cmor1.5-1.0", "cmor0.9-1.2", "morl", "mexh", *(f"gaus{n}" for n in range(1, 9)), "cgau1", "cgau4"]


def pywt_filter(wavelet: str, scale: float, precision: int) -> tuple[float, float]:
    """How many samples PyWavelets' centred filter is late, given the grid on which it samples the integral of psi.

    Its taps are the integrals of psi over cells of 1/scale from the wavelet's lower bound on, and it crops
    floor(taps / 2) of the convolution: the filter's centre falls on a sample or between two, depending on the scale.
    """
    integral, grid = pywt.integrate_wavelet(pywt.ContinuousWavelet(wavelet), precision=precision)
    samples = (np.arange(scale * (grid[-1] - grid[0]) + 1) / (scale * (grid[1] - grid[0]))).astype(int)
    last = (samples < integral.size).sum() - 2
    return -grid[0] * scale - 0.5, last - np.floor(last / 2)


@pytest.mark.parametrize("wavelet", CONTINUOUS)
def test_equals_pywt_cwt(wavelet: str) -> None:
    """To 1e-3 of the largest value, away from the borders, once PyWavelets' discretisation is applied to the input.

    `pywt.cwt` averages psi over each sample (a sinc in frequency) and shifts it by up to half a sample; both are exact
    operations on a band-limited periodic signal. Its remaining fault is the table of psi's
    integral (2^precision steps).
    """
    length, border = 4096, 1200
    frequency = np.fft.rfftfreq(length)
    noise = np.fft.rfft(np.random.default_rng(0).normal(size=length)) * np.exp(-((frequency / 0.2) ** 2))
    for scale in (4.0, 8.3, 32 + 1 / 16):
        expected = pywt.cwt(np.fft.irfft(noise), [scale], wavelet, precision=18)[0][0]
        center, crop = pywt_filter(wavelet, scale, precision=18)
        averaged = noise * np.sinc(frequency) * np.exp(2j * np.pi * frequency * (center - crop))
        found = cwt(torch.from_numpy(np.fft.irfft(averaged)), np.array([scale]), wavelet)[0].numpy()
        middle = slice(border, -border)
        error = np.abs(found - expected)[middle].max() / np.abs(expected[middle]).max()
        assert error < 1e-3, f"{wavelet} at scale {scale}: {error:.1e}"


@pytest.mark.parametrize("wavelet", [*CONTINUOUS, "shan1.5-1.0", "fbsp2-1-0.5", "fbsp3-2-1.0"])
def test_closed_forms_equal_the_numerical_spectrum(wavelet: str) -> None:
    """PyWavelets cuts shan and fbsp off at +-20, where they have not decayed: the cut rings at a box's edges."""
    *psi, time = pywt.ContinuousWavelet(wavelet).wavefun(14)
    omega = np.linspace(-12, 12, 97)
    expected = np.exp(-1j * np.outer(omega, time)) @ psi[0] * (time[1] - time[0])
    found = spectrum(wavelet)(omega)
    smooth = np.abs(np.abs(omega / (2 * np.pi) - 1.0) - 0.75) > 0.1 if wavelet.startswith("shan") else slice(None)
    tolerance = 1e-6 if wavelet in CONTINUOUS else 0.05
    np.testing.assert_allclose(found[smooth], expected[smooth], atol=tolerance * np.abs(expected).max())


def test_a_sinusoid_peaks_at_its_own_scale() -> None:
    scales = scales_between("cmor1.5-1.0", 0.02, 0.4, 16)
    center = pywt.central_frequency("cmor1.5-1.0", precision=14) / scales
    assert center[0] == pytest.approx(0.4) and center[-1] == pytest.approx(0.02)
    for row in (3, 9, 14):
        x = torch.cos(2 * np.pi * center[row] * torch.arange(512))
        power = (cwt(x, scales).abs() / torch.from_numpy(np.sqrt(scales))[:, None])[:, 100:-100].mean(1)
        assert power.argmax() == row


def windows(length: int) -> dict[str, torch.Tensor]:
    t = torch.arange(length, dtype=torch.float32)
    noise = np.fft.rfft(np.random.default_rng(1).normal(size=length))
    noise[length // 5 :] = 0
    return {
        "constant": torch.full((length,), 3.0),
        "step": (t > length / 3).float(),
        "ramp": t / length,
        "sinusoid": torch.sin(0.7 * t),
        "band-limited": torch.from_numpy(np.fft.irfft(noise, n=length)).float(),
        "spike at the border": (t == 0).float(),
        "white noise": torch.randn(length, generator=torch.Generator().manual_seed(2)),
    }


@pytest.mark.parametrize(
    ("length", "scales", "wavelet", "decimation"),
    [
        (48, 16, "cmor1.5-1.0", 1),
        (96, 16, "cmor1.5-1.0", 2),
        (100, 24, "mexh", 1),
        (100, 24, "gaus3", 1),
        (100, 24, "shan1.5-1.0", 1),
        (150, 32, "cmor1.5-1.0", 4),
        (155, 32, "cmor1.5-1.0", 4),
        (512, 32, "cmor1.5-1.0", 8),
    ],
)
def test_inverse_returns_the_window_with_its_level(length: int, scales: int, wavelet: str, decimation: int) -> None:
    scalogram = Scalogram(length, scales, wavelet, decimation)
    signals = windows(length)
    x = torch.stack(list(signals.values())).unsqueeze(1)
    maps = scalogram(x)
    assert maps.shape == (len(x), 3, *scalogram.shape) and scalogram.shape == (scales, -(-length // decimation))
    assert dict(zip(signals, (scalogram.inverse(maps) - x).abs().amax((1, 2)) < 1e-5, strict=True)) == dict.fromkeys(
        signals, True
    )


def test_a_constant_lies_in_the_residual_alone() -> None:
    maps = Scalogram(96, 16)(torch.full((1, 1, 96), -2.0))
    torch.testing.assert_close(maps[:, 2], torch.full_like(maps[:, 2], -2.0))
    assert maps[:, :2].abs().max() < 1e-5


def test_bands_are_the_cwt_up_to_a_gain_per_scale() -> None:
    """Without decimation and between the extreme scales, a row is `cwt` times a positive constant."""
    scalogram = Scalogram(256, 32)
    x = torch.randn(1, 1, 256, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    maps = scalogram.double()(x)[0]
    expected = cwt(x[0, 0], scalogram.scales)
    for row in range(4, 28):
        found = torch.complex(maps[0, row], maps[1, row])
        gain = (found.abs().square().sum() / expected[row].abs().square().sum()).sqrt()
        torch.testing.assert_close(found, gain * expected[row], rtol=0, atol=1e-2 * found.abs().max().item())


def test_columns_are_the_bands_at_the_middle_of_their_blocks() -> None:
    """Decimation by an odd number picks samples of the full map."""
    x = torch.randn(1, 1, 135, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        Scalogram(135, 24, decimation=3)(x)[:, :2], Scalogram(135, 24)(x)[:, :2, :, 1::3], rtol=0, atol=1e-5
    )


def test_inverse_is_a_projection_and_bounded_by_the_condition() -> None:
    scalogram = Scalogram(128, 32, decimation=4).double()
    generator = torch.Generator().manual_seed(3)
    maps = torch.randn(4, 3, *scalogram.shape, dtype=torch.float64, generator=generator)
    projected = scalogram(scalogram.inverse(maps))
    torch.testing.assert_close(scalogram(scalogram.inverse(projected)), projected)
    assert 1 <= scalogram.condition < 1.2


def test_channels_of_a_multivariate_window_stay_apart() -> None:
    x = torch.randn(2, 3, 64, generator=torch.Generator().manual_seed(0))
    scalogram = Scalogram(64, 16)
    torch.testing.assert_close(scalogram(x)[:, 3:6], scalogram(x[:, 1:2]))
    torch.testing.assert_close(scalogram.inverse(scalogram(x)), x, rtol=0, atol=1e-5)


def test_gradients() -> None:
    scalogram = Scalogram(12, 8, decimation=2, low=0.1)
    x = torch.randn(1, 1, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(scalogram, (x,))
    assert torch.autograd.gradcheck(scalogram.inverse, (scalogram(x).detach().requires_grad_(),))


def test_what_cannot_be_inverted_is_refused() -> None:
    with pytest.raises(ValueError, match="more scales or less decimation"):
        Scalogram(512, 16, decimation=32)
    with pytest.raises(ValueError, match="mean"):
        Scalogram(128, 16, wavelet="cmor1.5-0.3")
    with pytest.raises(ValueError, match="cmorB-C"):
        Scalogram(128, 16, wavelet="db4")
