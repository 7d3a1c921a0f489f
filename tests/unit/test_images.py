"""Images reduced for the methods, maps enlarged for the masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomark.contracts import AnomarkError, Spec
from anomark.data.images import enlarge_maps, reduce_images
from anomark.records import Meta
from anomark.runtime import fit_score
from anomark.runtime.fit_score import score


def test_a_reduced_pixel_is_the_mean_of_the_area_it_covers() -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (2, 3, 32, 32)).astype(np.float32)
    means = images.reshape(2, 3, 8, 4, 8, 4).mean((3, 5))
    np.testing.assert_allclose(reduce_images(images, 8), means, atol=1e-6)


@pytest.mark.parametrize("side", [None, 32, 48])
def test_images_are_never_enlarged(side: int | None) -> None:
    images = np.zeros((2, 3, 32, 32), np.float32)
    assert reduce_images(images, side) is images


def test_windows_have_no_resolution() -> None:
    windows = np.zeros((2, 3, 100), np.float32)
    assert reduce_images(windows, 16) is windows


def test_an_enlarged_map_keeps_its_values_and_its_place() -> None:
    maps = np.zeros((1, 4, 4), np.float32)
    maps[0, 1, 2] = 1.0
    large = enlarge_maps(maps, (32, 32))
    assert large.shape == (1, 32, 32) and large.min() >= 0 and large.max() <= 1
    top, left = np.unravel_index(large[0].argmax(), (32, 32))
    assert 8 <= top < 16 and 16 <= left < 24
    np.testing.assert_allclose(enlarge_maps(np.full((1, 3, 3), 0.7, np.float32), (10, 10)), 0.7, rtol=1e-6)


def test_a_method_is_told_the_shape_that_it_is_given(tmp_path: Path) -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (6, 3, 32, 32)).astype(np.float32)
    for part in ("train", "test"):
        np.save(tmp_path / f"{part}.npy", images)
    meta = Meta(dataset="mine", modality="image", level="image", shape=(3, 32, 32), value_range=(-1, 1), valid=(5,))
    meta = meta.model_copy(update={"fit": (0, 1, 2, 3, 4)})
    for resolution, side in ((16, 16), (None, 32), (64, 32)):
        spec = fit_score.spec_of(meta, resolution)
        X, X_valid = fit_score.training_data(tmp_path, meta, True, resolution)
        assert spec.shape == X.shape[1:] == X_valid.shape[1:] and spec.shape == (3, side, side)
        assert fit_score.test_data(tmp_path, meta, resolution).shape == (6, 3, side, side)


def test_rows_of_a_table_keep_their_precision_for_those_who_ask(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(6, 3))
    for part in ("train", "test"):
        np.save(tmp_path / f"{part}.npy", rows)
    meta = Meta(dataset="mine", modality="tabular", level="row", shape=(3,))
    for exact, expected in ((False, rows.astype(np.float32)), (True, rows)):
        X, _ = fit_score.training_data(tmp_path, meta, False, exact=exact)
        for found in (X, fit_score.test_data(tmp_path, meta, exact=exact)):
            assert found.dtype == expected.dtype and np.array_equal(found, expected)


class _Maps:
    def __init__(self, side: int) -> None:
        self.side = side

    def detect(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(len(X)), np.zeros((len(X), self.side, self.side))


def test_a_map_may_be_coarser_than_the_image_and_not_finer() -> None:
    spec, X = Spec("image", (3, 16, 16)), np.zeros((2, 3, 16, 16), np.float32)
    assert score(_Maps(4), X, spec)[1].shape == (2, 4, 4)  # type: ignore[union-attr]
    with pytest.raises(AnomarkError, match=r"expected \(2, 16, 16\)"):
        score(_Maps(32), X, spec)
