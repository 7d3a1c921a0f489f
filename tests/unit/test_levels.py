"""Methods that train on f's levels, each against a reference of its own."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from torch import Tensor, nn

from anomark.contracts import Spec
from anomark.data.synthetic import changed, noise_patches, synthetic_anomalies
from anomark.detectors.levels.features import LevelFeatures
from anomark.detectors.levels.flows import Flow, convolutions, dense, position_code
from anomark.detectors.levels.matching import half_squared_distance
from anomark.diffusion.schedule import Schedule
from tests.samples import uniform, waves


def method(id: str, f: str, shape: tuple[int, ...] = (1, 16, 16), **params: Any) -> Any:
    module = importlib.import_module(f"anomark_methods.{id}")
    small = {"steps": 2, "batch_size": 4} | params
    return module.Method(Spec("image", shape, (-1.0, 1.0)), 0, "cpu", features=f, **small)


class Same(nn.Module):
    """Predicts what it is given."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        return levels[self.first :]


def test_levels_have_unit_variance_in_every_channel(f: str) -> None:
    features = LevelFeatures(Spec("image", (1, 16, 16), (-1.0, 1.0)), f, "cpu")
    levels = features.fit(uniform(30, 1, 16, 16))
    shapes = [(c, *size) for c, size in zip(features.channels, features.sizes, strict=True)]
    assert [level.shape[1:] for level in levels] == shapes
    for level in levels:
        variance, mean = torch.var_mean(level, (0, 2, 3))
        assert mean.abs().max() < 1e-3 and variance.median() == pytest.approx(1, abs=1e-2) and variance.max() < 1.01


@pytest.mark.parametrize("modality", ["series", "audio"])
def test_a_window_gives_a_map_over_time(f: str, modality: str) -> None:
    spec = Spec(modality, (2, 600) if modality == "series" else (1, 2048), None, 8000)
    features = LevelFeatures(spec, f, "cpu")
    X = waves(3, spec.shape)
    assert len(features.fit(X)[0]) % features.variables == 0
    for levels in features.transform(X):
        values = levels[0].square().mean(1)
        assert features.scores(values, 0.1).shape == (3,) and features.locate(values).shape == (3, spec.shape[1])


@pytest.mark.parametrize(("id", "first"), [("stfpm", 1), ("rd4ad", 0)])
def test_a_student_that_equals_its_teacher_has_no_loss_and_no_map(f: str, id: str, first: int) -> None:
    model = method(id, f)
    levels = model.features.fit(uniform(6, 1, 16, 16))
    same = Same(first)
    model.trained = nn.ModuleList([same]) if id == "stfpm" else same
    assert model.loss(levels, None).item() == pytest.approx(0, abs=1e-6)
    scores, maps = model.detect(uniform(6, 1, 16, 16))
    assert np.abs(scores).max() < 1e-6 and np.abs(maps).max() < 1e-6


def test_half_the_squared_distance_of_unit_vectors_is_one_minus_the_cosine() -> None:
    a, b = (torch.from_numpy(uniform(2, 5, 3, 3, seed=s)) for s in (0, 1))
    torch.testing.assert_close(half_squared_distance(a, b), 1 - nn.functional.cosine_similarity(a, b, dim=1))


def test_informative_positions_are_those_above_the_margin(f: str) -> None:
    """Written out for one level: mean + 2 deviations is the margin, and the Gram matrices are compared."""
    model = method("stfpm", f, loss="ikd")
    target, predicted = (torch.from_numpy(uniform(3, 4, 6, 6, seed=s)) for s in (2, 3))
    found = model.informative(0, target, predicted).item()
    t, p = (x.numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True) for x in (target, predicted))
    d = ((t - p) ** 2).sum(1)
    margin = 0.99 * (d.mean() + 2 * d.std())
    grams = [np.einsum("bcp,bcq->bpq", x.reshape(3, 4, 36), x.reshape(3, 4, 36)) for x in (t, p)]
    assert (d > margin).any()
    assert found == pytest.approx(d[d > margin].mean() + ((grams[0] - grams[1]) ** 2).mean(), rel=1e-4)
    assert model.trained.margin[0].item() == pytest.approx(margin, rel=1e-5)


def test_the_ensemble_adds_error_and_variance_in_standard_units(f: str) -> None:
    model = method("stfpm", f, students=3)
    X = uniform(6, 1, 16, 16)
    model.fit(X, None)
    with torch.no_grad():
        values = model.values(model.features(torch.from_numpy(X)))
    for value in values:
        assert value.mean().item() == pytest.approx(0, abs=1e-3)


