"""The closed-form denoiser against Bayes' rule written out, and in its limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from anomark.diffusion import closed_form
from anomark.diffusion.closed_form import posterior_mean
from tests.samples import noise


@pytest.mark.parametrize("level", [0.3, 1.0, 4.0])
def test_it_is_the_posterior_mean_of_a_discrete_prior(level: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """One query and one row at a time, with scipy's normal density."""
    memory, noised = noise(9, 3), noise(7, 3, seed=1)
    monkeypatch.setattr(closed_form, "BLOCK", 20)  # two queries at a time
    got = posterior_mean(torch.from_numpy(noised), torch.from_numpy(memory), level)
    for query, mean in zip(noised, got, strict=True):
        likelihoods = np.array([multivariate_normal.pdf(query, row, level**2 * np.eye(3)) for row in memory])
        expected = (likelihoods[:, None] * memory).sum(0) / likelihoods.sum()
        np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-5)


def test_its_limits_are_the_nearest_row_and_the_mean() -> None:
    memory, noised = torch.from_numpy(noise(40, 5)), torch.from_numpy(noise(30, 5, seed=1))
    nearest = memory[torch.cdist(noised, memory).argmin(1)]
    assert torch.equal(posterior_mean(noised, memory, 0.0), nearest)
    torch.testing.assert_close(posterior_mean(noised, memory, 1e-3), nearest, rtol=1e-4, atol=1e-4)
    everything = memory.mean(0).expand_as(noised)
    torch.testing.assert_close(posterior_mean(noised, memory, 1e4), everything, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="at least 0"):
        posterior_mean(noised, memory, -1.0)


@pytest.mark.parametrize("level", [0.0, 0.7])
def test_a_query_is_denoised_by_the_other_groups_alone(level: float) -> None:
    memory = torch.from_numpy(noise(12, 4))
    groups = torch.arange(12) // 3
    got = posterior_mean(memory, memory, level, places=(groups, groups))
    for i in range(12):
        expected = posterior_mean(memory[i : i + 1], memory[groups != groups[i]], level)
        torch.testing.assert_close(got[i : i + 1], expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="near a query"):
        posterior_mean(memory[:3], memory[:3], level, places=(groups[:3], groups[:3]))


def test_rows_from_nearby_are_left_out() -> None:
    memory = torch.from_numpy(noise(12, 4))
    places = torch.arange(12)
    got = posterior_mean(memory[4:5], memory, 0.5, places=(places[4:5], places), apart=3)
    torch.testing.assert_close(got, posterior_mean(memory[4:5], memory[(places - 4).abs() >= 3], 0.5))


@pytest.mark.parametrize("level", [0.05, 0.3, 3.0])
def test_rows_that_weigh_nothing_may_be_left_out(level: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum over the rows that count equals the product with all of them."""
    memory, noised = (torch.from_numpy(noise(*shape, seed=i)) for i, shape in enumerate([(600, 6), (50, 6)]))
    short = posterior_mean(noised, memory, level)
    monkeypatch.setattr(closed_form, "DENSE", 10**9)
    torch.testing.assert_close(short, posterior_mean(noised, memory, level), rtol=1e-5, atol=1e-5)
