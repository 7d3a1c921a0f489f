"""What methods on top of a denoiser compute, with denoisers that are known in closed form."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import multivariate_normal
from torch import Tensor, nn

from anomark.contracts import Spec
from anomark.detectors.denoising import model as denoising
from anomark.detectors.denoising.distillation import distil
from anomark.detectors.denoising.generated import generated
from anomark.detectors.denoising.maps import FeatureMaps, WhiteNoisePredictor
from anomark.detectors.denoising.times import TimeClassifier
from anomark.detectors.diffusion_training import train_network
from anomark.detectors.training import Step, seeded
from anomark.diffusion.sampler import reconstruct
from anomark.diffusion.schedule import Schedule
from anomark.nn.gaussian import ShrunkGaussian
from anomark.nn.unet import UNet
from anomark.nn.whitening import PooledWhitening
from tests.samples import noise, uniform

SCHEDULE = Schedule.named("linear")
SMALL = {"steps": 2, "batch_size": 4, "width": 4}


def method(name: str, f: str | None = None, shape: tuple[int, ...] = (1, 8, 8), seed: int = 0, **params: Any) -> Any:
    module = importlib.import_module(f"anomark_methods.{name}")
    own = {"features": f} if f else {}
    return module.Method(Spec("image", shape, (-1.0, 1.0)), seed, "cpu", **own, **{**SMALL, **params})


def pixels(name: str, f: str | None = None, **params: Any) -> Any:
    return method(name, f, space="pixels", **params)


class Known(nn.Module):
    """Predicts the noise in maps whose values are normal with one variance for each row of the map."""

    def __init__(self, variance: Tensor) -> None:
        super().__init__()
        self.variance = variance

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        abar = SCHEDULE.at(SCHEDULE.alphas_bar, t, x)
        return (1 - abar).sqrt() * x / (abar * self.variance[:, None].to(x) + 1 - abar)


def test_pooled_whitening_is_that_of_numpy() -> None:
    x = noise(40, 6, 5) @ noise(5, 5, seed=1) + noise(6, 5, seed=2)
    whitening = PooledWhitening(6, 5, regularisation=0.1)
    whitening.fit(torch.from_numpy(x))
    centred = (x - x.mean(0)).astype(float)
    covariance = np.einsum("npi,npj->ij", centred, centred) / (39 * 6)
    unit = x.var((0, 1)).mean()
    values, vectors = np.linalg.eigh(covariance + 0.1 * unit * np.eye(5))
    expected = centred @ (vectors / np.sqrt(values)) @ vectors.T
    np.testing.assert_allclose(whitening(torch.from_numpy(x)).numpy(), expected, rtol=1e-3, atol=1e-4)


def test_maps_of_f_are_centred_at_every_position_and_keep_their_place(f: str) -> None:
    maps = FeatureMaps(Spec("image", (1, 16, 16), (-1.0, 1.0)), f, "cpu")
    X = uniform(12, 1, 16, 16)
    z = maps.fit(X)
    assert z.shape == (12, *maps.shape)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(maps(torch.from_numpy(X[:3])).numpy(), z[:3], atol=1e-4)
    located = maps.locate(torch.eye(maps.shape[1])[None])
    assert located[0, 0, 0] == 1 and located[0, 0, -1] == 0


def test_the_predictor_of_white_data_is_right_before_any_training() -> None:
    network = UNet(2, width=4, multipliers=[1, 2])  # its last layer is 0
    x, t = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([10, 300, 900])
    torch.testing.assert_close(WhiteNoisePredictor(network, SCHEDULE)(x, t), Known(torch.ones(8))(x, t))


def test_the_norm_of_the_score_is_exact_for_gaussian_data() -> None:
    """The score of sqrt(abar) x + noise is -(abar S + 1 - abar)^-1 times it."""
    variance = torch.linspace(0.1, 3, 8)
    model = pixels("score_norm", times=[20, 400])
    model.parts["network"] = Known(variance)
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for i, time in enumerate((20, 400)):
        abar = float(SCHEDULE.alphas_bar[time])
        expected = abar * x[:, 0].square() / (abar * variance[:, None] + 1 - abar) ** 2
        torch.testing.assert_close(model.errors(x)[:, i], expected, rtol=1e-4, atol=1e-5)


def test_vectors_of_norms_are_compared_by_a_gaussian() -> None:
    model = pixels("score_norm", times=[20, 400], joint=True).fit(uniform(8, 1, 8, 8), None)
    errors = torch.rand(2, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    away = errors.log().numpy() - model.scale.mean.numpy()[:, None, None]
    expected = np.einsum("bihw,ij,bjhw->bhw", away, model.scale.precision.numpy(), away)
    np.testing.assert_allclose(model.combined(errors).numpy(), expected, rtol=1e-4)


def test_conditioned_denoising_without_weight_is_plain_reconstruction(f: str) -> None:
    model = method("ddad", f, weight=0.0, calls=3).fit(uniform(6, 1, 8, 8), None)
    maps = next(model.batches(uniform(2, 1, 8, 8, seed=1)))
    own = {"seed": 0, "start": 250, "calls": 3, "eta": 1.0}
    with torch.no_grad():
        assert torch.equal(model.reconstruct(maps, maps), reconstruct(model.network, model.schedule, maps, **own))
        model.params["weight"] = 2.0
        near = (model.reconstruct(maps, maps) - maps).norm()
    assert near < (reconstruct(model.network, model.schedule, maps, **own) - maps).norm()


def test_two_distances_are_scaled_by_normal_samples_or_as_published_by_the_batch(f: str) -> None:
    X, test = uniform(6, 1, 8, 8), uniform(4, 1, 8, 8, seed=1)
    model = pixels("ddad", f, share=0.0, calls=2).fit(X, None)
    largest = model.normal_errors(X).numpy().max((0, 2, 3))
    errors = model._errors(test).numpy()
    expected = (errors / largest[:, None, None]).mean(1).max((1, 2))
    np.testing.assert_allclose(model.decision_function(test), expected, rtol=1e-5)
    published = pixels("ddad", f, share=0.0, calls=2, batch_scale=True).fit(X, None)
    expected = (errors / errors.max((0, 2, 3))[:, None, None]).mean(1).max((1, 2))
    np.testing.assert_allclose(published.decision_function(test), expected, rtol=1e-5)


def test_adaptation_changes_the_last_layers_of_f_and_no_others(f: str) -> None:
    model = pixels("ddad", f, calls=2, adapt=1.0)
    before = {key: value.clone() for key, value in model.parts["adapted"].state_dict().items()}
    model.fit(uniform(6, 1, 8, 8), None)
    after = model.parts["adapted"].state_dict()
    changed = {key.split(".")[1] for key in before if not torch.equal(before[key], after[key])}
    deepest = int(model.extractor.f.levels[-1].split(".")[1])
    assert changed == {str(deepest - 1), str(deepest)}
    copy = pixels("ddad", f, calls=2, adapt=1.0, seed=1).load_state_dict(model.state_dict())
    test = uniform(3, 1, 8, 8, seed=2)
    np.testing.assert_array_equal(copy.decision_function(test), model.decision_function(test))


@pytest.mark.parametrize("frequencies", [False, True])
def test_masking_everything_is_no_condition_and_masking_nothing_no_error(frequencies: bool) -> None:
    model = pixels("masked_diffusion", frequencies=frequencies)
    x, n = torch.from_numpy(uniform(2, 1, 8, 8)), torch.from_numpy(noise(2, 1, 8, 8))
    t = torch.full((2,), model.params["time"])
    whole, nothing = torch.ones(1, 8, 8, dtype=torch.bool), torch.zeros(1, 8, 8, dtype=torch.bool)
    shown = lambda x, t: x  # noqa: E731 the network that gives back what it is shown
    torch.testing.assert_close(model.filled_in(shown, x, n, whole), SCHEDULE.q_sample(x, t, n))
    assert torch.equal(model.filled_in(shown, x, n, nothing), x)
    assert not model.part(torch.ones(2, 1, 8, 8), nothing).any()


def test_correction_by_a_perfect_network_ends_at_the_clean_map() -> None:
    model = pixels("deco")
    clean, change = torch.from_numpy(uniform(2, 1, 8, 8)), torch.from_numpy(noise(2, 1, 8, 8))
    size = (1 - model.schedule.alphas_bar).sqrt()

    class Perfect(nn.Module):
        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            return (x - clean) / model.schedule.at(size, t, x)

    model.parts["network"] = Perfect()
    torch.testing.assert_close(model.corrected(clean + 0.3 * change), clean)
    deco = importlib.import_module("anomark_methods.deco")
    x = torch.arange(2 * 5 * 5.0).reshape(2, 1, 5, 5)
    moved = deco.shuffled(x, 2, torch.Generator().manual_seed(0))
    assert sorted(moved.flatten().tolist()) == x.flatten().tolist() and torch.equal(moved[..., 4], x[..., 4])
    assert {tuple(v.flatten().tolist()) for v in _cells(moved)} == {tuple(v.flatten().tolist()) for v in _cells(x)}


def _cells(x: Tensor) -> list[Tensor]:
    return [x[b, 0, i : i + 2, j : j + 2] for b in range(2) for i in (0, 2) for j in (0, 2)]


def test_the_loss_of_time_estimation_prefers_the_true_posterior() -> None:
    """Of maps that are all 0 the noised ones are normal, so that p(t given x) is known."""
    times = TimeClassifier(16, hidden=[4], parts=7, T=400)
    step = Step(1, 1, torch.zeros(8, 16, 6, 6), torch.Generator())
    variance = times.variance[:, None, None, None]

    def posterior(x: Tensor, width: float = 1.0) -> Tensor:
        squared = x.double().square().sum(1)
        logs = -8 * variance.log() - squared / (2 * width * variance)  # (T, B, h, w)
        part = torch.arange(400) * 7 // 400
        return torch.stack([logs[part == k].logsumexp(0) for k in range(7)], 1).float()

    losses = []
    for width in (1.0, 0.6, 1.6):
        step.generator.manual_seed(0)
        losses.append(float(times.loss(lambda x: x)(lambda x, w=width: posterior(x, w), step)))
    assert losses[0] < min(losses[1:])
    assert (times.estimate(step.batch) >= 0).all() and (times.estimate(step.batch) <= 6).all()


def test_a_sample_that_seems_noisier_gets_more_calls(f: str) -> None:
    model = method("hybrid_dte", f, dynamic=True).fit(uniform(6, 1, 8, 8), None)
    test = uniform(5, 1, 8, 8, seed=1)
    level = torch.tensor([0.0, 1.0, 2.5, 4.0, 6.0])
    model.times.estimate = lambda maps: level[: len(maps), None, None].expand(-1, *maps.shape[2:])
    expected = []
    for part in level.tolist():
        variance = 1 - np.prod(1 - np.linspace(1e-4, 0.01, 400)[: int(part * 400 / 7) + 1])
        start = np.argmax((1 - SCHEDULE.alphas_bar.numpy()) / SCHEDULE.alphas_bar.numpy() >= variance)
        expected.append(int(np.clip(np.ceil(start / 25), 1, 10)))
    assert model.calls_needed(test).tolist() == expected and expected == sorted(expected) and expected[0] < expected[-1]


def test_calls_of_samples_are_reported_and_groups_change_no_score(f: str) -> None:
    model = method("hybrid_dte", f, dynamic=True).fit(uniform(6, 1, 8, 8), None)
    test = uniform(3, 1, 8, 8, seed=1)
    model.calls_needed = lambda X: np.array([2, 1, 2])[: len(X)]
    together = model._errors(test)
    assert model.info["network_calls"] == pytest.approx(5 / 3) and model.info["calls_range"] == [1, 2]
    assert torch.equal(together[:1], model._errors(test[:1]))


def test_the_adapted_target_leads_to_the_normal_map() -> None:
    glad = importlib.import_module("anomark_methods.glad")
    normal, other, n = (torch.from_numpy(noise(3, 2, 4, 4, seed=s)).double() for s in range(3))
    t = torch.tensor([10, 300, 900])
    x_t, target = glad.adapted(SCHEDULE, normal, other, t, n)
    torch.testing.assert_close(SCHEDULE.predict_x0(x_t, t, target), normal)
    abar = SCHEDULE.alphas_bar[t][:, None, None, None]
    mixed = normal + (t / 1000)[:, None, None, None] * (other - normal)
    torch.testing.assert_close(x_t, abar.sqrt() * mixed + (1 - abar).sqrt() * n)
    torch.testing.assert_close(target, n + (abar / (1 - abar)).sqrt() * (mixed - normal))


def test_mixing_starts_above_the_threshold_or_late(f: str) -> None:
    model = method("glad", f, calls=4).fit(uniform(6, 1, 8, 8), None)
    assert torch.isfinite(model.scale.thresholds).all()
    maps = next(model.batches(uniform(2, 1, 8, 8, seed=1)))
    with torch.no_grad():
        plain, differed = model.reconstruct(maps, False)
        own = {"seed": 0, "start": 500, "calls": 4}
        torch.testing.assert_close(plain, reconstruct(model.network, model.schedule, maps, **own), rtol=1e-4, atol=1e-5)
        assert len(differed) == 4
        model.scale.thresholds.fill_(1e9)
        model.params["until"] = 0
        assert torch.equal(model.reconstruct(maps, True)[0], plain), "nothing exceeds the threshold"
        model.params["until"] = 501
        torch.testing.assert_close(model.reconstruct(maps, True)[0], maps, rtol=0.1, atol=0.1)


def test_outside_the_mask_nothing_differs_from_the_sample(f: str) -> None:
    model = method("mdps", f, calls=2).fit(uniform(6, 1, 8, 8), None)
    assert model.info["network_calls"] == 6
    maps = next(model.batches(uniform(2, 1, 8, 8, seed=1)))
    with torch.no_grad():
        masked = model.stage(maps, 0, None) > model.scale.threshold
        errors = model.errors(maps)
    assert masked.any() and not masked.all()
    assert (errors[masked] > 1e-6).all()
    np.testing.assert_allclose(errors[~masked].numpy(), 0, atol=1e-8)


def test_the_ratio_of_two_gaussians_is_that_of_their_densities(f: str) -> None:
    rows = [noise(500, 3, seed=s) @ noise(3, 3, seed=9 + s) + s for s in range(2)]
    fitted = [ShrunkGaussian(3, 0.1), ShrunkGaussian(3, 0.1)]
    x, densities = noise(4, 3, seed=5), []
    for gaussian, y in zip(fitted, rows, strict=True):
        gaussian.fit(torch.from_numpy(y))
        covariance = np.cov(y.T)
        shrunk = 0.9 * covariance + 0.1 * np.trace(covariance) / 3 * np.eye(3)
        densities.append(multivariate_normal(y.mean(0), shrunk).logpdf(x))
        np.testing.assert_allclose(gaussian(torch.from_numpy(x)).numpy(), densities[-1], rtol=1e-4)
    model = method("dual_branch", f, times=[])
    model.parts["normal"], model.parts["anomalous"] = (_diagonal(model.front.shape[0], v) for v in (1.0, 4.0))
    maps = torch.randn(2, *model.front.shape, generator=torch.Generator().manual_seed(0))
    squared, c = maps.square().sum(1), maps.shape[1]
    torch.testing.assert_close(model.errors(maps)[:, 0], (squared / 2 - squared / 8 - c / 2 * np.log(4)) / c)


def _diagonal(channels: int, variance: float) -> ShrunkGaussian:
    gaussian = ShrunkGaussian(channels, 0.1)
    gaussian.root.copy_(torch.eye(channels) / variance**0.5)
    gaussian.log_determinant.fill_(channels * np.log(variance))
    return gaussian


def test_generated_anomalies_say_where_they_are() -> None:
    X = uniform(6, 1, 16, 16)
    changed, masks = generated(X, "image", seed=0)
    assert masks.any((1, 2)).all() and not masks.all()
    np.testing.assert_array_equal(changed[:, 0][~masks], X[:, 0][~masks])


def test_an_adversarial_weight_of_zero_is_the_plain_model() -> None:
    X = uniform(6, 1, 8, 8)
    plain = method("addm", adversarial=0.0, steps=4).fit(X, None)
    with seeded(0):
        network = UNet(1, width=4, multipliers=[1, 2, 3, 4]).to(memory_format=torch.channels_last)
    own = {"params": plain.params, "seed": 0, "device": "cpu"}
    expected = train_network(network, X, SCHEDULE, lambda noised, y: F.mse_loss(y, noised.noise), **own)
    for key, value in expected.state_dict().items():
        assert torch.equal(value, plain.network.state_dict()[key])
    judged = method("addm", steps=4).fit(X, None)
    assert not np.array_equal(judged.decision_function(X), plain.decision_function(X))


def test_distillation_teaches_fewer_calls() -> None:
    """A network that can hold one number for each time learns the exact step of a linear denoiser."""

    class Factor(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.zeros(251))

        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            return Known(torch.full((4,), 0.5))(x, t) * (1 + self.factor[t])[:, None, None, None]

    X = noise(64, 1, 4, 4) * 0.5**0.5
    params = {"steps": 60, "batch_size": 32, "lr": 0.02}
    own = {"params": params, "seed": 0, "device": "cpu", "maps": lambda batch: batch}
    teacher = Factor()
    assert distil(teacher, X, SCHEDULE, [], start=250, **own) is teacher
    student = distil(teacher, X, SCHEDULE, [10, 2, 1], start=250, **own)
    x = torch.from_numpy(X[:8])
    with torch.no_grad():
        slow, fast, untaught = (
            reconstruct(network, SCHEDULE, x, seed=0, start=250, calls=calls)
            for network, calls in ((teacher, 10), (student, 1), (teacher, 1))
        )
    assert (fast - slow).norm() < 0.1 * (untaught - slow).norm()


def test_more_rows_than_a_batch_are_scored_and_none_depends_on_another(f: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(denoising, "BATCH", 2)
    model = method("masked_diffusion", f).fit(uniform(6, 1, 8, 8), None)
    X = uniform(5, 1, 8, 8, seed=1)
    scores, maps = model.detect(X)
    assert scores.shape == (5,) and maps.shape[0] == 5
    alone = np.concatenate([model.decision_function(X[i : i + 1]) for i in range(5)])
    np.testing.assert_array_equal(alone, scores)
