"""A diffusion model's training in half precision, and what stays in single precision."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors import diffusion_training
from anomark.detectors.training import recorded, seeded
from anomark.diffusion.schedule import Schedule
from anomark.nn.attention import SelfAttention2d
from anomark.nn.unet import GroupNorm, UNet
from tests.samples import waves

PARAMS = {"steps": 40, "batch_size": 8, "lr": 2e-3}


def trained(monkeypatch: pytest.MonkeyPatch, half: bool) -> tuple[nn.Module, list[list[float]]]:
    """A small network after a few steps, and the curve of its loss."""
    monkeypatch.setattr(diffusion_training, "multiplies_bfloat16", lambda device_type: half)
    with seeded(0):
        network = UNet(3, width=16, multipliers=(1, 2), attention=lambda c: SelfAttention2d(c, 2))
    with recorded() as curves:
        network = diffusion_training.train_network(
            network.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
            waves(16, (3, 16, 16)),
            Schedule.named("linear"),
            lambda noised, predicted: F.mse_loss(predicted, noised.noise),
            params=PARAMS,
            seed=0,
            device="cpu",
        )
    return network, curves["train"]


def test_half_precision_learns_the_same_to_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    single, expected = trained(monkeypatch, half=False)
    half, curve = trained(monkeypatch, half=True)
    assert expected[-1][1] < expected[0][1] / 2 and curve != expected
    torch.testing.assert_close(torch.tensor(curve), torch.tensor(expected), rtol=0.02, atol=0)
    assert {weight.dtype for weight in half.parameters()} == {torch.float32}
    x = torch.from_numpy(waves(2, (3, 16, 16), seed=1))
    with torch.inference_mode():
        a, b = (network(x, torch.tensor([50, 500])) for network in (single, half))
    assert (a - b).square().mean() < 3e-3 * a.square().mean()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_groups_are_normalised_in_the_precision_of_the_weights(dtype: torch.dtype) -> None:
    weights = torch.float64 if dtype == torch.float64 else torch.float32
    norm = GroupNorm(4, 16).to(weights)
    x = (3 + torch.randn(2, 16, 6, 6, generator=torch.Generator().manual_seed(0))).to(dtype)
    result = norm(x)
    assert result.dtype == weights
    groups = x.double().reshape(2, 4, -1)
    centred = groups - groups.mean(2, keepdim=True)
    expected = centred / (centred.square().mean(2, keepdim=True) + norm.eps).sqrt()
    torch.testing.assert_close(result.double(), expected.reshape(x.shape), rtol=0, atol=1e-5)


def test_the_fused_update_is_adams() -> None:
    """Kingma and Ba 2015, algorithm 1, on weights of a layout that isn't the usual one."""
    x = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    conv = nn.Conv2d(4, 5, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(conv.parameters(), lr=0.01, fused=True)
    weights = [p.detach().double() for p in conv.parameters()]
    moments: list[tuple[Tensor, Tensor]] = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
    for step in range(1, 6):
        optimiser.zero_grad()
        conv(x).square().sum().backward()
        for i, parameter in enumerate(conv.parameters()):
            assert parameter.grad is not None
            gradient = parameter.grad.double()
            first, second = moments[i]
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            moments[i] = first, second
            weights[i] -= 0.01 * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        optimiser.step()
        for parameter, weight in zip(conv.parameters(), weights, strict=True):
            torch.testing.assert_close(parameter.detach().double(), weight, rtol=0, atol=1e-6)
