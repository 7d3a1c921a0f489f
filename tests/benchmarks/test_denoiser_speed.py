"""Speed of the closed-form denoiser on the whitened features of four images: its sum over the rows that count, and all.

One thread, 256 positions an image, 8,000 rows of 424 numbers of unit variance: the sizes of `wavediff_latent` on MVTec.
"""

from __future__ import annotations

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from anomark.diffusion import closed_form
from anomark.diffusion.closed_form import posterior_mean


@pytest.mark.parametrize("dense", [closed_form.DENSE, 10**9], ids=["rows_that_count", "all_rows"])
def test_denoiser(benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch, dense: int) -> None:
    benchmark.group = "closed-form denoiser, 4 images"
    monkeypatch.setattr(closed_form, "DENSE", dense)
    generator = torch.Generator().manual_seed(0)
    noised, memory = (torch.randn(n, 424, generator=generator) for n in (4 * 256, 8000))
    benchmark(posterior_mean, noised, memory, 1.0)