def test_the_linear_autoencoder_is_the_residual_of_pca(f: str) -> None:
    model, X, test = method("dfr", f, steps=0), uniform(20, 1, 16, 16), uniform(3, 1, 16, 16, seed=1)
    model.fit(X, None)
    rows, others = (
        model.join(model.features(torch.from_numpy(x))).movedim(1, 3).flatten(0, 2).double().numpy() for x in (X, test)
    )
    pca = PCA(n_components=0.9, svd_solver="full").fit(rows)
    assert model.info["code"] == pca.n_components_
    residual = ((others - pca.inverse_transform(pca.transform(others))) ** 2).mean(1)
    np.testing.assert_allclose(model.detect(test)[1].ravel(), residual, rtol=1e-3, atol=1e-5)


def flow(kind: str, channels: int, condition: int = 0, **params: Any) -> Flow:
    torch.manual_seed(0)
    network = partial(dense, hidden=8) if kind == "dense" else partial(convolutions, hidden=8, kernel_size=3)
    made = Flow(channels, [network], couplings=4, clamp=1.9, seed=1, condition=condition, **params)
    for weight in made.parameters():
        nn.init.normal_(weight, std=0.5)
    return made.double()


@pytest.mark.parametrize("channels", [2, 5])
def test_the_log_determinant_is_that_of_autograd_and_the_inverse_exact(channels: int) -> None:
    vectors, maps = flow("dense", channels, condition=3), flow("convolutional", channels)
    x, condition = torch.randn(4, channels).double(), torch.randn(4, 3).double()
    z, logdet = vectors(x, condition)
    torch.testing.assert_close(vectors.inverse(z, condition), x)
    for row, seen, found in zip(x, condition, logdet, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda v, c=seen: vectors(v[None], c[None])[0][0], row)
        torch.testing.assert_close(jacobian.slogdet().logabsdet, found)
    x = torch.randn(2, channels, 3, 2).double()
    z, logdet = maps(x)
    torch.testing.assert_close(maps.inverse(z), x)
    for i in range(2):
        jacobian = torch.autograd.functional.jacobian(lambda v: maps(v[None])[0].flatten(), x[i])
        torch.testing.assert_close(jacobian.reshape(6 * channels, -1).slogdet().logabsdet, logdet[i].sum())


def test_a_density_integrates_to_one() -> None:
    network, side = flow("dense", 2), torch.linspace(-12, 12, 601).double()
    points = torch.cartesian_prod(side, side)
    with torch.no_grad():
        mass = network.log_density(points).exp().sum() * (side[1] - side[0]) ** 2
    assert mass.item() == pytest.approx(1, abs=0.02)


def test_on_gaussian_features_a_flow_ranks_like_mahalanobis() -> None:
    torch.manual_seed(0)
    root = torch.tensor([[1.0, 0.8, 0.0], [0.0, 0.5, 0.3], [0.0, 0.0, 1.0]])
    x = torch.randn(4000, 3) @ root
    network = Flow(3, [partial(dense, hidden=32)], couplings=6, clamp=1.9, seed=0)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    for i in range(200):
        loss = -network.log_density(x[(i * 200) % 4000 :][:200]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    test = torch.randn(500, 3) @ root * 1.5
    with torch.no_grad():
        density = network.log_density(test)
    distance = torch.linalg.solve(root.T, test.T).square().sum(0)
    ranks = [v.argsort().argsort().double() for v in (-density, distance)]
    assert torch.corrcoef(torch.stack(ranks))[0, 1] > 0.97


def test_positions_have_codes_of_their_own() -> None:
    code = position_code(16, 5, 7).flatten(1).T
    assert code.shape == (35, 16) and torch.cdist(code, code).add(torch.eye(35)).min() > 0.1
    torch.testing.assert_close(code.square().sum(1), torch.full((35,), 8.0))


def test_a_likelihood_is_relative_to_the_largest_of_training_data(f: str) -> None:
    model, X = method("cflow", f), uniform(6, 1, 16, 16)
    model.fit(X, None)
    with torch.no_grad():
        for value in model.values(model.features(torch.from_numpy(X))):
            assert value.min().item() == pytest.approx(0, abs=1e-5) and value.max() < 1


def test_without_weights_and_patches_the_discrepancy_is_the_plain_loss(f: str) -> None:
    model, plain = (method(id, f, **params) for id, params in (("cdo", {"gamma": 0.0, "copies": 0}), ("stfpm", {})))
    levels = model.features.fit(uniform(6, 1, 16, 16))
    plain.trained[0].load_state_dict(model.trained.state_dict())
    assert model.loss(levels, None).item() == pytest.approx(plain.loss(levels, None).item(), rel=1e-5)


def test_the_weights_of_the_discrepancies_are_those_of_the_paper(f: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = method("cdo", f, gamma=2.0)
    d, where = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[[False, False], [True, True]]])
    monkeypatch.setattr(model, "values", lambda levels: [d])
    low, high = (np.array([1, 2]) / 1.5) ** 2, (3.5 / np.array([3, 4])) ** 2
    expected = ((low * [1, 2]).sum() - (high * [3, 4]).sum()) / (low.sum() + high.sum())
    assert model.weighted([d], [where]).item() == pytest.approx(expected, rel=1e-5)


