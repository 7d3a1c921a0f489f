"""AUPRO against its definition, threshold by threshold and region by region."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anomark_metrics.aupro import aupro
from tests import metric_references as reference


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.3, 1.0]), st.sampled_from(["distinct", "tied", "constant"]))
def test_aupro_is_the_area_below_the_curve(seed: int, limit: float, kind: str) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 8, 3))
    masks = rng.random(shape) < rng.choice([0.1, 0.4])
    maps = rng.normal(size=shape) + masks * rng.choice([0, 1, 9, -9])
    maps = {"distinct": maps, "tied": np.round(maps), "constant": np.zeros(shape)}[kind].astype(np.float32)
    if masks.all() or not masks.any():
        assert np.isnan(aupro(masks, maps, limit))
    else:
        np.testing.assert_allclose(aupro(masks, maps, limit), reference.aupro(masks, maps, limit), atol=1e-9)


def test_known_values() -> None:
    masks = np.zeros((2, 8, 8), bool)
    masks[0, :2, :2] = masks[1, 5, 5] = True
    np.testing.assert_allclose(aupro(masks, masks.astype(float)), 1)
    np.testing.assert_allclose(aupro(masks, -masks.astype(float)), 0)
    np.testing.assert_allclose(aupro(masks, np.zeros(masks.shape)), 0.15)  # a diagonal from (0, 0) to (1, 1)
    small = np.zeros(masks.shape)
    small[1, 5, 5] = 1  # one of two regions found, though the other has four of the five pixels
    assert aupro(masks, small) > 0.5


def test_regions_touch_at_corners_and_end_with_the_image() -> None:
    masks = np.zeros((2, 6, 6), bool)
    masks[0, 1, 1] = masks[0, 2, 2] = True
    masks[1, 2, 2] = True
    found = np.zeros(masks.shape)
    found[1] = masks[1]
    found -= np.arange(found.size).reshape(found.shape) * 1e-9 + masks * (1 - found)
    np.testing.assert_allclose(aupro(masks, found), 0.5)
