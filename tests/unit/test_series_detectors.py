"""What holds for every trained detector of series."""

from __future__ import annotations

import numpy as np
import pytest

from tests.samples import noise
from tests.series_detectors import SMALL, fitted


@pytest.mark.parametrize("shape", [(1, 1, 12), (3, 1, 512), (69, 1, 96), (4, 55, 100), (2, 3, 1)], ids=str)
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("method", SMALL)
def test_every_shape_is_scored(method: str, shape: tuple[int, ...], constant: bool) -> None:
    X = np.ones(shape, np.float32) if constant else noise(*shape)
    scores, maps = fitted(method, X).detect(X)
    assert scores.shape == (len(X),) and maps.shape == (len(X), shape[2])
    assert np.isfinite(scores).all() and np.isfinite(maps).all()
