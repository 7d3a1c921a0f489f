"""Each warning about data is raised by what is planted, and by nothing in a clean copy."""

from __future__ import annotations

import numpy as np
import pytest

from anomark.evaluation.leakage import warnings
from tests.samples import noise, uniform

LABELS = np.repeat(np.array([0, 1], dtype=np.uint8), 50)


def images() -> tuple[np.ndarray, np.ndarray]:
    return uniform(120, 3, 20, 20, seed=1), uniform(100, 3, 20, 20, seed=2)


def windows() -> tuple[np.ndarray, np.ndarray]:
    return noise(120, 2, 40, seed=1), noise(100, 2, 40, seed=2)


def series() -> tuple[np.ndarray, np.ndarray]:
    return noise(3000, 2, seed=1), noise(100, 2, seed=2)


def test_clean_data_is_not_warned_of() -> None:
    for train, test in (images(), windows()):
        assert warnings(train, test, LABELS, None) == []
    assert warnings(*series(), LABELS, 10) == []
    assert warnings(noise(50, 4), noise(100, 4, seed=1), LABELS, None) == [], "rows of a table"


@pytest.mark.parametrize("make", [images, windows])
def test_samples_in_both_parts(make: object) -> None:
    train, test = make()  # type: ignore[operator]
    test[7], test[60] = train[3], train[100]
    (told,) = warnings(train, test, LABELS, None)
    assert told.startswith("2 of 100") and "bit for bit" in told


@pytest.mark.parametrize("make", [images, windows])
def test_near_copies(make: object) -> None:
    train, test = make()  # type: ignore[operator]
    test[7] = train[3] + 0.01 * noise(*train[3].shape, seed=9)
    (told,) = warnings(train, test, LABELS, None)
    assert told.startswith("1 of 100") and "near copies" in told


def test_windows_that_overlap_the_split() -> None:
    """The first half of a test window is the end of a training window, as where both are cut from one signal."""
    train, test = windows()
    test[7, :, :26] = train[3, :, -26:]
    (told,) = warnings(train, test, LABELS, None)
    assert told.startswith("1 of 200") and "overlap the split" in told


def test_a_stretch_of_a_series_in_both_parts() -> None:
    train, test = series()
    test[20:50] = train[777:807]
    (told,) = warnings(train, test, LABELS, 10)
    assert told.startswith("3 of 10")
    train[:], test[:] = 0.5 * (np.arange(3000) // 700)[:, None] + [0, 1], 0.5
    assert not any("stretches" in told for told in warnings(train, test, LABELS, 10)), "what stands still is everywhere"


def test_one_number_that_tells_the_labels() -> None:
    train, test = images()
    (told,) = warnings(train, test + LABELS[:, None, None, None], LABELS, None)
    assert "mean" in told and "AUROC of 1.00" in told
    (told,) = warnings(train, test - LABELS[:, None, None, None], LABELS, None)
    assert "AUROC of 0.00" in told
    train, test = windows()
    test[50:, :, 30:] = 0
    assert any("length" in told for told in warnings(train, test, LABELS, None))
    train, test = images()
    test[50:, :, :12] = -1
    assert any("size" in told for told in warnings(train, test, LABELS, None))
    train, test = series()
    (told,) = warnings(train, test + 2 * LABELS[:, None], LABELS, 4)
    assert "mean of a step" in told
    assert warnings(train, test + 2 * LABELS[:, None], LABELS, 4, scored=np.arange(100) % 50 < 2) == [], "few labels"


def test_constant_channels() -> None:
    train, test = windows()
    train[:, 1] = 0.3
    assert any(told.startswith("1 of 2 channels") for told in warnings(train, test, LABELS, None))
    train, test = series()
    train[:, 0] = 0.3
    (told,) = warnings(train, test, LABELS, 10)
    assert "(0, counted from 0)" in told
