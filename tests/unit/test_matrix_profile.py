import importlib
from typing import Any

import numpy as np
import pytest

from anomark.contracts import Spec
from anomark.data.windows import Windows
from tests.samples import noise

profile = importlib.import_module("anomark_methods.matrix_profile")


def fitted(X: np.ndarray) -> Any:
    return profile.Method(Spec("series", X.shape[1:]), 0, "cpu").fit(X, None)


def test_a_score_is_the_distance_that_correlation_gives() -> None:
    """d^2 = 2 L (1 - r) with Pearson's r (Yeh et al. 2016, section 2): highest r of any training window."""
    X, test = noise(15, 2, 30), noise(7, 2, 30, seed=1)
    for row, score in zip(test, fitted(X).decision_function(test), strict=True):
        best = [max(np.corrcoef(row[c], x[c])[0, 1] for x in X) for c in range(2)]
        assert score == pytest.approx(np.mean([np.sqrt(2 * 30 * (1 - r)) for r in best]), rel=1e-4)


def test_level_and_amplitude_count_for_nothing() -> None:
    X = noise(10, 1, 24)
    model = fitted(X)
    np.testing.assert_allclose(model.decision_function(3 * X + 5), 0, atol=1e-4)


def test_a_window_that_stands_still_is_far_from_those_that_move() -> None:
    model = fitted(noise(1, 1, 16))
    flat = np.full((1, 1, 16), 7.0, np.float32)
    assert model.decision_function(flat) == pytest.approx(4.0, rel=1e-5)  # the length of a z-normalised window
    assert fitted(flat).decision_function(flat) == 0


def test_every_shift_of_a_series_can_be_compared() -> None:
    values = noise(80, 1)
    windows, between = (Windows(values, starts, 16) for starts in (np.arange(0, 65, 4), np.array([5, 30])))
    model = profile.Method(Spec("series", (1, 16)), 0, "cpu", dense=True).fit(windows, None)
    np.testing.assert_allclose(model.decision_function(between), 0, atol=1e-3)
    assert fitted(windows).decision_function(between).min() > 0.1
