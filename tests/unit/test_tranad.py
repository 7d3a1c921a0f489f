import importlib
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from anomark.detectors.training import seeded
from tests import series_detectors
from tests.samples import noise

tranad = importlib.import_module("anomark_methods.tranad")
fitted = partial(series_detectors.fitted, "tranad")


def test_losses_are_those_of_the_two_players() -> None:
    window = torch.zeros(2, 1, 3)
    first, second, focused = (torch.full_like(window, value) for value in (1.0, 2.0, 3.0))
    for epoch, expected in ((1, (1.0, 4.0)), (4, (0.25 * 1 + 0.75 * 9, 0.25 * 4 - 0.75 * 9))):
        found = tranad.losses(window, first, second, focused, epoch)
        assert [loss.item() for loss in found] == pytest.approx(expected)


def test_channels_are_scaled_by_their_training_range() -> None:
    X = noise(70, 3, 9)
    X[:, 2] = 4.0
    scaling = tranad.Scaling(3)
    scaling.fit(X)
    low, high = X.min(axis=(0, 2))[:2, None], X.max(axis=(0, 2))[:2, None]
    scaled = scaling(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(scaled[:, :2], (X[:, :2] - low) / (high - low), rtol=1e-5, atol=1e-6)
    assert (scaled[:, 2] == 0).all()
    assert scaling(torch.from_numpy(X + 1)).numpy()[:, 2] == pytest.approx(1)


def test_the_focus_is_the_first_error_and_changes_the_second_decoder_only() -> None:
    with seeded(0):
        network = tranad.TranAD(2, 10, 8, heads=2)
    window = torch.from_numpy(noise(3, 2, 10))
    seen = []
    network.embedding.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    first, second, focused = network(window)
    assert (seen[0][..., 2:] == 0).all()
    torch.testing.assert_close(seen[1][..., 2:].mT, (first - window).square())
    assert not torch.allclose(second, focused)


def test_a_decoder_sees_no_later_step_of_the_window() -> None:
    with seeded(0):
        network = tranad.TranAD(1, 10, 8, heads=2)
    target, context = torch.from_numpy(noise(2, 1, 10, 8))
    changed = target.clone()
    changed[:, 6] += 1
    before, after = (network.decoder_1(t, context, network.mask) for t in (target, changed))
    torch.testing.assert_close(before[..., :6], after[..., :6])
    assert not torch.allclose(before[..., 6:], after[..., 6:])


def test_decoder_2_plays_against_the_others() -> None:
    """The first reconstruction gets better, and decoder 2 keeps the focused one far from the window."""
    t = np.linspace(0, 4 * np.pi, 24)
    X = np.sin(t + np.arange(40)[:, None, None]).astype(np.float32)

    def errors(model: Any) -> tuple[float, float]:
        with torch.inference_mode():
            window = model.network.scaling(torch.from_numpy(X))
            first, _, focused = model.network(window)
        return (first - window).square().mean().item(), (focused - window).square().mean().item()

    short, long = (errors(fitted(X, steps=steps, width=8, lr=3e-3, epoch_steps=steps // 5)) for steps in (5, 60))
    assert long[0] < short[0] and long[1] > 2 * long[0]


def test_the_score_is_the_mean_of_both_errors() -> None:
    X = noise(3, 2, 16)
    model = fitted(X)
    with torch.no_grad():
        window = model.network.scaling(torch.from_numpy(X))
        first, _, focused = model.network(window)
    expected = 0.5 * (first - window).square() + 0.5 * (focused - window).square()
    np.testing.assert_allclose(model.decision_function(X), expected.mean(dim=(1, 2)), rtol=1e-4)