def test_the_mask_of_a_synthetic_anomaly_is_where_the_image_changed() -> None:
    X = uniform(20, 3, 40, 40)
    made = synthetic_anomalies(X, [noise_patches], seed=1)
    where = changed(X, made)
    assert where.shape == (20, 40, 40) and made.min() >= X.min() and made.max() <= X.max()
    np.testing.assert_array_equal(made.transpose(0, 2, 3, 1)[~where], X.transpose(0, 2, 3, 1)[~where])
    shares = where.mean((1, 2))
    assert (shares == 0).any() and 0 < shares.max() < 4 * 0.2**2 + 0.01


def test_patches_of_noise_are_pushed_away_from(f: str) -> None:
    X = waves(24, (1, 16, 16))
    model = method("cdo", f, steps=60, batch_size=8)
    model.fit(X, None)
    made = synthetic_anomalies(X, [noise_patches], seed=9)
    where = torch.from_numpy(changed(X, made))
    levels = model.features(torch.from_numpy(made))
    with torch.no_grad():
        d = nn.functional.interpolate(model.values(levels)[0][:, None], size=(16, 16))[:, 0]
    assert d[where].mean() > 1.2 * d[~where].mean()


def test_inversion_is_exact_for_a_gaussian() -> None:
    """The noise in x_t is known for N(0, S), so that every step multiplies x by a known factor, in each direction.

    In many steps the last factor is that of whitening, and the likelihood ranks as the Gaussian's own.
    """
    invad = importlib.import_module("anomark_methods.invad")
    schedule, variance = Schedule.named("linear"), torch.tensor([0.25, 1.0, 4.0]).double()[:, None, None]

    def predict(x: Tensor, t: Tensor) -> Tensor:
        abar = schedule.at(schedule.alphas_bar, t, x)
        return (1 - abar).sqrt() * x / (abar * variance + 1 - abar)

    x = torch.randn(40, 3, 2, 2, generator=torch.Generator().manual_seed(0)).double() * variance.sqrt() * 1.5
    few, factor = invad.invert(predict, schedule, x, [1, 334, 667, 1000]), torch.ones_like(variance)
    for now, following in ((1, 334), (334, 667), (667, 1000)):
        a, b = (float(schedule.alphas_bar[t]) for t in (now, following))
        kept = a * variance / (a * variance + 1 - a) * (b / a) ** 0.5  # of x0, by Bayes' rule
        factor = factor * (kept + ((1 - a) * (1 - b)) ** 0.5 / (a * variance + 1 - a))
    torch.testing.assert_close(few, factor * x)
    many = invad.invert(predict, schedule, x, [*range(1, 1001)])
    torch.testing.assert_close(many, x / variance.sqrt(), rtol=0.02, atol=0.02)
    nll = invad.score_terms(many.square().sum(1, keepdim=True))[:, 0]
    covariance = np.diag(variance.expand(3, 2, 2).flatten().numpy())
    expected = -multivariate_normal(np.zeros(12), covariance).logpdf(x.flatten(1).numpy())
    np.testing.assert_array_equal(nll.argsort().numpy(), expected.argsort())


def test_scores_of_the_published_inversion_depend_on_their_batch_and_others_do_not(f: str) -> None:
    X, test = waves(20, (1, 16, 16)), waves(8, (1, 16, 16), seed=1)
    for scaled, depends in (("normal", False), ("test", True)):
        model = method("invad", f, width=8, scaled_over=scaled)
        model.fit(X, X[:6])
        together, half = model.detect(test)[0], model.detect(test[:4])[0]
        assert np.allclose(together[:4], half, rtol=1e-4) != depends


def test_noise_is_told_from_features(f: str) -> None:
    """The loss is the hinge of both margins, so that values of +-margin cost nothing."""
    model = method("simplenet", f, steps=80, batch_size=8, noise=2.0)
    X = waves(24, (1, 16, 16))
    model.fit(X, None)
    with torch.no_grad():
        features = model.adapted(model.features(torch.from_numpy(X)))
        noisy = features + 2 * torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
        normal, far = (model.trained["perceptron"](x) for x in (features, noisy))
    assert (normal > 0).float().mean() > 0.9 and (far < 0).float().mean() > 0.9
