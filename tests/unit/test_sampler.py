import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from anomark.diffusion.sampler import ancestral, ddim, ddim_times, reconstruct, shared_noise
from anomark.diffusion.schedule import Schedule

#: Data that is Gaussian has a noise predictor in closed form, E[noise given x_t].
MEAN, DEVIATION = 0.5, 0.3


def gaussian_predictor(schedule: Schedule):
    def predict(x: Tensor, t: Tensor) -> Tensor:
        abar = schedule.at(schedule.alphas_bar, t, x)
        return (1 - abar).sqrt() * (x - abar.sqrt() * MEAN) / (abar * DEVIATION**2 + 1 - abar)

    return predict


def independent_noise(shape: tuple[int, ...], seed: int):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randn(shape, generator=generator, dtype=torch.float64)


def perfect_predictor(schedule: Schedule, x0: Tensor):
    return lambda x, t: schedule.predict_noise(x, t, x0)


@pytest.mark.parametrize(
    ("sampler", "eta", "calls", "clip"),
    [("ddim", 0.0, 10, None), ("ddim", 1.0, 7, None), ("ddim", 0.5, 1, (-1.0, 1.0)), ("ancestral", 0.0, 10, None)],
)
@pytest.mark.parametrize("from_noise", [False, True])
def test_a_perfect_noise_predictor_returns_the_sample(sampler, eta, calls, clip, from_noise) -> None:
    schedule = Schedule.named("linear")
    x0 = torch.rand(4, 3, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    result = reconstruct(
        perfect_predictor(schedule, x0),
        schedule,
        x0,
        seed=0,
        start=250,
        from_noise=from_noise,
        sampler=sampler,
        calls=calls,
        eta=eta,
        clip=clip,
    )
    torch.testing.assert_close(result, x0, rtol=0, atol=1e-10)


def test_the_ancestral_step_is_the_papers() -> None:
    """x_{t-1} = (x_t - beta_t / sqrt(1 - abar_t) eps) / sqrt(1 - beta_t) + sigma_t z, written out with floats."""
    schedule = Schedule.named("linear", 50)
    predict = gaussian_predictor(schedule)
    x = torch.tensor([[1.3]]).double()
    sampled = ancestral(predict, schedule, x, 50, independent_noise((1, 1), 3))
    noise = independent_noise((1, 1), 3)
    for t in range(50, 0, -1):
        beta, abar, before = (float(v) for v in (schedule.betas[t], schedule.alphas_bar[t], schedule.alphas_bar[t - 1]))
        x = (x - beta / math.sqrt(1 - abar) * predict(x, torch.tensor([t]))) / math.sqrt(1 - beta)
        if t > 1:
            x = x + math.sqrt(beta * (1 - before) / (1 - abar)) * next(noise)
    torch.testing.assert_close(sampled, x, rtol=1e-9, atol=0)


def test_full_ddim_with_eta_one_is_ancestral_sampling_in_distribution() -> None:
    schedule, n = Schedule.named("linear", 100), 4000
    predict = gaussian_predictor(schedule)
    start = next(independent_noise((n, 1), 0))
    a = ancestral(predict, schedule, start, 100, independent_noise((n, 1), 1)).numpy().ravel()
    d = ddim(predict, schedule, start, 100, independent_noise((n, 1), 2), calls=100, eta=1.0).numpy().ravel()
    assert stats.ks_2samp(a, d).pvalue > 0.01
    for samples in (a, d):  # both are the data's distribution, up to the coarse chain's error
        assert samples.mean() == pytest.approx(MEAN, abs=0.03)
        assert samples.std() == pytest.approx(DEVIATION, abs=0.03)
    deterministic = ddim(predict, schedule, start, 100, independent_noise((n, 1), 2), calls=100, eta=0.0).numpy()
    assert np.corrcoef(start.numpy().ravel(), deterministic.ravel())[0, 1] > 0.999  # the control: eta = 0 is a map
    assert abs(np.corrcoef(start.numpy().ravel(), d)[0, 1]) < 0.1


@pytest.mark.parametrize(("start", "calls"), [(250, 10), (250, 1), (250, 250), (7, 3), (1, 1)])
def test_ddim_makes_the_promised_calls_at_decreasing_times(start: int, calls: int) -> None:
    schedule, seen = Schedule.named("linear"), []

    def predict(x: Tensor, t: Tensor) -> Tensor:
        seen.append(t.tolist())
        return torch.zeros_like(x)

    ddim(predict, schedule, torch.zeros(2, 1), start, iter(()), calls=calls)
    times = [t[0] for t in seen]
    assert len(times) == calls and times[0] == start and times[-1] >= 1
    assert times == sorted(set(times), reverse=True) and all(t == [t[0]] * 2 for t in seen)


@pytest.mark.parametrize("calls", [0, 11])
def test_impossible_call_counts_are_refused(calls: int) -> None:
    with pytest.raises(ValueError, match="1 <= calls <= start"):
        ddim_times(10, calls)


def test_noise_is_standard_normal_and_the_same_for_all_rows_and_batch_sizes() -> None:
    large, small = shared_noise(torch.zeros(5, 3, 40, 40), 7), shared_noise(torch.zeros(1, 3, 40, 40), 7)
    for _ in range(2):
        a, b = next(large), next(small)
        assert torch.equal(a, b.expand(a.shape))
        assert stats.kstest(b.numpy().ravel(), "norm").pvalue > 0.01
    assert not torch.equal(a, next(large))
    assert not torch.equal(next(shared_noise(a, 7)), next(shared_noise(a, 8)))


@pytest.mark.parametrize(("sampler", "eta"), [("ddim", 0.0), ("ddim", 1.0), ("ancestral", 0.0)])
def test_a_rows_reconstruction_ignores_batch_mates_and_order(sampler, eta) -> None:
    schedule = Schedule.named("linear", 100)
    predict = gaussian_predictor(schedule)
    x0 = torch.randn(6, 2, 4, 4, generator=torch.Generator().manual_seed(0))

    def run(x: Tensor, seed: int = 0) -> Tensor:
        return reconstruct(predict, schedule, x, seed=seed, start=50, sampler=sampler, eta=eta)

    together = run(x0)
    assert torch.equal(run(x0[4:5])[0], together[4])
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    assert torch.equal(run(x0[order]), together[order])
    assert not torch.equal(run(x0, seed=1), together)


def test_a_start_from_noise_is_blind_to_the_sample() -> None:
    schedule = Schedule.named("linear", 100)
    predict = gaussian_predictor(schedule)
    a, b = torch.full((1, 4), 0.9), torch.full((1, 4), -0.9)
    blind = [reconstruct(predict, schedule, x, seed=0, start=100, from_noise=True) for x in (a, b)]
    assert torch.equal(*blind)
    seeing = [reconstruct(predict, schedule, x, seed=0, start=25) for x in (a, b)]
    assert (seeing[0] > seeing[1]).all()


def test_clipping_keeps_the_reconstruction_in_range() -> None:
    schedule = Schedule.named("linear", 100)

    def bad(x: Tensor, t: Tensor) -> Tensor:
        return -3 * torch.ones_like(x)

    x0 = torch.zeros(1, 8)
    clipped = reconstruct(bad, schedule, x0, seed=0, start=50, clip=(-1.0, 1.0))
    assert clipped.abs().max() <= 1.0 < reconstruct(bad, schedule, x0, seed=0, start=50).abs().max()
