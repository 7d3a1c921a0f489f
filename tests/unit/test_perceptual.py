"""The perceptual network: ImageNet classes of known pictures, folding, bad files, and the recipe of the small one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import skimage.data
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from anomark.contracts import AnomarkError, Spec
from anomark.detectors.backbones import efficientnet_lite, mobilenet_v2, small_net
from anomark.detectors.backbones.base import FeatureNetwork, chunk_size, fold_batch_norm, random_network, read_weights
from anomark.detectors.perceptual import FeatureExtractor, backbones, load_features
from anomark.stages.features import write_features

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
    network = mobilenet_v2.Network.load(weights)
    assert network.logits(picture("chelsea")).argmax().item() in CATS
    assert ESPRESSO in network.logits(picture("coffee")).topk(5).indices


def test_mobilenet_maps(weights: Path) -> None:
    network = mobilenet_v2.Network.load(weights).select(("features.6", "features.13"))
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
        mobilenet_v2.Network.load(path)
    save_file(tensors | {"classifier.1.weight": tensors["classifier.1.weight"][:10].clone()}, path)
    with pytest.raises(AnomarkError, match=r"classifier\.1\.weight has shape \(10, 1280\) instead of \(1000, 1280\)"):
        mobilenet_v2.Network.load(path)
    with pytest.raises(AnomarkError, match="not the weights of small_net"):
        small_net.Network.load(weights)


def test_absent_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(AnomarkError, match="no such file"):
        mobilenet_v2.Network.load(tmp_path / "absent.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors")
    with pytest.raises(AnomarkError, match="not a readable safetensors file"):
        small_net.Network.load(tmp_path / "broken.safetensors")


def test_a_file_is_recognised_by_the_mark_of_its_backbone(f: str, weights: Path, tmp_path: Path) -> None:
    assert isinstance(load_features(Path(f)), small_net.Network)
    assert isinstance(load_features(weights), mobilenet_v2.Network)
    for backbone in backbones():
        assert sum(other.MARK in backbone.Network().state_dict() for other in backbones()) == 1
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(AnomarkError, match=r"features\.3\.2\.weight \(small_net\)"):
        load_features(tmp_path / "other.safetensors")


@pytest.mark.parametrize("backbone", backbones(), ids=lambda b: b.__name__.rpartition(".")[2])
def test_a_backbone_says_its_levels_and_sides(backbone: Any) -> None:
    network = backbone.Network()
    for levels in (network.default_levels, network.patch_levels, network.map_levels):
        assert network.select(levels).levels == levels
    assert 0 < network.scalogram_side <= network.picture_side


def test_a_scalogram_is_an_image_for_each_variable(f: str) -> None:
    extractor = FeatureExtractor(Spec("series", (2, 40)), f, "cpu")
    maps = torch.randn(3, 6, 8, 10)
    levels = extractor(maps)
    images = F.interpolate(maps[1, 3:][None] / 3, size=(32, 40), mode="bilinear")
    for level, expected in zip(levels, extractor.f(images), strict=True):
        assert len(level) == 6
        torch.testing.assert_close(level[3:4], expected)


@pytest.fixture(scope="module", params=["efficientnet_lite0", "efficientnet_lite2"])
def lite(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lite") / "weights.safetensors"
    try:
        write_features(request.param, None, out)
    except AnomarkError as error:
        pytest.skip(str(error))
    return out


def test_efficientnet_knows_a_cat_and_a_coffee(lite: Path) -> None:
    network = load_features(lite)
    assert isinstance(network, efficientnet_lite.Network)
    assert network.logits(picture("chelsea")).argmax().item() in CATS
    assert network.logits(picture("coffee")).argmax().item() == ESPRESSO
    assert network.select(network.map_levels).strides == (8, 16, 16, 32)


@pytest.mark.parametrize("size", [64, 65])
def test_efficientnet_equals_its_checkpoint_layer_by_layer(lite: Path, size: int) -> None:
    """Convolution, batch normalisation and ReLU6 one after the other, as the checkpoint names them."""
    tensors = read_weights(lite)
    network: Any = load_features(lite)
    network.select([f"features.{i}" for i in range(len(network.features))])
    used = set()

    def conv(x: Tensor, name: str, norm: str, stride: int = 1) -> Tensor:
        weight = tensors[f"{name}.weight"]
        k, groups = weight.shape[2], x.shape[1] // weight.shape[1]
        total = max(0, (-(-size_of(x) // stride) - 1) * stride + k - size_of(x))
        x = F.conv2d(F.pad(x, (total // 2, total - total // 2) * 2), weight, stride=stride, groups=groups)
        parts = [f"{norm}.{part}" for part in ("running_mean", "running_var", "weight", "bias")]
        used.update([f"{name}.weight", *parts])
        mean, variance, gamma, beta = (tensors[part] for part in parts)
        return F.batch_norm(x, mean, variance, gamma, beta, eps=1e-3)

    def size_of(x: Tensor) -> int:
        return x.shape[2]

    def close(found: Tensor, expected: Tensor) -> None:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.std()))

    maps = network(picture("chelsea", size))
    strides, stages = dict[int, int](), network.features[1:-1]
    for i, block in enumerate(stages):
        strides[i] = 2 if size_of(maps[i + 1]) < size_of(maps[i]) else 1
        assert (f"_blocks.{i}._expand_conv.weight" in tensors) == (len(block.conv) == 3)
    x = F.relu6(conv(picture("chelsea", size), "_conv_stem", "_bn0", stride=2))
    close(maps[0], x)
    for i, stride in strides.items():
        name, h = f"_blocks.{i}", x
        if f"{name}._expand_conv.weight" in tensors:
            h = F.relu6(conv(h, f"{name}._expand_conv", f"{name}._bn0"))
        h = F.relu6(conv(h, f"{name}._depthwise_conv", f"{name}._bn1", stride))
        h = conv(h, f"{name}._project_conv", f"{name}._bn2")
        x = x + h if h.shape == x.shape else h
        close(maps[i + 1], x)
    close(maps[-1], F.relu6(conv(x, "_conv_head", "_bn1")))
    unused = {key for key in tensors if not key.endswith("num_batches_tracked")} - used
    assert unused == {"_fc.weight", "_fc.bias"}


@pytest.mark.parametrize("backbone", backbones(), ids=lambda b: b.__name__.rpartition(".")[2])
@pytest.mark.parametrize("size", [48, 160])
@torch.no_grad()
def test_maps_are_the_same_bits_in_any_batch(backbone: Any, size: int) -> None:
    network = random_network(backbone.Network, seed=0)
    x = torch.rand(chunk_size(size, size) + 3, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    together = network(x)
    for part in (slice(0, 1), slice(2, 5), slice(1, None)):
        assert all(torch.equal(a, b[part]) for a, b in zip(network(x[part]), together, strict=True))


def test_a_gradient_sees_the_same_maps() -> None:
    network = random_network(efficientnet_lite.Network, seed=0)
    x = picture("coffee", size=64).requires_grad_()
    for with_gradient, without in zip(network(x), network(x.detach()), strict=True):
        assert with_gradient.requires_grad and not without.requires_grad
        torch.testing.assert_close(with_gradient.detach(), without, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", [b.Network for b in backbones()])
def test_frozen_but_differentiable(architecture: type[FeatureNetwork]) -> None:
    network = random_network(architecture, seed=0)
    assert not any(p.requires_grad for p in network.parameters())
    x = picture("chelsea", size=32).requires_grad_()
    torch.stack([m.square().mean() for m in network(x)]).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all() and x.grad.abs().max() > 0


def test_random_weights_are_their_seeds_and_keep_the_signal() -> None:
    x = picture("coffee", size=64)
    first, again, other = (random_network(small_net.Network, seed) for seed in (0, 0, 1))
    assert first.name == "small_net-random-0"
    for a, b, c in zip(first(x), again(x), other(x), strict=True):
        assert torch.equal(a, b) and not torch.allclose(a, c)
        assert 0.05 < a.std() < 5


def test_grey_is_three_equal_channels() -> None:
    network = random_network(small_net.Network, seed=0)
    grey = picture("coffee", size=33).mean(1, keepdim=True)
    for a, b in zip(network(grey), network(grey.expand(-1, 3, -1, -1)), strict=True):
        torch.testing.assert_close(a, b)
    with pytest.raises(ValueError, match="1 or 3"):
        network(torch.zeros(1, 2, 32, 32))


def test_unknown_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="in this order"):
        small_net.Network().select(["features.2", "features.1"])


def test_folding_equals_batch_normalisation() -> None:
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5).eval()
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        nn.init.uniform_(tensor, 0.5, 2.0)  # type: ignore[arg-type]
    weight, bias = fold_batch_norm(conv.weight, {f"norm.{k}": v for k, v in norm.state_dict().items()}, "norm")
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(F.conv2d(x, weight.float(), bias.float()), norm(conv(x)), rtol=1e-4, atol=1e-5)


def test_recipe_is_deterministic_and_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_net, "STEPS", 12)
    monkeypatch.setattr(small_net, "PATCHES", 128)
    monkeypatch.setattr(small_net, "BATCH", 32)
    torch.manual_seed(5)
    small_net.train(tmp_path / "one.safetensors")
    torch.manual_seed(6)
    small_net.train(tmp_path / "two.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    trained, start = small_net.Network.load(tmp_path / "one.safetensors"), small_net.Network()
    assert trained.name.startswith("small_net-")
    assert all(m.isfinite().all() and m.std() > 0.01 for m in trained(picture("coffee", size=32)))
    assert not torch.equal(trained.state_dict()["features.0.0.weight"], start.state_dict()["features.0.0.weight"])


def test_stored_weights_equal_the_network_as_trained() -> None:
    torch.manual_seed(0)
    network = small_net._with_batch_norm(small_net.Network())
    network.train()(torch.randn(8, 3, 32, 32))  # moves the running statistics
    stored = small_net.Network()
    stored.load_state_dict(small_net._folded(network.eval()))
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    torch.testing.assert_close(stored(x)[-1], network(2 * x), rtol=1e-3, atol=1e-4)


def test_no_photograph_of_the_benchmark_is_used() -> None:
    assert not {"brick", "grass", "gravel"} & set(small_net.PHOTOGRAPHS)


def test_contrastive_loss_against_its_definition() -> None:
    torch.manual_seed(0)
    z = F.normalize(torch.randn(6, 4), dim=1)
    terms = []
    for i in range(6):
        weights = {j: torch.exp(z[i] @ z[j] / small_net.TEMPERATURE) for j in range(6) if j != i}
        terms.append(-torch.log(weights[(i + 3) % 6] / sum(weights.values())))
    torch.testing.assert_close(small_net.contrastive_loss(z), torch.stack(terms).mean())
