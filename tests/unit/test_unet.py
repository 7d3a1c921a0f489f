import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.detectors.training import seeded
from anomark.nn.ema import EMA, GAMMA
from anomark.nn.time_embedding import SinusoidalEmbedding, sinusoid
from anomark.nn.unet import UNet


def small(channels: int = 3, **parts) -> UNet:
    """A narrow network whose zero-initialised layers are given weights, so that every path matters."""
    with seeded(0):
        network = UNet(channels, **{"width": 8, "multipliers": (1, 2, 2), **parts})
        for parameter in network.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, std=0.1)
    return network.eval()


def images(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(32, 32), (33, 17), (1, 1), (2, 50)])
def test_any_size_keeps_its_shape(channels: int, size: tuple[int, int]) -> None:
    x = images(2, channels, *size)
    result = small(channels)(x, torch.tensor([1, 999]))
    assert result.shape == x.shape and torch.isfinite(result).all()


def test_the_default_network_has_about_1_4_million_parameters_and_predicts_nothing_yet() -> None:
    network = UNet(3)
    assert 1.3e6 < sum(p.numel() for p in network.parameters()) < 1.5e6
    assert not network(images(1, 3, 8, 8), torch.tensor([5])).any()


def test_time_reaches_the_output_row_by_row() -> None:
    network, x = small(), images(1, 3, 16, 16).expand(3, -1, -1, -1)
    a, b, c = network(x, torch.tensor([10, 10, 500]))
    torch.testing.assert_close(a, b)
    assert (a - c).abs().max() > 1e-3


def test_channels_last_computes_the_same() -> None:
    network, x, t = small(), images(2, 3, 16, 16), torch.tensor([3, 700])
    expected = network(x, t)
    network = network.to(memory_format=torch.channels_last)
    result = network(x.to(memory_format=torch.channels_last), t)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


class Shift(nn.Module):
    """Adds a constant: a stand-in for a stem or an attention that shows where it acts."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[1] == self.channels
        return x + torch.linspace(-1, 1, x[0].numel()).reshape(x.shape[1:])


class Halves(nn.Module):
    """A pyramid of plain averages: resolution H/2, H/4, ..."""

    def forward(self, x: Tensor) -> list[Tensor]:
        return [F.avg_pool2d(x, 2), F.avg_pool2d(x, 4)]


class Hours(nn.Module):
    dim = 5

    def forward(self, t: Tensor) -> Tensor:
        return t.float()[:, None].expand(-1, 5) / 1000


@pytest.mark.parametrize(
    "parts",
    [
        {"stem": nn.Conv2d(3, 8, 1)},
        {"attention": Shift},
        {"attention": Shift, "attention_stages": (1, -1)},
        {"pyramid": Halves(), "pyramid_channels": (3, 3)},
        {"time_embedding": Hours()},
        {"blocks": 2},
    ],
    ids=lambda parts: "+".join(parts),
)
def test_every_part_that_is_handed_in_is_used(parts: dict) -> None:
    x, t = images(2, 3, 18, 21), torch.tensor([3, 700])  # padded to (20, 24): parts see the padded sizes
    result = small(**parts)(x, t)
    assert result.shape == x.shape
    assert (result - small()(x, t)).abs().max() > 1e-3


def test_attention_stages_are_counted() -> None:
    assert list(small(attention=Shift).attention) == ["2"]
    assert list(small(attention=Shift, attention_stages=(1, -1)).attention) == ["1", "2"]
    assert not small().attention


def test_a_pyramid_of_another_height_is_refused() -> None:
    with pytest.raises(ValueError, match="3 stages need 2 pyramid channels, got 1"):
        small(pyramid=Halves(), pyramid_channels=(3,))


def test_every_parameter_learns() -> None:
    network = small(attention=lambda c: nn.Conv2d(c, c, 1), pyramid=Halves(), pyramid_channels=(3, 3)).train()
    network(images(2, 3, 16, 16), torch.tensor([3, 700])).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_sinusoid_follows_the_formula() -> None:
    features = sinusoid(torch.tensor([0, 37]), 6)
    angles = 37 * torch.tensor([10_000 ** (-k / 3) for k in range(3)])
    torch.testing.assert_close(features[0], torch.tensor([1.0, 1, 1, 0, 0, 0]))
    torch.testing.assert_close(features[1], torch.cat([angles.cos(), angles.sin()]))
    assert SinusoidalEmbedding(6)(torch.tensor([0, 37])).shape == (2, 6)


def test_the_average_of_the_weights_has_the_power_function_profile() -> None:
    network = nn.Linear(1, 1, bias=False)
    ema, steps = EMA(network), 2000
    for t in range(1, steps + 1):
        nn.init.constant_(network.weight, t / steps)
        ema.update(network)
    times = np.arange(1, steps + 1) / steps
    weights = times**GAMMA / (times**GAMMA).sum()  # of the profile, for many steps
    assert ema.network.weight.item() == pytest.approx((weights * times).sum(), abs=1e-3)
    relative = (GAMMA + 1) ** 0.5 / (GAMMA + 2) / (GAMMA + 3) ** 0.5  # equation 123
    assert np.sqrt((weights * times**2).sum() - (weights * times).sum() ** 2) == pytest.approx(relative, abs=1e-3)
    other = EMA(nn.Linear(1, 1, bias=False))
    other.load_state_dict(ema.state_dict())
    assert other.updates == steps and torch.equal(other.network.weight, ema.network.weight)


def test_the_average_forgets_the_first_weights_at_once() -> None:
    network = nn.Linear(3, 3)
    ema = EMA(network)
    nn.init.ones_(network.weight)
    ema.update(network)
    assert torch.equal(ema.network.weight, network.weight)
