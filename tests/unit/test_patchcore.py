import importlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from anomark.contracts import Spec
from anomark.detectors import patch_features
from anomark.detectors.patch_features import PatchFeatures
from anomark.nn import nearest as nearest_module
from anomark.nn.nearest import nearest
from tests.samples import uniform

patchcore = importlib.import_module("anomark_methods.patchcore")


PUBLISHED = {k: v for k, v in patchcore.VARIANTS["patchcore-published"].items() if k in patchcore.DEFAULTS}


def method(f: str, shape: tuple[int, ...], modality: str = "image", seed: int = 0, **params: Any) -> Any:
    return patchcore.Method(Spec(modality, shape, None), seed, "cpu", features=f, **params)


def test_nearest_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, bank = torch.from_numpy(uniform(70, 5)), torch.from_numpy(uniform(31, 5, seed=1))
    queries[3] = bank[7]
    monkeypatch.setattr(nearest_module, "BLOCK", 100)  # three queries at a time
    distances, rows = nearest(queries, bank)
    expected = NearestNeighbors(n_neighbors=1).fit(bank).kneighbors(queries)
    assert rows.tolist() == expected[1][:, 0].tolist() and distances[3] == 0
    np.testing.assert_allclose(distances, expected[0][:, 0], rtol=1e-5)


def naive_k_center(points: np.ndarray, count: int, first: int) -> list[int]:
    chosen = [first]
    while len(chosen) < count:
        chosen.append(int(cdist(points, points[chosen]).min(axis=1).argmax()))
    return chosen


@pytest.mark.parametrize("first", [0, 5, 17])
def test_greedy_k_center_is_that_of_the_definition(first: int) -> None:
    points = uniform(40, 3)
    chosen = patchcore.greedy_k_center(torch.from_numpy(points), 12, first)
    assert chosen.tolist() == naive_k_center(points, 12, first)


def test_greedy_k_center_is_within_twice_the_best() -> None:
    """Brute force over all subsets of 9 points in the plane."""
    for seed in range(8):
        points = uniform(9, 2, seed=seed)

        def radius(rows: Any, points: np.ndarray = points) -> float:
            return float(cdist(points, points[list(rows)]).min(axis=1).max())

        best = min(radius(rows) for rows in itertools.combinations(range(9), 3))
        greedy = radius(patchcore.greedy_k_center(torch.from_numpy(points), 3, first=0).tolist())
        assert best <= greedy <= 2 * best


def test_greedy_k_center_takes_no_point_twice() -> None:
    same = torch.ones(6, 2)
    assert sorted(patchcore.greedy_k_center(same, 6, 2).tolist()) == list(range(6))


def test_scores_follow_equations_6_and_7(f: str) -> None:
    """Written out patch by patch with exact distances."""
    X, test = uniform(12, 1, 16, 16), uniform(4, 1, 16, 16, seed=1)
    model = method(f, (1, 16, 16), **PUBLISHED | {"neighbours": 3}).fit(X, None)
    bank = model.bank.double().numpy()
    for x, score in zip(test, model.decision_function(test), strict=True):
        patches = model.features(torch.from_numpy(x[None]))[0].double().numpy()
        distances = cdist(patches, bank)
        patch, found = np.unravel_index(
            np.where(distances == distances.min(1, keepdims=True), distances, -1).argmax(), distances.shape
        )
        around = np.argsort(cdist(bank[found : found + 1], bank)[0])[:3]
        largest = distances[patch, found]
        weight = 1 - np.exp(largest) / np.exp(distances[patch, around]).sum()
        assert score == pytest.approx(weight * largest, rel=1e-4)


def test_without_reduction_and_reweighting_the_score_is_the_largest_distance(f: str) -> None:
    X, test = uniform(5, 3, 16, 16), uniform(3, 3, 16, 16, seed=1)
    model = method(f, (3, 16, 16), coreset=1.0, share=0.0).fit(X, None)
    scores, maps = model.detect(test)
    np.testing.assert_allclose(scores, maps.max((1, 2)), rtol=1e-5)
    assert model.info["patches"] == {"training": 5 * 16**2, "kept": 5 * 16**2}
    np.testing.assert_allclose(model.decision_function(X), 0, atol=1e-4)


def test_the_coreset_has_the_share_asked_for(f: str) -> None:
    X = uniform(10, 1, 16, 16)
    assert len(method(f, (1, 16, 16), coreset=0.05).fit(X, None).bank) == 128
    assert len(method(f, (1, 16, 16), largest=40).fit(X, None).bank) == 40


