"""DWT against PyWavelets, perfect reconstruction, gradients, and the pyramid's sizes and scale."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import pywt
import torch

from anomark.nn.wavelet import DWT2, Details, WaveletPyramid

WAVELETS = [*(f"db{n}" for n in range(1, 9)), *(f"sym{n}" for n in range(2, 9)), "coif1", "coif2", "coif3", "bior2.2"]
MODES = ["periodization", "symmetric", "zero"]
#: Even, odd, shorter than the filter, one row.
SHAPES = [(2, 1, 16, 24), (1, 3, 13, 17), (2, 20, 9, 4), (1, 2, 5, 3), (1, 1, 1, 7)]


def image(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wavelet", WAVELETS)
def test_equals_pywavelets(wavelet: str, mode: str) -> None:
    dwt = DWT2(wavelet, mode)
    for shape in SHAPES:
        x = image(*shape)
        approximation, details = dwt(x)
        expected, bands = pywt.dwt2(x.numpy(), wavelet, mode=mode)
        np.testing.assert_allclose(approximation, expected, atol=1e-10)
        np.testing.assert_allclose(torch.stack(details), np.stack(bands), atol=1e-10)
        np.testing.assert_allclose(
            dwt.inverse(approximation, details), pywt.idwt2((expected, bands), wavelet, mode=mode), atol=1e-10
        )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wavelet", ["db1", "db4", "sym5", "coif2"])
def test_levels_equal_wavedec2_and_reconstruct(wavelet: str, mode: str) -> None:
    dwt = DWT2(wavelet, mode)
    x = image(2, 3, 45, 38)
    pyramid = dwt.decompose(x, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyWavelets: more levels than it deems useful
        expected = pywt.wavedec2(x.numpy(), wavelet, mode=mode, level=3)
    np.testing.assert_allclose(pyramid[-1][0], expected[0], atol=1e-10)
    for (_, details), bands in zip(pyramid, expected[:0:-1], strict=True):
        np.testing.assert_allclose(torch.stack(details), np.stack(bands), atol=1e-10)
    restored = dwt.reconstruct(pyramid[-1][0], [details for _, details in pyramid], (45, 38))
    torch.testing.assert_close(restored, x, rtol=0, atol=1e-10)


@pytest.mark.parametrize("mode", MODES)
def test_single_precision_to_1e_5(mode: str) -> None:
    x = image(2, 3, 33, 40, dtype=torch.float32)
    for layout in (torch.contiguous_format, torch.channels_last):
        approximation, details = DWT2("db4", mode)(x.contiguous(memory_format=layout))
        expected, bands = pywt.dwt2(x.double().numpy(), "db4", mode=mode)
        assert approximation.dtype == torch.float32
        np.testing.assert_allclose(approximation, expected, atol=1e-5)
        np.testing.assert_allclose(torch.stack(details), np.stack(bands), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 16])
@pytest.mark.parametrize("mode", MODES)
def test_gradients(mode: str, channels: int) -> None:
    dwt = DWT2("db2", mode)
    x = image(1, channels, 5, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: (dwt(x)[0], *dwt(x)[1]), (x,), fast_mode=True)
    approximation, details = dwt(x.detach())
    bands = [b.clone().requires_grad_() for b in (approximation, *details)]
    assert torch.autograd.gradcheck(lambda a, *d: dwt.inverse(a, Details(*d)), bands, fast_mode=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(32, 32), (37, 22)])
def test_pyramid_fits_strided_convolutions(size: tuple[int, int], mode: str) -> None:
    x = image(2, 3, *size, dtype=torch.float32)
    stages = WaveletPyramid(3, "db3", mode)(x)
    down = torch.nn.Conv2d(3, 3, 3, stride=2, padding=1)
    for stage in stages:
        x = down(x)
        assert stage.shape == (2, WaveletPyramid.channels(3), *x.shape[-2:])


def test_pyramid_keeps_a_constant_and_the_noise_variance() -> None:
    for stage in WaveletPyramid(3, "sym4")(torch.full((1, 2, 32, 32), 0.7)):
        torch.testing.assert_close(stage[:, :2], torch.full_like(stage[:, :2], 0.7), rtol=0, atol=1e-5)
        assert stage[:, 2:].abs().max() < 1e-4
    for stage in WaveletPyramid(2, "db2")(image(8, 1, 64, 64, dtype=torch.float32)):
        torch.testing.assert_close(stage[:, 1:].var(), torch.tensor(1.0), rtol=0, atol=0.05)


def test_scoring_first_does_not_forbid_training() -> None:
    dwt = DWT2("db2")
    with torch.inference_mode():
        dwt(image(1, 1, 8, 8))
    x = image(1, 1, 8, 8).requires_grad_()
    dwt(x)[0].sum().backward()
    assert x.grad is not None


def test_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="reflect"):
        DWT2("db2", "reflect")  # type: ignore[arg-type]
