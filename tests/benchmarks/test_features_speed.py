"""Speed of the perceptual network f: EfficientNet-Lite0 beside a plain port and MobileNetV2, and what stored maps save.

One thread, 8 images of 256 pixels to the levels of `map_levels`, random weights: they don't matter for the time.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from anomark.contracts import Spec
from anomark.detectors.backbones import efficientnet_lite, mobilenet_v2
from anomark.detectors.backbones.base import FeatureNetwork, random_network
from anomark.detectors.latent import stored_maps
from anomark.detectors.perceptual import FeatureExtractor
from anomark.stages.features import write_features

IMAGES = 8


@pytest.fixture(autouse=True)
def without_gradient() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture
def images() -> Tensor:
    return torch.rand(IMAGES, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1


def backbone(module: Any) -> FeatureNetwork:
    network = random_network(module.Network, seed=0)
    return network.select(network.map_levels)


def plain_port(network: FeatureNetwork) -> nn.Sequential:
    """The layers as the checkpoint has them: batch normalisation behind each convolution, channels first."""
    deepest = int(network.levels[-1].rpartition(".")[2])
    layers = nn.Sequential(*copy.deepcopy(network.features)[: deepest + 1])
    for module in [*layers.modules()]:
        for name, child in [*module.named_children()]:
            if isinstance(child, nn.Conv2d):
                setattr(module, name, nn.Sequential(child, nn.BatchNorm2d(child.out_channels)))
    return layers.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("module", [efficientnet_lite, mobilenet_v2], ids=["lite0", "mobilenet_v2"])
def test_f(benchmark: BenchmarkFixture, images: Tensor, module: Any) -> None:
    benchmark.group = f"f, {IMAGES} images of 256 pixels"
    benchmark(backbone(module), images)


def test_f_plain_port(benchmark: BenchmarkFixture, images: Tensor) -> None:
    benchmark.group = f"f, {IMAGES} images of 256 pixels"
    network = backbone(efficientnet_lite)
    layers = plain_port(network)
    torch.testing.assert_close(layers(network.scaled(images[:1])), network(images[:1])[-1], rtol=1e-2, atol=1e-2)
    benchmark(layers, images)


def test_f_stored(benchmark: BenchmarkFixture, images: Tensor, tmp_path: Path) -> None:
    benchmark.group = f"f, {IMAGES} images of 256 pixels"
    network = backbone(efficientnet_lite)
    stored_maps.write(tmp_path, network.name, network.levels, 160, [images], network)
    stored = stored_maps.StoredMaps(tmp_path)
    found = benchmark(stored.find, network.name, network.levels, 160, images)
    assert all(torch.equal(a, b) for a, b in zip(found, network(images), strict=True))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("f") / "f.safetensors"
    write_features("efficientnet_lite0", None, path)
    return path


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "computed"])
def test_three_methods(benchmark: BenchmarkFixture, weights: Path, tmp_path: Path, stored: bool) -> None:
    """Three methods look at 48 images: f runs on an image once, and its maps are written and read, or once for each."""
    benchmark.group = "maps for three methods, 48 images of 256 pixels"
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(48, 3, 256, 256, generator=generator).clamp(-1, 1)
    spec = Spec("image", (3, 256, 256), (-1.0, 1.0))
    extractor = FeatureExtractor(spec, str(weights), "cpu")
    f = extractor.f
    f.select(f.map_levels)

    def suite() -> None:
        if stored:
            stored_maps.write(tmp_path, f.name, f.levels, extractor.side, X.split(16), f)
        with stored_maps.stored_maps(tmp_path if stored else None):
            for _ in range(3):
                for batch in X.split(16):
                    extractor(batch)

    benchmark.pedantic(suite, rounds=5)
