import importlib
from typing import Any

import numpy as np

from anomark.contracts import Spec
from anomark.detectors import reconstruction

ddpm = importlib.import_module("anomark_methods.ddpm")
SMALL = {"steps": 2, "batch_size": 2, "width": 8, "multipliers": [1, 2], "calls": 2}


def images(n: int, channels: int = 3, height: int = 12, width: int = 12, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, channels, height, width)).astype(np.float32)


def method(X: np.ndarray, seed: int = 0, **params) -> Any:
    return ddpm.Method(Spec("image", X.shape[1:], (-1.0, 1.0)), seed, "cpu", **{**SMALL, **params})


def fitted(X: np.ndarray, seed: int = 0, **params) -> Any:
    return method(X, seed, **params).fit(X, None)


def test_more_rows_than_a_scoring_batch_are_all_scored(monkeypatch) -> None:
    monkeypatch.setattr(reconstruction, "BATCH", 2)
    X = images(5)
    model = fitted(X)
    assert [m.shape for m in model.detect(X)] == [(5,), (5, 12, 12)]


def test_a_sample_scores_the_same_bits_whatever_it_comes_with() -> None:
    X = images(5)
    model = fitted(X)
    alone = np.concatenate([model.decision_function(X[i : i + 1]) for i in range(len(X))])
    assert np.array_equal(alone, model.decision_function(X))


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


def test_a_window_without_room_for_a_wave_is_skipped() -> None:
    assert "too short" in ddpm.Method.skip(Spec("series", (1, 5)))
    assert ddpm.Method.skip(Spec("image", (1, 4, 4), (-1.0, 1.0))) is None
