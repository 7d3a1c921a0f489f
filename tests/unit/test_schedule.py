import math

import numpy as np
import pytest
import torch

from anomark.diffusion.schedule import Schedule, ScheduleName

NAMES: list[ScheduleName] = ["linear", "cosine"]


def test_linear_betas_are_those_of_ho_et_al() -> None:
    betas = Schedule.named("linear").betas.numpy()
    np.testing.assert_allclose(betas[1:], 1e-4 + (0.02 - 1e-4) * np.arange(1000) / 999, rtol=1e-12)


def test_cosine_alphas_bar_are_those_of_nichol_and_dhariwal() -> None:
    schedule = Schedule.named("cosine")
    f = [math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(1000)]
    np.testing.assert_allclose(schedule.alphas_bar[:1000], np.array(f) / f[0], rtol=1e-9)  # t = 1000 is clipped
    assert schedule.betas[1000] == 0.999


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("T", [10, 250, 1000])
def test_tables_start_without_noise_and_end_with_little_else(name: ScheduleName, T: int) -> None:
    schedule = Schedule.named(name, T)
    assert schedule.T == T and len(schedule.betas) == len(schedule.alphas_bar) == T + 1
    assert schedule.alphas_bar[0] == 1.0
    assert schedule.alphas_bar.dtype == torch.float64
    assert (schedule.alphas_bar.diff() < 0).all()
    assert schedule.betas[1:].min() > 0 and schedule.betas.max() < 1
    assert schedule.alphas_bar[-1] < 1e-3


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="'linear' or 'cosine'"):
        Schedule.named("sigmoid")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_forward_marginals_are_those_of_the_chain(name: ScheduleName) -> None:
    """Run the chain q(x_t given x_{t-1}) itself, step by step, and compare its moments with q_sample's."""
    T, n = 40, 20_000
    schedule = Schedule.named(name, T)
    rng = np.random.default_rng(0)
    x0 = 0.7
    x = np.full(n, x0)
    for t in range(1, T + 1):
        beta = float(schedule.betas[t])
        x = math.sqrt(1 - beta) * x + math.sqrt(beta) * rng.standard_normal(n)
        if t in (1, 7, 20, T):
            noise = torch.from_numpy(rng.standard_normal((n, 1)))
            sampled = schedule.q_sample(torch.full((n, 1), x0).double(), torch.full((n,), t), noise).numpy()
            deviation = math.sqrt(1 - float(schedule.alphas_bar[t]))
            tolerance = 4 * deviation / math.sqrt(n)  # four standard errors
            expected = math.sqrt(float(schedule.alphas_bar[t])) * x0
            for moment in (x, sampled):
                assert moment.mean() == pytest.approx(expected, abs=tolerance)
                assert moment.std() == pytest.approx(deviation, abs=tolerance)


def test_time_zero_is_the_sample_itself() -> None:
    x0 = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    noise, t = torch.ones_like(x0), torch.zeros(3, dtype=torch.int64)
    assert torch.equal(Schedule.named("linear").q_sample(x0, t, noise), x0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("t", [1, 2, 500, 1000])
def test_posterior_is_the_product_of_two_gaussians(name: ScheduleName, t: int) -> None:
    """q(x_{t-1} given x_t, x0) ~ q(x_t given x_{t-1}) q(x_{t-1} given x0), by completing the square in float64."""
    schedule = Schedule.named(name)
    x0, x_t = 0.3, -1.2
    beta, before = float(schedule.betas[t]), float(np.prod(1 - schedule.betas[1:t].numpy()))
    mean, variance = schedule.posterior(
        torch.tensor([[x0]]).double(), torch.tensor([[x_t]]).double(), torch.tensor([t])
    )
    if t == 1:  # q(x_0 given x0) is a point
        expected_mean, expected_variance = x0, 0.0
    else:
        precision = (1 - beta) / beta + 1 / (1 - before)
        expected_variance = 1 / precision
        expected_mean = expected_variance * (math.sqrt(1 - beta) * x_t / beta + math.sqrt(before) * x0 / (1 - before))
    assert mean.item() == pytest.approx(expected_mean, rel=1e-6)
    assert variance.item() == pytest.approx(expected_variance, rel=1e-6, abs=1e-15)


def test_noise_and_x0_invert_each_other_at_each_rows_own_time() -> None:
    schedule = Schedule.named("linear")
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 4, 3, 5, 5, generator=generator, dtype=torch.float64)
    t = torch.tensor([1, 10, 400, 1000])
    x_t = schedule.q_sample(x0, t, noise)
    torch.testing.assert_close(schedule.predict_x0(x_t, t, noise), x0)
    torch.testing.assert_close(schedule.predict_noise(x_t, t, x0), noise)
    alone = schedule.q_sample(x0[2:3], t[2:3], noise[2:3])
    assert torch.equal(alone, x_t[2:3])
