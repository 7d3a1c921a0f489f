"""The shared input adapter: bank and mixing spelt out, one set of weights for every modality."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from anomark.nn.adapter import SharedInputAdapter, plain_input

#: Whether the input is a picture, and its channels.
INPUTS = [(True, 3), (True, 1), (False, 3), (False, 15)]


@pytest.mark.parametrize(("picture", "channels"), INPUTS)
def test_shapes_and_scale(picture: bool, channels: int) -> None:
    torch.manual_seed(0)
    y = SharedInputAdapter(picture, channels, 64)(torch.randn(8, channels, 24, 20))
    assert y.shape == (8, 64, 24, 20)
    assert 0.5 < y.std() < 2


def test_weights_fit_every_input() -> None:
    state = SharedInputAdapter(True, 3, 8).state_dict()
    for picture, channels in INPUTS:
        SharedInputAdapter(picture, channels, 8).load_state_dict(state)


def test_equals_bank_then_mixing() -> None:
    torch.manual_seed(0)
    adapter = SharedInputAdapter(False, 6, 8)
    x = torch.randn(2, 6, 9, 7)
    expected = adapter.bias.reshape(1, -1, 1, 1)
    for channel in range(6):
        responses = F.conv2d(x[:, channel : channel + 1], adapter.bank.unsqueeze(1), padding=2)
        variable, role = divmod(channel, 3)
        weights = torch.einsum("p,pwk->wk", adapter.code[variable], adapter.mixing[3 + role])
        expected = expected + torch.einsum("ok,bkhw->bohw", weights, responses) / 2**0.5
    torch.testing.assert_close(adapter(x), expected, rtol=1e-4, atol=1e-5)


def test_a_grey_image_is_an_image_of_equal_colours() -> None:
    colour, grey = SharedInputAdapter(True, 3, 8), SharedInputAdapter(True, 1, 8)
    grey.load_state_dict(colour.state_dict())
    x = torch.randn(2, 1, 12, 12)
    torch.testing.assert_close(grey(x), colour(x.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)


def test_variables_are_told_apart() -> None:
    torch.manual_seed(0)
    adapter = SharedInputAdapter(False, 165, 8)
    x = torch.randn(1, 165, 8, 8)
    swapped = torch.cat([x[:, :159], x[:, 162:], x[:, 159:162]], dim=1)
    assert (adapter(x) - adapter(swapped)).abs().max() > 1e-3


def test_only_the_roles_at_hand_learn() -> None:
    adapter = SharedInputAdapter(True, 3, 8)
    adapter(torch.randn(1, 3, 8, 8)).square().sum().backward()
    assert adapter.mixing.grad is not None
    assert (adapter.mixing.grad.flatten(1).abs().sum(1) > 0).tolist() == [True] * 3 + [False] * 3


def test_the_ablation_has_the_same_width() -> None:
    assert (
        plain_input(3, 64)(torch.randn(1, 3, 9, 8)).shape
        == SharedInputAdapter(True, 3, 64)(torch.randn(1, 3, 9, 8)).shape
    )


def test_wrong_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="4 channels, expected 1 or 3"):
        SharedInputAdapter(True, 4, 8)
    with pytest.raises(ValueError, match="4 channels, expected 3 for each variable"):
        SharedInputAdapter(False, 4, 8)
