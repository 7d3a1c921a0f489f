"""Diffusion on views, and the controls that compare windows at every shift, against loops in double precision."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from anomark.contracts import Spec
from anomark.data.windows import Windows, window_starts
from tests.samples import noise

views = importlib.import_module("anomark_methods.diffusion_views")
nearest_window = importlib.import_module("anomark_methods.nearest_window")
one_liner = importlib.import_module("anomark_methods.one_liner")
random_encoder = importlib.import_module("anomark_methods.random_encoder")
LENGTH = 12


def series(steps: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    """A wave with noise, (T, C)."""
    wave = np.sin(np.arange(steps)[:, None] / 2 + np.arange(channels))
    return (wave + 0.2 * noise(steps, channels, seed=seed)).astype(np.float32)


def windows(values: np.ndarray, stride: int = 3) -> Windows:
    return Windows(values, window_starts(len(values), LENGTH, stride), LENGTH)


def fitted(X: Any, **params: Any) -> Any:
    return views.Method(Spec("series", tuple(X.shape[1:])), 0, "cpu", **params).fit(X, None)


def test_a_score_is_the_error_of_the_denoiser_in_usual_errors() -> None:
    """One view, written out: every shift, the posterior mean by its weights, and the usual distance by a loop."""
    train, test = windows(series(90)), windows(series(60, seed=1))
    got = fitted(train, amplitude=[0.5], level=0.7, codes=0, noise=0.4).decision_function(test)

    variance = np.asarray(train, np.float64).var(-1).mean(0)[:, None]

    def view(x: np.ndarray) -> np.ndarray:
        x = x.astype(np.float64)
        amplitude = np.sqrt(0.5 + 0.5 * (x.var(-1, keepdims=True) / variance + 0.01))
        return ((x - 0.7 * x.mean(-1, keepdims=True)) / amplitude).reshape(len(x), -1)

    memory = view(np.stack([train.series[s : s + LENGTH].T for s in range(90 - LENGTH + 1)]))
    usual = np.median(
        [
            min(((row - memory[s]) ** 2).sum() for s in range(len(memory)) if abs(s - start) >= LENGTH)
            for start, row in zip(train.starts, view(train[:]), strict=True)
        ]
    )
    expected = []
    for row in view(test[:]):
        weights = np.exp(-((row - memory) ** 2).sum(1) / (2 * 0.4**2 * usual))
        expected.append(((row - weights @ memory / weights.sum()) ** 2).sum() / usual)
    np.testing.assert_allclose(got, expected, rtol=1e-3)


def test_without_level_a_window_may_stand_at_any_height() -> None:
    train, test = windows(series(90)), windows(series(60, seed=1))
    model = fitted(train, level=1.0)
    higher = Windows(test.series + 5, test.starts, LENGTH)
    np.testing.assert_allclose(model.decision_function(higher), model.decision_function(test), rtol=1e-3)
    assert (fitted(train, level=0.0).decision_function(higher) > 5 * model.decision_function(test)).all()


def test_what_stands_between_two_training_windows_is_known_at_every_shift() -> None:
    values = series(90)
    between = Windows(values, np.array([4, 10]), LENGTH)  # 3 is the stride
    params = {"codes": 0, "noise": 0.0}
    np.testing.assert_allclose(fitted(windows(values), **params).decision_function(between), 0, atol=1e-5)
    assert (fitted(windows(values), **params, dense=False).decision_function(between) > 0.1).all()


def test_switches_are_left_out_beside_a_measured_channel() -> None:
    values = series(90)
    values[:, 1] = np.arange(90) % 7 == 0
    changed = values.copy()
    changed[:, 1] = 1 - changed[:, 1]
    model = fitted(windows(values))
    assert list(model.used) == [True, False]
    assert np.array_equal(model.decision_function(windows(changed)), model.decision_function(windows(values)))
    alone = fitted(windows(values[:, 1:]))
    assert list(alone.used) == [True]
    assert (
        alone.decision_function(windows(changed[:, 1:])).mean() > alone.decision_function(windows(values[:, 1:])).mean()
    )


@pytest.mark.parametrize("steps", [LENGTH, LENGTH + 5, 2 * LENGTH - 1])
def test_a_series_of_less_than_two_windows_is_enough(steps: int) -> None:
    """No two of its windows share no step."""
    model = fitted(windows(series(steps)))
    assert np.isfinite(model.decision_function(windows(series(60, seed=1)))).all()


def test_the_memory_is_thinned_to_its_bound() -> None:
    model = fitted(windows(series(500)), memory=20 * 2 * LENGTH)
    assert len(model.memory) == 20 and model.memory.starts[0] == 0 and model.memory.starts[-1] == 500 - LENGTH


def test_the_third_view_finds_a_shape_wherever_it_stands() -> None:
    """Codes are means over steps: what moves within a window hardly moves its code."""
    X = np.zeros((12, 1, 64), np.float32)
    X[np.arange(12), 0, 20 + np.arange(12)] = 3
    moved, doubled = np.zeros((2, 1, 1, 64), np.float32)
    moved[0, 0, 45] = 3
    doubled[0, 0, [25, 45]] = 3
    near, far = (fitted(X, amplitude=[]).decision_function(x)[0] for x in (moved, doubled))
    assert near < far / 10
    near, far = (fitted(X, codes=0).decision_function(x)[0] for x in (moved, doubled))
    assert near > far / 10


def test_the_nearest_window_at_any_shift_is_the_one_that_a_loop_finds() -> None:
    train, test = windows(series(70)), windows(series(40, seed=1))
    dense = np.stack([train.series[s : s + LENGTH].T.ravel() for s in range(70 - LENGTH + 1)])
    spec = Spec("series", train.shape[1:])
    got = nearest_window.Method(spec, 0, "cpu").fit(train, None).decision_function(test)
    whole = cdist(test[:].reshape(len(test), -1), dense).min(1) / np.sqrt(2 * LENGTH)
    np.testing.assert_allclose(got, whole, rtol=1e-4)

    half = LENGTH // 2
    dense = np.stack([train.series[s : s + half].T.ravel() for s in range(70 - LENGTH + 1)])
    parts = [cdist(test[:][..., i : i + half].reshape(len(test), -1), dense).min(1) ** 2 for i in (0, half)]
    expected = (whole + np.sqrt(np.mean(parts, 0) / (2 * half))) / 2
    got = nearest_window.Method(spec, 0, "cpu", lengths=[1.0, 0.5]).fit(train, None).decision_function(test)
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_one_liners_are_what_their_names_say() -> None:
    X, x = noise(20, 2, 9), noise(3, 2, 9, seed=1)
    spec = Spec("series", (2, 9))
    scores = {}
    for statistic in ("level", "variance", "difference"):
        model = one_liner.Method(spec, 0, "cpu", statistic=statistic)
        model.fit(X)
        scores[statistic] = model.decision_function(x)
    median = np.median(X.transpose(1, 0, 2).reshape(2, -1), axis=1)
    np.testing.assert_allclose(scores["level"], np.abs(x - median[:, None]).mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(scores["variance"], x.var(-1).mean(1), rtol=1e-5)
    np.testing.assert_allclose(scores["difference"], (np.diff(x) ** 2).sum(-1).mean(1) / 9, rtol=1e-5)


def test_the_untrained_encoder_compares_shapes() -> None:
    X = np.asarray(windows(series(90)))
    model = random_encoder.Method(Spec("series", X.shape[1:]), 0, "cpu").fit(X, None)
    np.testing.assert_allclose(model.decision_function(4 * X + 1), 0, atol=1e-4)
    assert model.decision_function(noise(5, *X.shape[1:])).min() > 0.01
