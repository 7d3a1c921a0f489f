import importlib
from typing import Any

import numpy as np
import pytest
import torch

from anomark.contracts import AnomarkError, Spec
from anomark.detectors.diffusion_training import Noised
from anomark.detectors.frontend import front_end
from anomark.detectors.reconstruction import ReconstructionScore, best_weight
from anomark.nn.adapter import SharedInputAdapter
from anomark.nn.attention import SelfAttention2d
from anomark.nn.hybrid_embedding import HybridTimeEmbedding
from anomark.nn.unet import ResidualBlock
from anomark.nn.wavelet import WaveletPyramid
from tests.samples import waves

wavediff = importlib.import_module("anomark_methods.wavediff")
SMALL = {"steps": 2, "batch_size": 4, "width": 8, "multipliers": [1, 2], "calls": 2}
PARTS = {
    "wavediff-no-wavelet": WaveletPyramid,
    "wavediff-no-mha": SelfAttention2d,
    "wavediff-no-adapter": SharedInputAdapter,
    "wavediff-no-hybrid-emb": HybridTimeEmbedding,
}


def method(f: str, modality: str, shape: tuple[int, ...], seed: int = 0, **params: Any) -> Any:
    spec = Spec(modality, shape, (-1.0, 1.0) if modality == "image" else None)
    return wavediff.Method(spec, seed, "cpu", features=f, **{**SMALL, **params})


def switches(variant: str) -> dict[str, Any]:
    return {key: value for key, value in wavediff.VARIANTS[variant].items() if not key.isupper()}


def parts(model: Any) -> set[type]:
    return {type(module) for module in model.network.modules()}


def widths(model: Any) -> list[int]:
    return [m.conv2.out_channels for m in model.network.modules() if isinstance(m, ResidualBlock)]


@pytest.mark.parametrize("variant", PARTS)
@pytest.mark.parametrize(("modality", "shape"), [("image", (1, 8, 8)), ("series", (2, 30))])
def test_an_ablation_takes_out_its_part_and_nothing_else(f: str, variant: str, modality, shape) -> None:
    full, ablated = method(f, modality, shape), method(f, modality, shape, **switches(variant))
    assert parts(full) >= set(PARTS.values())
    assert {part for part in PARTS.values() if part not in parts(ablated)} == {PARTS[variant]}
    assert ablated.info["parameters"] != full.info["parameters"]
    assert widths(full) == widths(ablated)


def test_the_plain_model_with_features_is_ddpms_network(f: str) -> None:
    model = method(f, "image", (3, 8, 8), **switches("ddpm-feat"))
    assert not parts(model) & set(PARTS.values()) and model.score.features is not None


def test_every_variant_has_known_switches_and_is_told_from_the_full_model() -> None:
    for variant in wavediff.VARIANTS:
        changed = switches(variant)
        assert changed and set(changed) <= set(wavediff.DEFAULTS)
        assert any(wavediff.DEFAULTS[key] != value for key, value in changed.items())


def test_the_state_holds_what_was_learnt_and_not_f(f: str) -> None:
    state = method(f, "image", (1, 8, 8)).state_dict()
    assert any(key.startswith("network.") for key in state) and "score.scale" in state
    assert not any("conv.0.0" in key or key.startswith("features.features") for key in state)
    learnt = sum(v.numel() for key, v in state.items() if key.startswith("network."))
    assert learnt == method(f, "image", (1, 8, 8)).info["parameters"]


def test_f_is_asked_for_only_where_it_is_used() -> None:
    spec = Spec("image", (1, 8, 8), (-1.0, 1.0))
    with pytest.raises(AnomarkError, match="give `features`"):
        wavediff.Method(spec, 0, "cpu", **SMALL)
    assert wavediff.Method(spec, 0, "cpu", **SMALL, gamma=0.0, lambda_=1.0).info["f"] is None


def test_gradients_reach_the_network_through_f_and_leave_f_alone(f: str) -> None:
    X = torch.from_numpy(waves(8, (3, 16, 16)))
    model = method(f, "image", (3, 16, 16))
    model.loss_features.fit(X)
    t = torch.tensor([900, 20, 800, 700, 40, 600, 500, 400])
    predicted = torch.zeros_like(X).requires_grad_()
    noise = torch.ones_like(X)
    loss = model.feature_loss(Noised(X, model.schedule.q_sample(X, t, noise), t, noise), predicted)
    loss.backward()
    assert predicted.grad is not None
    assert predicted.grad.flatten(1).abs().sum(1).nonzero().flatten().tolist() == [1, 4]  # the two least noisy rows
    assert all(p.grad is None and not p.requires_grad for p in model.features.extractor.f.parameters())


def test_lambda_weighs_the_two_terms(f: str) -> None:
    X = waves(8, (1, 12, 12))
    model = method(f, "image", (1, 12, 12)).fit(X, X[:4])
    errors, _ = model.score.errors(X, model.reconstruct)
    terms = (errors / model.score.scale[0]).numpy()
    torch.testing.assert_close(model.score.scale[0], errors[:4].std(0))  # in deviations of held-out normals
    for weight in (0.0, 0.3, 1.0):
        model.score.weight.copy_(torch.tensor([weight, 1 - weight]))
        np.testing.assert_allclose(model.decision_function(X), terms @ [weight, 1 - weight], rtol=1e-5)


def test_lambda_is_chosen_on_held_out_normals_alone(f: str) -> None:
    X, valid = waves(12, (3, 16, 16)), waves(9, (3, 16, 16), seed=1)
    model = method(f, "image", (3, 16, 16), lambda_="auto", steps=20).fit(X, valid)
    weight = model.info["lambda"]
    assert 0 <= weight <= 1 and np.isclose(weight * 10, round(weight * 10), atol=1e-5)
    before = model.score.state_dict()
    before = {key: value.clone() for key, value in before.items()}
    model.detect(waves(5, (3, 16, 16), seed=2) * 0)
    assert all(torch.equal(value, before[key]) for key, value in model.score.state_dict().items())


def test_best_weight_follows_the_term_that_separates() -> None:
    generator = torch.Generator().manual_seed(0)
    normal, anomalous = torch.rand(2, 50, 2, generator=generator)
    anomalous[:, 1] += 0.7
    assert best_weight(normal, anomalous) < 0.5
    assert best_weight(normal.flip(1), anomalous.flip(1)) > 0.5
    assert best_weight(normal, normal) == 0.5


def test_noise_start_is_blind_to_the_input_and_ancestral_takes_a_call_each_step(f: str) -> None:
    X = waves(4, (1, 8, 8))
    model = method(f, "image", (1, 8, 8), **{**switches("wavediff-noise-start"), "start": 20, "T": 20})
    maps = torch.from_numpy(X)
    result = model.reconstruct(maps, 0)
    torch.testing.assert_close(result[0], result[1])
    ancestral = method(f, "image", (1, 8, 8), **switches("wavediff-ancestral"), start=5)
    assert ancestral.info["network_calls"] == 5


def test_the_top_share_of_the_map_is_the_score() -> None:
    front = front_end(Spec("image", (1, 2, 5)))
    X = np.zeros((1, 1, 2, 5), np.float32)
    X[0, 0, 0, 1] = 3
    score = ReconstructionScore(front, share=0.2)
    scores, maps = score.detect(X, lambda maps, draw: torch.zeros_like(maps))
    assert maps[0, 0, 1] == 9 and scores[0] == 4.5
