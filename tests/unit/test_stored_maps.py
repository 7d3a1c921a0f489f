"""f's maps of a dataset: stored once, found by content, and the same bits as f gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anomark import seals
from anomark.contracts import AnomarkError, Array
from anomark.detectors import perceptual
from anomark.detectors.latent import stored_maps
from anomark.records import Cell
from anomark.runtime import fit_score
from anomark.runtime.fit_score import build, score, spec_of, training_data
from anomark.stages import features, maps, prepare
from anomark.suite.config import load
from anomark.suite.plan import Plan
from anomark.suite.registry import load_method

METHODS = ("patchcore", "padim", "wavediff_latent")


@pytest.fixture(scope="module", params=["textures-brick", "series"])
def plan(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Two seeds of all methods that read the maps, on images and on windows, with their data, f and maps stored."""
    wanted = {"datasets": [request.param], "only": [*METHODS], "include": [], "exclude": [], "seeds": [0, 1]}
    suite = load("smoke").model_copy(update=wanted | {"params": {"patchcore": {"largest": 50}}})
    plan = Plan(suite, results=str(tmp_path_factory.mktemp("results")))
    prepare.ensure(plan.data[request.param])
    features.ensure(plan.features["features"])
    maps.ensure(plan.cells[0])
    return plan


def run(cell: Cell, folder: Path | None) -> tuple[Array, Array | None, float]:
    """Scores and maps of a cell's method, and the seconds of f that it was spared."""
    meta, data = cell.meta(), Path(cell.data)
    spec = spec_of(meta)
    with stored_maps.stored_maps(folder) as stored:
        method = build(load_method(cell.base), spec, 0, "cpu", cell.parts.params, cell.features)
        method.fit(training_data(data, meta, uses_valid=False)[0], None)
        scores, located = score(method, fit_score.test_data(data, meta), spec)
    return scores, located, stored.saved if stored else 0.0


def test_scores_are_the_same_bits_with_and_without_the_store(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []  # images that f is still shown
    enlarged = perceptual.FeatureExtractor.enlarged

    def counted(seen: torch.Tensor, side: int) -> torch.Tensor:
        ran.append(len(seen))
        return enlarged(seen, side)

    monkeypatch.setattr(perceptual.FeatureExtractor, "enlarged", staticmethod(counted))
    for cell in {cell.method: cell for cell in plan.cells}.values():
        scores, located, _ = run(cell, None)
        ran.clear()
        again, relocated, saved = run(cell, Path(str(cell.maps)))
        assert np.array_equal(scores, again) and np.array_equal(located, relocated)
        assert saved > 0 and sum(ran) == 1, "f ran on more than the empty sample that tells the size of its maps"


def test_cells_that_share_the_maps_wait_for_them(plan: Plan) -> None:
    seal = f"{plan.cells[0].maps}/{seals.SUMS}"
    assert all(seal in plan.inputs(cell.id) for cell in plan.cells)
    assert {cell.maps for cell in plan.cells} == {plan.cells[0].maps}
    assert plan.features["features"].path in plan.maps_inputs(str(plan.cells[0].maps))
    one = Plan(plan.suite.model_copy(update={"only": ["wavediff_latent"], "seeds": [0]}), results=plan.results)
    assert seal not in one.inputs(one.cells[0].id), "a single cell needs no job for its maps"
    other = Plan(plan.suite.model_copy(update={"features": "efficientnet_lite0"}), results=plan.results)
    assert {cell.maps for cell in other.cells}.isdisjoint({cell.maps for cell in plan.cells})


def test_another_f_side_or_sample_is_not_found(plan: Plan) -> None:
    cell = plan.cells[0]
    stored = stored_maps.StoredMaps(Path(str(cell.maps)))
    extractor = perceptual.FeatureExtractor(spec_of(cell.meta()), cell.features, "cpu")
    levels = [*stored.levels]
    samples = torch.from_numpy(np.array(training_data(Path(cell.data), cell.meta(), False)[0][:2], np.float32))
    if extractor.planar:
        assert stored.find(stored.name, levels, stored.side, samples) is not None
        assert stored.find("another", levels, stored.side, samples) is None
        assert stored.find(stored.name, levels, stored.side + 1, samples) is None
        assert stored.find(stored.name, ["features.0"], stored.side, samples) is None
        samples[1, 0, 0, 0] += 1e-3
    assert stored.find(stored.name, levels, stored.side, samples) is None


def test_maps_are_sealed_and_a_flipped_byte_is_found(plan: Plan) -> None:
    folder = Path(str(plan.cells[0].maps))
    seals.verify(folder)
    file = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    content = file.read_bytes()
    file.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    with pytest.raises(AnomarkError, match=r"its sha256 is"):
        seals.verify(folder)
    file.write_bytes(content)


def test_what_is_too_large_is_left_to_f(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_maps, "LARGEST", 0)
    batches: list[Any] = [torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)]
    stored_maps.write(tmp_path, "f", ["features.0"], 4, batches, lambda x: [x])
    stored = stored_maps.StoredMaps(tmp_path)
    assert stored.find("f", ["features.0"], 4, batches[0]) is not None
    assert stored.find("f", ["features.0"], 4, batches[1]) is None
