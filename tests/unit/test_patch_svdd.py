import importlib
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from anomark.contracts import Spec
from tests.samples import uniform

svdd = importlib.import_module("anomark_methods.patch_svdd")
SMALL = {"steps": 2, "batch_size": 4, "width": 8, "latent": 8, "pairs": 2}


def method(shape: tuple[int, ...], seed: int = 0, **params: Any) -> Any:
    return svdd.Method(Spec("image", shape, (-1.0, 1.0)), seed, "cpu", **{**SMALL, **params})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("side", "size"), [(4, (8, 8)), (2, (8, 11)), (8, (32, 40)), (32, (256, 256)), (64, (256, 256))]
)
def test_the_label_says_where_the_neighbour_lies(side: int, size: tuple[int, int]) -> None:
    first, second, label = svdd.position_pairs(4000, size, side, generator())
    difference = second - first
    assert torch.equal(difference.sign(), torch.tensor(svdd.DIRECTIONS)[label])
    away = difference.abs()[difference != 0]
    assert away.min() == 3 * side // 4 and away.max() == 3 * side // 4 + max(1, side // 4) - 1
    for corners in (first, second):
        assert corners.min() >= 0 and (corners.amax(0) <= torch.tensor(size) - side).all()


def test_all_positions_and_neighbours_occur_alike() -> None:
    first, _, label = svdd.position_pairs(8000, (32, 32), 4, generator())
    counts = torch.bincount(label, minlength=8)
    assert counts.min() > 850 and counts.max() < 1150  # 1000 +- 5 deviations
    assert len(first.unique(dim=0)) > 700  # of 29 x 29 corners


def test_an_image_too_small_for_neighbours_is_refused() -> None:
    with pytest.raises(ValueError, match="need an image of 16 pixels"):
        svdd.position_pairs(1, (15, 20), 8, generator())
    assert "7 pixels" in method((1, 8, 8)).skip(Spec("image", (1, 7, 7)))


def test_near_patches_are_near_and_inside() -> None:
    corners = torch.tensor([[0, 0], [24, 24], [10, 3]]).repeat(200, 1)
    for side in (8, 4):
        moved = svdd.jitter(corners, (32, 32), side, generator())
        assert (moved - corners).abs().max() == 1 and moved.min() >= 0 and moved.max() <= 32 - side


def test_cut_takes_the_patch_at_its_corner() -> None:
    images, corners = torch.from_numpy(uniform(3, 2, 9, 11)), torch.tensor([[0, 0], [4, 7], [2, 3]])
    for patch, image, (y, x) in zip(svdd.cut(images, corners, 4), images, corners.tolist(), strict=True):
        assert torch.equal(patch, image[:, y : y + 4, x : x + 4])


@pytest.mark.parametrize("small", [1, 2, 3, 4, 8, 16, 32])
def test_a_large_patch_is_seen_through_its_quarters(small: int) -> None:
    encoder = svdd.Encoder(3, small, width=8, latent=6)
    large = torch.from_numpy(uniform(5, 3, 2 * small, 2 * small))
    code = encoder(large)
    assert code.shape == (5, 6) and encoder(large[:, :, :small, :small]).shape == (5, 6)
    grid = torch.zeros(5, 6, 2, 2)
    for i, j in np.ndindex(2, 2):
        quarter = large[:, :, i * small : (i + 1) * small, j * small : (j + 1) * small]
        grid[:, :, i, j] = encoder(quarter)
    torch.testing.assert_close(encoder.large(grid).flatten(1), code)


def test_the_loss_is_that_of_equation_5() -> None:
    """SSL alone at lambda 0; each unit of lambda adds the mean distance of near patches."""
    losses = list[float]()
    for weight in (0.0, 1.0, 3.0):
        model = method((1, 16, 16), svdd_weight=weight)
        loss = model._loss(torch.from_numpy(uniform(4, 1, 16, 16)), 2, model.classifiers[0], generator())
        losses.append(loss.item())
    assert losses[0] == pytest.approx(np.log(8), abs=0.2)  # an untrained classifier knows nothing
    assert losses[2] - losses[0] == pytest.approx(3 * (losses[1] - losses[0]), rel=1e-4) and losses[1] > losses[0]


def test_the_map_is_the_product_of_mean_nearest_distances() -> None:
    """Written out pixel by pixel from the definition in section 3.4."""
    X, test = uniform(6, 1, 16, 16), uniform(2, 1, 16, 16, seed=1)
    model = method((1, 16, 16)).fit(X, None)
    expected = np.ones((2, 16, 16))
    for side in model.sides:
        corners = model._grid((16, 16), side)

        def codes(image: np.ndarray, side: int = side, corners: Any = corners) -> np.ndarray:
            patches = np.stack([image[:, y : y + side, x : x + side] for y, x in corners])
            with torch.no_grad():
                return model.encoder(torch.from_numpy(patches)).double().numpy()

        bank = np.concatenate([codes(image) for image in X])
        for i, image in enumerate(test):
            nearest = cdist(codes(image), bank).min(1)
            for y, x in np.ndindex(16, 16):
                covers = [y0 <= y < y0 + side and x0 <= x < x0 + side for y0, x0 in corners]
                expected[i, y, x] *= nearest[covers].mean()
    scores, maps = model.detect(test)
    np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-7)
    np.testing.assert_array_equal(scores, maps.max((1, 2)))


def test_training_finds_a_foreign_patch() -> None:
    rng = np.random.default_rng(0)
    stripes = 0.6 * np.sin(np.arange(32) * 1.5)[None, None, None, :]
    X, test = (np.float32(stripes + 0.2 * rng.normal(size=(n, 1, 32, 32))) for n in (30, 40))
    test[:20, :, 8:16, 8:16] = test[:20, :, 8:16, 8:16].swapaxes(2, 3)
    scores, maps = method((1, 32, 32), steps=40, batch_size=8, width=16, pairs=8).fit(X, None).detect(test)
    assert roc_auc_score(np.repeat([1, 0], 20), scores) > 0.95
    y, x = np.unravel_index(maps[:20].mean(0).argmax(), (32, 32))
    assert 8 <= y < 16 and 8 <= x < 16