def test_patches_are_local_averages_of_both_levels(f: str) -> None:
    """Against a loop over positions: mean of the 3 x 3 neighbours that exist."""
    features = PatchFeatures(Spec("image", (3, 64, 64), (-1.0, 1.0)), f, "cpu")
    x = torch.from_numpy(uniform(2, 3, 64, 64))
    got = features(x).reshape(2, *features.size, features.channels)
    level = features.extractor.f(x)[0]
    for y, column in [(0, 0), (3, 7), (15, 15), (0, 9)]:
        around = level[:, :, max(0, y - 1) : y + 2, max(0, column - 1) : column + 2]
        torch.testing.assert_close(got[:, y, column, : level.shape[1]], around.mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_levels_meet_at_the_size_of_the_deepest_but_one(f: str) -> None:
    features = PatchFeatures(Spec("image", (3, 64, 64), (-1.0, 1.0)), f, "cpu", levels="map", neighbourhood=1)
    x = torch.from_numpy(uniform(2, 3, 64, 64))
    levels = features.extractor.f(x)
    got = features(x).reshape(2, *features.size, features.channels)
    assert features.size == tuple(levels[-2].shape[-2:])
    first = levels[-2].shape[1]
    torch.testing.assert_close(got[..., -first - levels[-1].shape[1] : -levels[-1].shape[1]], levels[-2].movedim(1, 3))
    fine, coarse = torch.rand(1, 2, 8, 8), torch.rand(1, 2, 3, 3)
    means = fine.reshape(1, 2, 4, 2, 4, 2).mean((3, 5))
    torch.testing.assert_close(patch_features._resized(fine, (4, 4)), means)
    assert patch_features._resized(coarse, (4, 4)).shape == (1, 2, 4, 4)


def test_levels_weigh_alike(f: str) -> None:
    features = PatchFeatures(Spec("image", (3, 32, 32), (-1.0, 1.0)), f, "cpu")
    rows = features.fit(uniform(20, 3, 32, 32)).flatten(0, 1)
    torch.testing.assert_close(rows.mean(0), torch.zeros(features.channels), rtol=0, atol=1e-4)
    for level in rows.split(features.extractor.f.channels, dim=1):
        assert float(level.var(0, correction=0).sum()) == pytest.approx(1, rel=1e-3)


def test_a_foreign_patch_is_found_and_located(f: str) -> None:
    rng = np.random.default_rng(0)
    stripes = 0.6 * np.sin(np.arange(32) * 1.5)[None, None, None, :]
    X, test = (np.float32(stripes + 0.1 * rng.normal(size=(n, 1, 32, 32))) for n in (20, 20))
    test[:10, :, 8:20, 8:20] = test[:10, :, 8:20, 8:20].swapaxes(2, 3)
    scores, maps = method(f, (1, 32, 32)).fit(X, None).detect(test)
    assert scores[:10].min() > scores[10:].max()
    y, x = np.unravel_index(maps[:10].mean(0).argmax(), maps.shape[1:])
    assert 8 <= (y + 0.5) * 32 / maps.shape[1] <= 20 and 8 <= (x + 0.5) * 32 / maps.shape[2] <= 20


@pytest.fixture(scope="module")
def transistors(data_root: Path) -> Any:
    if not (data_root / "mvtec" / "transistor").is_dir():
        pytest.skip("the data folder has no mvtec/transistor")
    return importlib.import_module("anomark_datasets.mvtec").prepare(data_root, item="transistor", size=256)


@pytest.mark.parametrize("name", ["patchcore", "padim"])
def test_transistors_are_told_apart(name: str, transistors: Any, data_root: Path) -> None:
    """At 256 pixels through MobileNetV2; every third image, to save time."""
    weights = data_root / "weights" / "mobilenet_v2.safetensors"
    if not weights.is_file():
        pytest.skip("the data folder has no weights/mobilenet_v2.safetensors")
    cls = importlib.import_module(f"anomark_methods.{name}").Method
    model = cls(Spec("image", (3, 256, 256), (-1.0, 1.0)), 0, "cpu", features=str(weights))
    scores = model.fit(transistors.train[::3], None).decision_function(transistors.test[::3])
    assert roc_auc_score(transistors.labels[::3], scores) > 0.95
