"""The perceptual network: ImageNet classes of known pictures, folding, bad files, and the recipe of the small one."""

from __future__ import annotations

from pathlib import Path

import pytest
import skimage.data
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from anomark.contracts import AnomarkError
from anomark.detectors.perceptual import (
    FeatureNetwork,
    MobileNetV2,
    SmallNet,
    fold_batch_norm,
    load_mobilenet_v2,
    load_small_net,
    random_network,
)
from anomark.stages import features

#: ImageNet classes: five breeds of cat; espresso.
CATS, ESPRESSO = range(281, 286), 967


@pytest.fixture(scope="module")
def weights(data_root: Path) -> Path:
    path = data_root / "weights" / "mobilenet_v2.safetensors"
    if not path.exists():
        pytest.skip(f"no weights at {path}")
    return path


def picture(name: str, size: int = 224) -> Tensor:
    """The central square of a photograph, (1, 3, size, size) in [-1, 1]."""
    image = torch.from_numpy(getattr(skimage.data, name)().copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    side = min(image.shape[2:])
    top, left = ((n - side) // 2 for n in image.shape[2:])
    square = image[..., top : top + side, left : left + side]
    return F.interpolate(square, size=size, mode="bilinear", antialias=True)


def test_mobilenet_knows_a_cat_and_a_coffee(weights: Path) -> None:
    network = load_mobilenet_v2(weights)
    assert network.logits(picture("chelsea")).argmax().item() in CATS
    assert ESPRESSO in network.logits(picture("coffee")).topk(5).indices


def test_mobilenet_maps(weights: Path) -> None:
    network = load_mobilenet_v2(weights, levels=("features.6", "features.13"))
    maps = network(picture("chelsea"))
    assert network.strides == (8, 16) and network.channels == (32, 96)
    assert [tuple(m.shape) for m in maps] == [(1, 32, 28, 28), (1, 96, 14, 14)]
    assert all(m.isfinite().all() and 0.1 < m.std() < 10 for m in maps)
    assert network.name.startswith("mobilenet_v2-") and len(network.name) == len("mobilenet_v2-") + 12


def test_weights_of_another_network_are_refused(weights: Path, tmp_path: Path) -> None:
    tensors = load_file(weights)
    path = tmp_path / "weights.safetensors"
    save_file({k: v for k, v in tensors.items() if k != "features.0.0.weight"}, path)
    with pytest.raises(AnomarkError, match=r"weights\.safetensors: not .* features\.0\.0\.weight is missing"):
        load_mobilenet_v2(path)
    save_file(tensors | {"classifier.1.weight": tensors["classifier.1.weight"][:10].clone()}, path)
    with pytest.raises(AnomarkError, match=r"classifier\.1\.weight has shape \(10, 1280\) instead of \(1000, 1280\)"):
        load_mobilenet_v2(path)
    with pytest.raises(AnomarkError, match="small feature network"):
        load_small_net(weights)


def test_absent_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(AnomarkError, match="no such file"):
        load_mobilenet_v2(tmp_path / "absent.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors")
    with pytest.raises(AnomarkError, match="not a readable safetensors file"):
        load_small_net(tmp_path / "broken.safetensors")


@pytest.mark.parametrize("architecture", [MobileNetV2, SmallNet])
def test_frozen_but_differentiable(architecture: type[FeatureNetwork]) -> None:
    network = random_network(architecture, seed=0)
    assert not any(p.requires_grad for p in network.parameters())
    x = picture("chelsea", size=32).requires_grad_()
    torch.stack([m.square().mean() for m in network(x)]).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all() and x.grad.abs().max() > 0


def test_random_weights_are_their_seeds_and_keep_the_signal() -> None:
    x = picture("coffee", size=64)
    first, again, other = (random_network(SmallNet, seed) for seed in (0, 0, 1))
    assert first.name == "small_net-random-0"
    for a, b, c in zip(first(x), again(x), other(x), strict=True):
        assert torch.equal(a, b) and not torch.allclose(a, c)
        assert 0.05 < a.std() < 5


def test_grey_is_three_equal_channels() -> None:
    network = random_network(SmallNet, seed=0)
    grey = picture("coffee", size=33).mean(1, keepdim=True)
    for a, b in zip(network(grey), network(grey.expand(-1, 3, -1, -1)), strict=True):
        torch.testing.assert_close(a, b)
    with pytest.raises(ValueError, match="1 or 3"):
        network(torch.zeros(1, 2, 32, 32))


def test_unknown_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="in this order"):
        SmallNet().select(["features.2", "features.1"])


def test_folding_equals_batch_normalisation() -> None:
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5).eval()
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        nn.init.uniform_(tensor, 0.5, 2.0)  # type: ignore[arg-type]
    weight, bias = fold_batch_norm(conv.weight, {f"norm.{k}": v for k, v in norm.state_dict().items()}, "norm")
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(F.conv2d(x, weight.float(), bias.float()), norm(conv(x)), rtol=1e-4, atol=1e-5)


def test_recipe_is_deterministic_and_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "STEPS", 12)
    monkeypatch.setattr(features, "PATCHES", 128)
    monkeypatch.setattr(features, "BATCH", 32)
    torch.manual_seed(5)
    features.train_embedded_f(tmp_path / "one.safetensors")
    torch.manual_seed(6)
    features.train_embedded_f(tmp_path / "two.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    trained, start = load_small_net(tmp_path / "one.safetensors"), SmallNet()
    assert trained.name.startswith("small_net-")
    assert all(m.isfinite().all() and m.std() > 0.01 for m in trained(picture("coffee", size=32)))
    assert not torch.equal(trained.state_dict()["features.0.0.weight"], start.state_dict()["features.0.0.weight"])


def test_stored_weights_equal_the_network_as_trained() -> None:
    torch.manual_seed(0)
    network = features._with_batch_norm(SmallNet())
    network.train()(torch.randn(8, 3, 32, 32))  # moves the running statistics
    stored = SmallNet()
    stored.load_state_dict(features._folded(network.eval()))
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    torch.testing.assert_close(stored(x)[-1], network(2 * x), rtol=1e-3, atol=1e-4)


def test_no_photograph_of_the_benchmark_is_used() -> None:
    assert not {"brick", "grass", "gravel"} & set(features.PHOTOGRAPHS)


def test_contrastive_loss_against_its_definition() -> None:
    torch.manual_seed(0)
    z = F.normalize(torch.randn(6, 4), dim=1)
    terms = []
    for i in range(6):
        weights = {j: torch.exp(z[i] @ z[j] / features.TEMPERATURE) for j in range(6) if j != i}
        terms.append(-torch.log(weights[(i + 3) % 6] / sum(weights.values())))
    torch.testing.assert_close(features.contrastive_loss(z), torch.stack(terms).mean())
