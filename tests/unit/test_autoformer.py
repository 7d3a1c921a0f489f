import importlib
from functools import partial

import numpy as np
import pytest
import torch

from anomark.detectors.training import seeded
from tests import series_detectors
from tests.samples import noise

autoformer = importlib.import_module("anomark_methods.autoformer")
fitted = partial(series_detectors.fitted, "autoformer")


@pytest.mark.parametrize("length", [11, 12])
def test_autocorrelation_is_that_of_every_lag(length: int) -> None:
    query, key = noise(2, 3, length, 5)
    expected = np.zeros((3, length))
    for b in range(3):
        for lag in range(length):
            expected[b, lag] = np.mean(
                [sum(query[b, t, d] * key[b, (t - lag) % length, d] for t in range(length)) for d in range(5)]
            )
    found = autoformer.autocorrelation(torch.from_numpy(query), torch.from_numpy(key))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_autocorrelation_peaks_at_the_period() -> None:
    wave = torch.sin(2 * torch.pi * torch.arange(60.0) / 12)[None, :, None]
    best = autoformer.autocorrelation(wave, wave).topk(5).indices
    assert set(best[0].tolist()) == {0, 12, 24, 36, 48}


@pytest.mark.parametrize("length", [11, 12])
def test_aggregation_is_a_weighted_sum_of_rolls(length: int) -> None:
    value, correlation = torch.from_numpy(noise(3, length, 5)), torch.from_numpy(noise(3, length))
    expected = torch.zeros_like(value)
    for b in range(3):
        lags = sorted(range(length), key=lambda lag, b=b: -correlation[b, lag])[:3]
        weights = np.exp([correlation[b, lag] for lag in lags])
        for lag, weight in zip(lags, weights / weights.sum(), strict=True):
            expected[b] += weight * torch.roll(value[b], -lag, dims=0)
    torch.testing.assert_close(autoformer.aggregate(value, correlation, 3), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", [4, 5, 25])
def test_the_trend_is_a_moving_average(kernel: int) -> None:
    x = noise(2, 17, 3)
    seasonal, trend = autoformer.decompose(torch.from_numpy(x), kernel)
    before = (kernel - 1) // 2
    for t in range(17):
        steps = np.clip(np.arange(t - before, t - before + kernel), 0, 16)
        np.testing.assert_allclose(trend[:, t], x[:, steps].mean(axis=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(seasonal + trend, x, rtol=1e-5, atol=1e-6)


def test_a_layer_commutes_with_rolls_inside_the_window() -> None:
    """No positions: a periodic sequence that starts later comes out later."""
    with seeded(0):
        attention = autoformer.AutoCorrelation(6, factor=1)
    x = torch.from_numpy(noise(2, 24, 6))
    torch.testing.assert_close(attention(x.roll(7, dims=1)), attention(x).roll(7, dims=1), rtol=1e-4, atol=1e-5)


def test_the_norm_leaves_no_level() -> None:
    y = autoformer.SeasonalNorm(6)(torch.from_numpy(noise(2, 24, 6)) + 3)
    torch.testing.assert_close(y.mean(dim=1), torch.zeros(2, 6), rtol=0, atol=1e-6)
