import numpy as np
import pytest
import torch
from torch import Tensor

from anomark.diffusion.distillation import distilled_noise
from anomark.diffusion.guidance import fused, keep, nearer, toward
from anomark.diffusion.masking import discs, grids, in_frequencies, patches
from anomark.diffusion.sampler import ddim, ddim_times, reconstruct, shared_noise
from anomark.diffusion.schedule import Schedule

SCHEDULE = Schedule.named("linear")
#: Data N(0, diag(VARIANCE)), whose noise predictor is known.
VARIANCE = torch.tensor([0.2, 1.0, 3.0], dtype=torch.float64)


def linear(x: Tensor, t: Tensor) -> Tensor:
    abar = SCHEDULE.at(SCHEDULE.alphas_bar, t, x)
    return (1 - abar).sqrt() * x / (abar * VARIANCE + 1 - abar)


def rows(n: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def denoised(y: Tensor, guide=None, eta: float = 0.0) -> Tensor:
    return reconstruct(linear, SCHEDULE, y, seed=0, start=250, calls=5, eta=eta, guide=guide)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_no_guide_and_guides_that_do_nothing(eta: float) -> None:
    """Without a guide the sampler is what it was, bit for bit; weights of 0 change only what is rounded."""
    y = rows()
    noise = shared_noise(y, 0)
    x = SCHEDULE.q_sample(y, torch.full((4,), 250), next(noise))
    for now, following in zip([250, 200, 150, 100, 50], [200, 150, 100, 50, 0], strict=True):  # DDIM, written out
        eps = linear(x, torch.full((4,), now))
        abar, before = SCHEDULE.alphas_bar[now].item(), SCHEDULE.alphas_bar[following].item()
        x0 = SCHEDULE.predict_x0(x, torch.full((4,), now), eps)
        variance = eta**2 * (1 - before) / (1 - abar) * (1 - abar / before)
        x = before**0.5 * x0 + max(1 - before - variance, 0.0) ** 0.5 * eps
        if eta and following:
            x = x + variance**0.5 * next(noise)
    assert torch.equal(denoised(y, None, eta), x)
    for guide in (
        toward(y, SCHEDULE, 0.0),
        nearer(y, linear, SCHEDULE, 0.0),
        keep(y, torch.tensor(False)),
        fused(y, lambda x_t, x0, t: torch.zeros(())),
    ):
        torch.testing.assert_close(denoised(y, guide, eta), x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("weight", [0.5, 1.5])
def test_guidance_toward_a_sample_is_the_papers_change_of_the_noise(weight: float) -> None:
    """eps - sqrt(1 - abar) w (y_t - x_t) with y_t = sqrt(abar) y + sqrt(1 - abar) eps, in NumPy."""
    y, x_t, t = rows(), rows(seed=1), 200
    abar = float(SCHEDULE.alphas_bar[t])
    eps = linear(x_t, torch.full((4,), t)).numpy()
    y_t = np.sqrt(abar) * y.numpy() + np.sqrt(1 - abar) * eps
    changed = eps - np.sqrt(1 - abar) * weight * (y_t - x_t.numpy())
    expected = (x_t.numpy() - np.sqrt(1 - abar) * changed) / np.sqrt(abar)
    x0 = torch.from_numpy((x_t.numpy() - np.sqrt(1 - abar) * eps) / np.sqrt(abar))
    found = toward(y, SCHEDULE, weight)(x_t, x0, torch.full((4,), t))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_guidance_goes_no_farther_than_the_sample() -> None:
    y, x0 = rows(), rows(seed=1)
    assert torch.equal(toward(y, SCHEDULE, 50.0)(x0, x0, torch.full((4,), 250)), x0 + 1.0 * (y - x0))


def test_the_gradient_of_the_distance_is_that_of_finite_differences() -> None:
    y, x_t, t = rows(2), rows(2, seed=1), torch.full((2,), 100)

    def distance(x: Tensor) -> Tensor:
        return (y - SCHEDULE.predict_x0(x, t, linear(x, t))).norm(dim=1)

    gradient = torch.stack(
        [(distance(x_t + e) - distance(x_t - e)) / 2e-6 for e in 1e-6 * torch.eye(3, dtype=torch.float64)], dim=1
    )
    x0 = SCHEDULE.predict_x0(x_t, t, linear(x_t, t))
    noise = linear(x_t, t) + 2.0 * (1 - SCHEDULE.alphas_bar[100]).sqrt() * gradient  # w = 2
    with torch.no_grad():
        found = nearer(y, linear, SCHEDULE, 2.0)(x_t, x0, t)
    torch.testing.assert_close(found, SCHEDULE.predict_x0(x_t, t, noise), rtol=1e-6, atol=1e-6)
    assert (distance(x_t) > (y - found).norm(dim=1)).all()


def test_what_is_known_stays_the_noised_sample_and_ends_as_the_sample() -> None:
    y, known = rows(), torch.tensor([True, False, True])
    noise, seen = next(shared_noise(y, 0)), []

    def watching(x: Tensor, t: Tensor) -> Tensor:
        seen.append((int(t[0]), x))
        return linear(x, t)

    result = reconstruct(watching, SCHEDULE, y, seed=0, start=250, calls=5, guide=keep(y, known))
    assert [time for time, _ in seen] == ddim_times(250, 5)
    for time, x in seen:
        expected = SCHEDULE.q_sample(y, torch.full((4,), time), noise)
        torch.testing.assert_close(x[:, known], expected[:, known], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(result[:, known], y[:, known], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(result[:, ~known], denoised(y)[:, ~known], rtol=1e-10, atol=1e-10)
    assert torch.equal(denoised(y, keep(y, torch.tensor(False))), denoised(y, fused(y, lambda *_: torch.zeros(()))))


@pytest.mark.parametrize("several", [2, 5])
def test_a_distilled_step_goes_as_far_as_several(several: int) -> None:
    """The denoiser of Gaussian data is linear, so one exact step exists; it must end where the teacher's steps end."""
    x = SCHEDULE.q_sample(rows(), torch.full((4,), 250), rows(seed=2))
    times = ddim_times(250, 10)[:several]
    to = ddim_times(250, 10)[several] if several < 10 else 0
    target = distilled_noise(linear, SCHEDULE, x, times, to)
    x0 = SCHEDULE.predict_x0(x, torch.full((4,), 250), target)
    before = float(SCHEDULE.alphas_bar[to])
    z = x
    for now, following in zip(times, [*times[1:], to], strict=True):
        z = ddim(linear, SCHEDULE, z, now, iter(()), calls=1) if following == 0 else _step(z, now, following)
    torch.testing.assert_close(before**0.5 * x0 + (1 - before) ** 0.5 * target, z, rtol=1e-10, atol=1e-10)


def _step(z: Tensor, now: int, following: int) -> Tensor:
    a, b = (float(SCHEDULE.alphas_bar[i]) for i in (now, following))
    variance = VARIANCE * a + 1 - a
    eps = (1 - a) ** 0.5 * z / variance
    return b**0.5 * (z - (1 - a) ** 0.5 * eps) / a**0.5 + (1 - b) ** 0.5 * eps


@pytest.mark.parametrize("size", [(16, 16), (10, 7), (1, 3)])
def test_complementary_masks_show_every_position_or_frequency_once(size: tuple[int, int]) -> None:
    assert (grids(size, 0.25).sum(0) == 1).all()
    both = discs(size, 0.2)
    assert (both.sum(0) == 1).all() and both[0, 0, 0]
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(in_frequencies(x, both[0]) + in_frequencies(x, both[1]), x)


def test_random_patches_are_boxes_of_a_grid_and_as_many_as_asked_for() -> None:
    generator = torch.Generator().manual_seed(0)
    mask = patches((16, 12), 4, torch.tensor([0.0, 0.5, 1.0]), generator)
    assert mask.shape == (3, 16, 12) and not mask[0].any() and mask[2].all()
    cells = mask[1].unflatten(1, (-1, 4)).unflatten(0, (-1, 4)).transpose(1, 2).flatten(2)
    assert (cells.all(2) == cells.any(2)).all()
    many = patches((8, 8), 1, torch.full((100,), 0.3), generator).float().mean()
    assert abs(float(many) - 0.3) < 0.02
