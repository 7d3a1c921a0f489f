import importlib
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data
from sklearn.metrics import roc_auc_score

from anomark.contracts import Spec
from anomark.detectors import reconstruction, training

ddpm = importlib.import_module("anomark_methods.ddpm")
SMALL = {"steps": 2, "batch_size": 2, "width": 8, "multipliers": [1, 2], "calls": 2}


def images(n: int, channels: int = 3, height: int = 12, width: int = 12, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, channels, height, width)).astype(np.float32)


def method(X: np.ndarray, seed: int = 0, **params) -> Any:
    return ddpm.Method(Spec("image", X.shape[1:], (-1.0, 1.0)), seed, "cpu", **{**SMALL, **params})


def fitted(X: np.ndarray, seed: int = 0, **params) -> Any:
    return method(X, seed, **params).fit(X, None)


@pytest.mark.parametrize("shape", [(1, 1, 12, 12), (3, 3, 13, 9), (2, 1, 8, 8), (1, 3, 1, 1)])
@pytest.mark.parametrize("constant", [False, True])
def test_tiny_odd_and_constant_images_are_scored(shape: tuple[int, ...], constant: bool) -> None:
    X = np.full(shape, -1, np.float32) if constant else images(*shape)
    scores, maps = fitted(X).detect(X)
    assert scores.shape == (len(X),) and maps.shape == (len(X), *shape[2:])
    assert scores.dtype == maps.dtype == np.float32
    assert np.isfinite(scores).all() and np.isfinite(maps).all() and (maps >= 0).all()
    np.testing.assert_allclose(scores, maps.mean(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("params", [{}, {"draws": 2}, {"eta": 1.0}, {"sampler": "ancestral", "start": 3, "T": 10}])
def test_scores_ignore_batch_mates_and_order(params: dict) -> None:
    X = images(5)
    model = fitted(X, **params)
    together, maps = model.detect(X)
    for i in range(5):
        np.testing.assert_allclose(model.decision_function(X[i : i + 1]), together[i : i + 1], rtol=1e-5)
    order = np.array([4, 2, 0, 3, 1])
    np.testing.assert_allclose(model.decision_function(X[order]), together[order], rtol=1e-5)
    np.testing.assert_allclose(model.localize(X), maps, rtol=1e-5)


def test_more_rows_than_a_scoring_batch_are_all_scored(monkeypatch) -> None:
    monkeypatch.setattr(reconstruction, "BATCH", 2)
    X = images(5)
    model = fitted(X)
    assert [m.shape for m in model.detect(X)] == [(5,), (5, 12, 12)]


def test_draws_are_averaged_and_calls_are_counted() -> None:
    X = images(2)
    one, two = fitted(X, draws=1), fitted(X, draws=2)
    assert one.info["network_calls"] == 2 and two.info["network_calls"] == 4
    assert not np.array_equal(one.localize(X), two.localize(X))
    assert method(X, sampler="ancestral", start=5).info["network_calls"] == 5
    assert (
        ddpm.Method(Spec("image", (3, 8, 8), (-1.0, 1.0)), 0, "cpu").info["network_calls"]
        == ddpm.DEFAULTS["calls"]
        == 10
    )


def test_a_short_training_finds_grass_on_bricks() -> None:
    """Real texture: bricks are normal; half of the test bricks carry a patch of grass."""
    rng = np.random.default_rng(0)
    brick, grass = (p[::4, ::4].astype(np.float32) / 127.5 - 1 for p in (data.brick(), data.grass()))  # 128 x 128
    size, patch = 16, 7

    def crops(rows: int, n: int) -> np.ndarray:
        corners = zip(rng.integers(rows, rows + 64 - size, n), rng.integers(0, 128 - size, n), strict=True)
        return np.stack([brick[None, y : y + size, x : x + size] for y, x in corners])

    train, test = crops(0, 64), crops(64, 40)
    masks = np.zeros((40, size, size), dtype=bool)
    for i in range(20):
        y, x = rng.integers(0, size - patch, 2)
        test[i, 0, y : y + patch, x : x + patch] = grass[40 : 40 + patch, 3 * i : 3 * i + patch]
        masks[i, y : y + patch, x : x + patch] = True
    model = fitted(train, steps=80, batch_size=8, width=16, lr=3e-3, calls=5)
    scores, maps = model.detect(test)
    assert roc_auc_score(masks.any(axis=(1, 2)), scores) > 0.7
    assert roc_auc_score(masks.ravel(), maps.ravel()) > 0.6


def test_training_lowers_the_loss(monkeypatch) -> None:
    losses: list[float] = []
    original = training.Step.minimise

    def spy(self: training.Step, loss: torch.Tensor, *args, **kwargs) -> None:
        original(self, loss, *args, **kwargs)
        losses.extend(self.losses)

    monkeypatch.setattr(training.Step, "minimise", spy)
    fitted(np.zeros((4, 1, 8, 8), np.float32), steps=40, batch_size=8, width=16)
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    assert len(losses) == 40


@pytest.mark.parametrize("modality, shape", [("series", (2, 30)), ("audio", (1, 1100))])
def test_windows_and_clips_are_scored_through_their_scalograms(modality, shape) -> None:
    rng = np.random.default_rng(0)
    X = np.sin(np.linspace(0, 20, shape[1]) + rng.uniform(0, 6, (6, 1, 1))) + 0.1 * rng.normal(size=(6, *shape))
    X = X.astype(np.float32)
    model = ddpm.Method(Spec(modality, shape), 0, "cpu", **SMALL).fit(X, None)
    scores, maps = model.detect(X)
    assert scores.shape == (6,) and maps.shape == (6, shape[1]) and scores.dtype == maps.dtype == np.float32


def test_a_window_without_room_for_a_wave_is_skipped() -> None:
    assert "too short" in ddpm.Method.skip(Spec("series", (1, 5)))
    assert ddpm.Method.skip(Spec("image", (1, 4, 4), (-1.0, 1.0))) is None
