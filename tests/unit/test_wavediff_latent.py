import importlib
from typing import Any

import numpy as np
import pytest
import torch

from anomark.contracts import AnomarkError, Spec
from anomark.data.images import enlarge_maps
from anomark.nn.adapter import FeatureAdapter
from anomark.nn.attention import SelfAttention2d
from anomark.nn.hybrid_embedding import HybridTimeEmbedding
from anomark.nn.unet import ResidualBlock
from anomark.nn.wavelet import WaveletPyramid
from anomark.statistics.ranking import auroc
from tests.samples import waves

latent = importlib.import_module("anomark_methods.wavediff_latent")
SMALL = {"steps": 2, "batch_size": 4, "width": 4, "multipliers": [2, 4], "times": [50, 300]}
PARTS = {
    "wavediff_latent-no-wavelet": WaveletPyramid,
    "wavediff_latent-no-mha": SelfAttention2d,
    "wavediff_latent-no-adapter": FeatureAdapter,
    "wavediff_latent-no-hybrid-emb": HybridTimeEmbedding,
}


def method(f: str, modality: str, shape: tuple[int, ...], seed: int = 0, **params: Any) -> Any:
    spec = Spec(modality, shape, (-1.0, 1.0) if modality == "image" else None)
    return latent.Method(spec, seed, "cpu", features=f, **{**SMALL, **params})


def parts(model: Any) -> set[type]:
    return {type(module) for module in model.network.modules()}


def widths(model: Any) -> list[int]:
    return [m.conv2.out_channels for m in model.network.modules() if isinstance(m, ResidualBlock)]


@pytest.mark.parametrize("variant", PARTS)
def test_an_ablation_takes_out_its_part_and_nothing_else(f: str, variant: str) -> None:
    full, ablated = (method(f, "image", (3, 16, 16), **p) for p in ({}, latent.VARIANTS[variant]))
    assert parts(full) >= set(PARTS.values())
    assert {part for part in PARTS.values() if part not in parts(ablated)} == {PARTS[variant]}
    assert ablated.info["parameters"] != full.info["parameters"]
    assert widths(full) == widths(ablated)


def test_calls_are_counted_and_f_is_named(f: str) -> None:
    info = method(f, "image", (3, 8, 8)).info
    assert info["network_calls"] == 2 and info["f"].startswith("small_net")
    assert len(latent.DEFAULTS["times"]) <= 10


def test_f_is_asked_for_and_not_stored(f: str) -> None:
    with pytest.raises(AnomarkError, match="give `features`"):
        latent.Method(Spec("image", (1, 8, 8), (-1.0, 1.0)), 0, "cpu", **SMALL)
    model = method(f, "image", (1, 8, 8))
    stored = sum(v.numel() for key, v in model.state_dict().items() if key.startswith("network."))
    assert stored == model.info["parameters"]
    assert {key.split(".")[0] for key in model.state_dict()} == {"network", "errors"}


def test_errors_are_relative_to_their_channel_and_in_series_to_their_position(f: str) -> None:
    X = waves(30, (2, 40))
    model = method(f, "series", (2, 40), steps=20).fit(X, None)
    squared = model._squared(model._standardised(model.front(torch.from_numpy(X))))
    assert squared.shape[:2] == (60, 2)  # rows and variables, times
    usual = squared.mean((0, 3, 4))
    torch.testing.assert_close(model.errors.usual[..., 0, 0], usual.clamp(min=0.1 * usual.mean()), rtol=1e-3, atol=1e-4)
    relative = model._relative(squared)
    assert relative.shape[:3] == (30, 2, 2)  # rows, times, variables
    torch.testing.assert_close(relative.mean(), torch.tensor(1.0), rtol=0.1, atol=0)
    spread = relative.std(0)
    torch.testing.assert_close(model.errors.spread, spread.clamp(min=0.1 * spread.mean()), rtol=1e-3, atol=1e-4)
    scores, maps = model.detect(X)
    assert (scores > 0).all() and (maps >= 0).all()


def test_a_short_training_finds_a_foreign_patch(f: str) -> None:
    rng = np.random.default_rng(0)
    stripes = np.sin(np.arange(16) * 1.5)[None, None, None, :]
    X, test = (0.6 * stripes + 0.1 * rng.normal(size=(n, 1, 16, 16)) for n in (40, 20))
    test[:10, :, 4:10, 4:10] = test[:10, :, 4:10, 4:10].swapaxes(2, 3)
    X, test = X.astype(np.float32), test.astype(np.float32)
    scores, maps = method(f, "image", (1, 16, 16), steps=40, batch_size=8, width=8).fit(X, None).detect(test)
    assert auroc(np.arange(20) < 10, scores) > 0.9
    maps = enlarge_maps(maps, (16, 16))
    assert maps[:10, 4:10, 4:10].mean() > 1.5 * maps[:10, :, 12:].mean()


def test_the_feature_adapter_is_one_bank_for_all_channels() -> None:
    adapter = FeatureAdapter(6, 4, kernels=3)
    x = torch.randn(2, 6, 5, 7)
    expected = torch.zeros(2, 4, 5, 7)
    for k in range(3):
        kernel = adapter.bank[k].expand(6, 1, 3, 3)
        responses = torch.nn.functional.conv2d(x, kernel, padding=1, groups=6)
        expected = expected + torch.einsum("bchw,oc->bohw", responses, adapter.mixing[:, :, k])
    torch.testing.assert_close(adapter(x), expected, rtol=1e-4, atol=1e-5)
