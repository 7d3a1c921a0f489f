"""What holds for many methods: samples of unusual shapes are scored, and a short training finds what is foreign."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from skimage import data
from sklearn.metrics import roc_auc_score

from anomark.contracts import Spec
from anomark.runtime.fit_score import build, score
from anomark.suite import registry
from tests.samples import uniform
from tests.series_detectors import SMALL

DIFFUSION = {"steps": 2, "batch_size": 2, "width": 8, "multipliers": [1, 2]}
GAN = {"steps": 3, "batch_size": 4, "width": 8, "latent": 6, "search_steps": 5}
#: Shapes (rows, *sample) at the edges of what a method takes; the contract's checks have the usual ones.
SHAPES: dict[str, tuple[dict[str, Any], list[tuple[int, ...]]]] = {
    "anogan": (GAN, [(2, 1, 28, 28), (2, 3, 9, 31)]),
    "anogan-fast": (GAN, [(2, 1, 28, 28), (2, 3, 9, 31)]),
    "ddpm": (DIFFUSION | {"calls": 2}, [(1, 1, 12, 12), (3, 3, 13, 9), (1, 3, 1, 1), (2, 2, 30), (2, 1, 1100)]),
    "deep_svdd": (
        {"steps": 3, "batch_size": 4, "width": 8, "latent": 4},
        [(1, 1, 12), (3, 2, 33), (2, 3, 28, 28), (1, 5, 4000)],
    ),
    "patchcore": ({}, [(1, 3, 12, 13), (1, 1, 28, 28), (1, 1, 12), (1, 1, 1100)]),
    "vae": (
        {"steps": 3, "batch_size": 4, "width": 8, "latent": 4},
        [(1, 1, 8), (2, 5, 33), (2, 1, 1), (2, 1, 4000), (3, 1, 9, 31), (2, 3, 1, 1)],
    ),
    "wavediff": (DIFFUSION | {"calls": 2}, [(6, 3, 12, 13), (6, 1, 1100)]),
    "wavediff_latent": (DIFFUSION | {"width": 4, "multipliers": [2, 4]}, [(6, 3, 12, 13), (6, 1, 1100)]),
    **{name: (small, [(3, 1, 512), (69, 1, 96), (4, 55, 100), (2, 3, 1)]) for name, small in SMALL.items()},
}


def spec_of(shape: tuple[int, ...]) -> Spec:
    modality = "image" if len(shape) == 3 else "audio" if shape == (1, 1100) else "series"
    return Spec(modality, shape, None if modality == "series" else (-1.0, 1.0))


def method(name: str, shape: tuple[int, ...], params: dict[str, Any], features: str | None = None) -> Any:
    known = registry.find_method(name)
    params = known.defaults | params | known.overrides
    features = features if "features" in known.needs else None
    return build(registry.load_method(known.base), spec_of(shape), 0, "cpu", params, features)


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize(("name", "shape"), [(name, shape) for name, (_, shapes) in SHAPES.items() for shape in shapes])
def test_every_shape_is_scored(name: str, shape: tuple[int, ...], constant: bool, f: str) -> None:
    X = np.full(shape, 0.5, np.float32) if constant else uniform(*shape)
    fitted = method(name, shape[1:], SHAPES[name][0], f)
    fitted.fit(X, None)
    score(fitted, X, spec_of(shape[1:]))  # raises where a number is not finite or a shape is wrong


@pytest.mark.parametrize(
    ("name", "params", "period", "least"),
    [
        ("vae", {"steps": 200, "width": 16, "latent": 4}, 11.0, 0.95),
        ("deep_ae", {"steps": 150, "width": 16}, 11.0, 0.9),
        ("deep_svdd", {"steps": 200, "width": 16, "latent": 4}, 7.0, 0.95),
        ("ganomaly", {"steps": 150, "width": 16}, 6.0, 0.8),
        ("transformer_ad", SMALL["transformer_ad"] | {"steps": 150, "width": 8, "lr": 2e-3}, 11.0, 0.9),
    ],
)
def test_training_finds_a_wave_of_another_period(
    name: str, params: dict[str, Any], period: float, least: float
) -> None:
    rng = np.random.default_rng(0)

    def waves(n: int, period: float) -> np.ndarray:
        phase = rng.uniform(0, 2 * np.pi, (n, 1, 1))
        clean = np.sin(2 * np.pi * np.arange(32) / period + phase)
        return (clean + 0.05 * rng.standard_normal(clean.shape)).astype(np.float32)

    train, test = waves(200, 16.0), np.concatenate([waves(30, 16.0), waves(30, period)])
    fitted = method(name, (1, 32), params | {"batch_size": 16})
    fitted.fit(train, None)
    assert roc_auc_score(np.repeat([0, 1], 30), fitted.decision_function(test)) > least


@pytest.mark.parametrize(
    ("name", "params", "least"),
    [
        ("ddpm", DIFFUSION | {"steps": 80, "batch_size": 8, "width": 16, "lr": 3e-3, "calls": 5}, 0.7),
        ("vae", {"steps": 150, "batch_size": 16, "width": 16, "latent": 16}, 0.6),
    ],
)
def test_a_short_training_finds_grass_on_bricks(name: str, params: dict[str, Any], least: float) -> None:
    """Real texture: bricks are normal; half of the test bricks carry a patch of grass."""
    rng = np.random.default_rng(0)
    brick, grass = (p[::4, ::4].astype(np.float32) / 127.5 - 1 for p in (data.brick(), data.grass()))  # 128 x 128
    size, patch = 16, 7

    def crops(rows: int, n: int) -> np.ndarray:
        corners = zip(rng.integers(rows, rows + 64 - size, n), rng.integers(0, 128 - size, n), strict=True)
        return np.stack([brick[None, y : y + size, x : x + size] for y, x in corners])

    train, test = crops(0, 64), crops(64, 40)
    masks = np.zeros((40, size, size), dtype=bool)
    for i in range(20):
        y, x = rng.integers(0, size - patch, 2)
        test[i, 0, y : y + patch, x : x + patch] = grass[40 : 40 + patch, 3 * i : 3 * i + patch]
        masks[i, y : y + patch, x : x + patch] = True
    fitted = method(name, (1, size, size), params)
    fitted.fit(train, None)
    scores, maps = fitted.detect(test)
    assert roc_auc_score(masks.any(axis=(1, 2)), scores) > least
    if name == "ddpm":
        assert roc_auc_score(masks.ravel(), maps.ravel()) > least - 0.1
