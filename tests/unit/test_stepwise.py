"""What the detectors of steps share, with the smallest network."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from anomark.contracts import Diverged, Spec
from anomark.detectors.stepwise import StepwiseDetector
from anomark.detectors.trained import SCORE_BATCH
from tests.samples import noise


class Halving(StepwiseDetector):
    """Reconstructs a window as a learnt share of itself; the share starts at one half."""

    defaults: ClassVar = {"steps": 5, "batch_size": 4, "lr": 0.1}

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        channels = shape[0]
        network = nn.Conv1d(channels, channels, 1, bias=False)
        network.weight.data = 0.5 * torch.eye(channels)[..., None]
        return network


def detector(X: np.ndarray, **params: Any) -> Halving:
    return Halving(Spec("series", X.shape[1:]), 0, "cpu", **params)


def test_scores_are_means_of_maps_and_maps_are_squared_errors() -> None:
    X = noise(SCORE_BATCH + 3, 2, 9)
    scores, maps = detector(X).detect(X)
    np.testing.assert_allclose(maps, np.square(X / 2).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(scores, maps.mean(axis=1), rtol=1e-5)
    assert scores.dtype == maps.dtype == np.float32


def test_training_lowers_the_error() -> None:
    X = noise(10, 2, 9)
    model = detector(X)
    before = model.decision_function(X)
    assert (model.fit(X, None).decision_function(X) < before).all()


def test_training_that_is_not_finite_diverges() -> None:
    X = noise(4, 1, 9)
    X[2, 0, 3] = np.nan
    with pytest.raises(Diverged, match="at step 1 of 5"):
        detector(X).fit(X, None)
