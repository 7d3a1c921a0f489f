import importlib
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from anomark.contracts import AnomarkError, Spec
from anomark.data.images import enlarge_maps
from anomark.nn.adapter import FeatureAdapter
from anomark.nn.attention import SelfAttention2d
from anomark.nn.hybrid_embedding import HybridTimeEmbedding
from anomark.nn.unet import ResidualBlock
from anomark.nn.wavelet import WaveletPyramid
from anomark.statistics.ranking import auroc
from tests.samples import uniform, waves

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


def network(model: Any) -> torch.nn.Module:
    inner = model.model
    found: torch.nn.Module = inner.network if hasattr(inner, "network") else inner.modules["network"]
    return found


def parts(model: Any) -> set[type]:
    return {type(module) for module in network(model).modules()}


def widths(model: Any) -> list[int]:
    return [m.conv2.out_channels for m in network(model).modules() if isinstance(m, ResidualBlock)]


@pytest.mark.parametrize("variant", PARTS)
def test_an_ablation_takes_out_its_part_and_nothing_else(f: str, variant: str) -> None:
    assert latent.VARIANTS[variant]["MODALITIES"] == ("series", "audio"), "where the network is part of the method"
    full, ablated = (method(f, "series", (2, 40), **p) for p in ({}, latent.VARIANTS[variant]))
    assert parts(full) >= set(PARTS.values())
    assert {part for part in PARTS.values() if part not in parts(ablated)} == {PARTS[variant]}
    assert ablated.info["parameters"] != full.info["parameters"]
    assert widths(full) == widths(ablated)


def test_calls_are_counted_and_f_is_named(f: str) -> None:
    assert method(f, "image", (3, 8, 8)).info["parameters"] == 0, "nothing is learnt by gradient steps"
    info = method(f, "image", (3, 8, 8), network=True).info
    assert info["network_calls"] == 2 and info["f"].startswith("small_net")
    assert all(1 <= len(times) <= 4 for times in latent.DEFAULTS["times"].values())


def test_f_is_asked_for_and_not_stored(f: str) -> None:
    with pytest.raises(AnomarkError, match="give `features`"):
        latent.Method(Spec("image", (1, 8, 8), (-1.0, 1.0)), 0, "cpu", **SMALL)
    model = method(f, "image", (1, 8, 8), network=True)
    stored = sum(v.numel() for key, v in model.state_dict().items() if key.startswith("network."))
    assert stored == model.info["parameters"]
    assert {key.split(".")[0] for key in model.state_dict()} == {"network", "features", "whitening", "anchor"}


def test_errors_are_relative_to_their_channel_and_in_series_to_their_position(f: str) -> None:
    X = waves(30, (2, 40))
    model = method(f, "series", (2, 40), steps=20).fit(X, None).model
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


@pytest.mark.parametrize("switched_off", ["whitening", "anchor", "network"])
def test_each_step_can_be_left_out(f: str, switched_off: str) -> None:
    X, test = uniform(12, 1, 16, 16), uniform(3, 1, 16, 16, seed=1)
    all_three = {"whitening": True, "anchor": True, "network": True}
    one_less = all_three | {switched_off: False}
    full, without = (method(f, "image", (1, 16, 16), **p).fit(X, None) for p in (all_three, one_less))
    assert not np.array_equal(full.decision_function(test), without.decision_function(test))
    copy = method(f, "image", (1, 16, 16), seed=1, **one_less)
    copy.load_state_dict(without.state_dict())
    np.testing.assert_array_equal(copy.decision_function(test), without.decision_function(test))


def test_the_anchor_alone_at_no_noise_is_the_nearest_whitened_patch(f: str) -> None:
    X, test = uniform(12, 1, 16, 16), uniform(3, 1, 16, 16, seed=1)
    model = method(f, "image", (1, 16, 16), noise=0.0, memory=10**6).fit(X, None)
    bank, queries = (
        model.model.whitening(model.model.features(torch.from_numpy(x))).flatten(0, 1).double().numpy()
        for x in (X, test)
    )
    expected = cdist(queries, bank).min(1).reshape(3, -1) ** 2 / bank.shape[1]
    scores, maps = model.detect(test)
    np.testing.assert_allclose(maps.reshape(3, -1), expected, rtol=1e-3)
    count = max(1, round(latent.DEFAULTS["share"]["image"] * expected.shape[1]))
    np.testing.assert_allclose(scores, np.sort(expected)[:, -count:].mean(1), rtol=1e-3)


def test_an_image_is_left_out_of_its_own_anchor_while_the_network_learns(f: str) -> None:
    """Two images alone: what the first misses is its distance to the second, and not 0."""
    X = uniform(2, 1, 16, 16)
    model = method(f, "image", (1, 16, 16), network=True, noise=0.0, memory=10**6).fit(X, None).model
    z = model.whitening(model.features(torch.from_numpy(X))).double().numpy()
    missed = np.concatenate([cdist(z[0], z[1]).min(1), cdist(z[1], z[0]).min(1)])
    assert float(model.anchor.missing) == pytest.approx(np.sqrt((missed**2).mean() / z.shape[2]), rel=1e-3)


@pytest.mark.parametrize("network", [False, True])
def test_a_foreign_patch_is_found(f: str, network: bool) -> None:
    rng = np.random.default_rng(0)
    stripes = np.sin(np.arange(16) * 1.5)[None, None, None, :]
    X, test = (0.6 * stripes + 0.1 * rng.normal(size=(n, 1, 16, 16)) for n in (40, 20))
    test[:10, :, 4:10, 4:10] = test[:10, :, 4:10, 4:10].swapaxes(2, 3)
    X, test = X.astype(np.float32), test.astype(np.float32)
    scores, maps = (
        method(f, "image", (1, 16, 16), network=network, steps=40, batch_size=8, width=8).fit(X, None).detect(test)
    )
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
