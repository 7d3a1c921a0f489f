"""Textures: crops of photographs of brick, grass and gravel that ship with scikit-image. Defects are drawn into them.

The mask of a defect is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image
from scipy.ndimage import gaussian_filter

from anomark.contracts import Array, Prepared
from anomark.data.images import resize_image, resize_mask
from anomark.data.training_set import describe, first_share
from anomark.seeds import seed_of

NAME = "Textures with drawn defects"
LABEL = "Textures"
MODALITY = "image"
LEVEL = "image"
LICENCE = "CC0"
SOURCE = ""
CITATION = "van der Walt et al.: scikit-image, PeerJ 2:e453, 2014"
#: `stream` numbers the random stream of an item, and `foreign` is the photograph that its patches are swapped with.
#: Each item says its own, so that an item that is added changes nothing of the others.
ITEMS: dict[str, dict] = {
    "brick": {"stream": 0, "foreign": "grass"},
    "grass": {"stream": 1, "foreign": "gravel"},
    "gravel": {"stream": 2, "foreign": "brick"},
}
DEFAULTS = {"size": 32, "seed": 0, "train_share": 1.0, "contamination": 0.0}

CROP = 64  # pixels of the photograph, before resizing
BLOCKS = 5  # the photograph is cut into 5 x 5 blocks; a crop never leaves its block
TRAIN_CROPS, GOOD_CROPS, DEFECT_CROPS = 11, 4, 6  # per block


def prepare(
    raw: Path,
    *,
    item: str,
    stream: int,
    foreign: str,
    size: int,
    seed: int,
    train_share: float,
    contamination: float,
) -> Prepared:
    """Crops (N, 3, size, size) in [-1, 1]: 15 blocks of the photograph for training, the other 10 for testing.

    Blocks are the groups, so held-out normals come from regions of their own too. `raw` is not used.
    Contamination draws defects into training crops, so no crop of a test block is among them.
    """
    photo, other = _photograph(item), _photograph(foreign)
    rng = np.random.default_rng([seed, stream])
    train, good, bad = list[Array](), list[Array](), list[Array]()
    masks = list[Array]()
    train_groups, good_groups, bad_groups = list[int](), list[int](), list[int]()
    kinds = list(DEFECTS)
    for block in range(BLOCKS**2):
        row, column = divmod(block, BLOCKS)
        if (column - 2 * row) % BLOCKS not in (0, 2):  # two test blocks in every row and column
            train += [_crop(photo, row, column, rng) for _ in range(TRAIN_CROPS)]
            train_groups += [block] * TRAIN_CROPS
            continue
        good += [_crop(photo, row, column, rng) for _ in range(GOOD_CROPS)]
        good_groups += [block] * GOOD_CROPS
        for _ in range(DEFECT_CROPS):
            draw = DEFECTS[kinds[len(bad) % len(kinds)]]
            defective, mask = draw(_crop(photo, row, column, rng), other, rng)
            bad.append(defective)
            masks.append(resize_mask(mask, size))
        bad_groups += [block] * DEFECT_CROPS
    kept = np.sort(first_share(len(train), train_share, dataset="textures", item=item, seed=seed, purpose="size"))
    axes: dict[str, str | int] = {"dataset": "textures", "item": item, "seed": seed, "purpose": "contamination"}
    rng = np.random.default_rng(seed_of(**axes, part="defects"))
    for index, row in enumerate(kept[first_share(len(kept), contamination, **axes)]):
        train[row], _ = DEFECTS[kinds[index % len(kinds)]](train[row], other, rng)
    return Prepared(
        train=np.stack([_finish(train[row], size) for row in kept]),
        test=np.stack([_finish(crop, size) for crop in good + bad]),
        labels=np.repeat(np.array([0, 1], dtype=np.uint8), [len(good), len(bad)]),
        masks=np.concatenate([np.zeros((len(good), size, size), dtype=bool), np.stack(masks)]),
        train_groups=np.array(train_groups)[kept],
        test_groups=np.array(good_groups + bad_groups),
        value_range=(-1.0, 1.0),
        normal_class="undisturbed texture",
        choices=(
            f"crops of {CROP} pixels from disjoint blocks, resized by area to {size}x{size}",
            "a mask pixel is anomalous where any part of it is",
            f"defects: {', '.join(kinds)}",
            *describe(train_share, contamination),
        ),
    )


def _photograph(item: str) -> Array:
    """float64 (H, W, 3) in [0, 255]; the photographs are grey."""
    return np.repeat(getattr(skimage.data, item)().astype(np.float64)[:, :, None], 3, axis=2)


def _crop(photo: Array, row: int, column: int, rng: np.random.Generator) -> Array:
    side = len(photo) // BLOCKS
    top, left = np.array([row, column]) * side + rng.integers(0, side - CROP + 1, size=2)
    return photo[top : top + CROP, left : left + CROP].copy()


def _finish(crop: Array, size: int) -> Array:
    return resize_image(Image.fromarray(np.clip(np.rint(crop), 0, 255).astype(np.uint8)), size)


# Defects. Each takes a crop (64, 64, 3), another photograph and a generator, and returns the crop changed inside the
# mask and nowhere else, and the mask (64, 64). Generators of synthetic anomalies for model selection live elsewhere
# and share nothing with these.


def _ellipse(rng: np.random.Generator, low: float, high: float) -> Array:
    """A filled, rotated ellipse with semi-axes between `low` and `high` pixels, inside the crop."""
    semi = rng.uniform(low, high, size=2)
    centre = rng.uniform(semi.max() + 1, CROP - semi.max() - 1, size=2)
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[:CROP, :CROP] - centre[:, None, None]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return (along / semi[0]) ** 2 + (across / semi[1]) ** 2 <= 1


def _sign(rng: np.random.Generator) -> float:
    return float(rng.choice([-1.0, 1.0]))


def scratch(crop: Array, foreign: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """A thin, slightly bent, bright or dark line."""
    angle, length, bend = rng.uniform(0, np.pi), rng.uniform(25, 50), rng.uniform(-6, 6)
    s = np.linspace(-1, 1, 200)
    direction = np.array([np.sin(angle), np.cos(angle)])
    line = rng.uniform(24, CROP - 24, size=2) + np.outer(s * length / 2, direction)
    line += np.outer(bend * (1 - s**2), [direction[1], -direction[0]])
    points = np.mgrid[:CROP, :CROP].reshape(2, -1).T
    distance = np.sqrt(((points[:, None] - line[None]) ** 2).sum(axis=2)).min(axis=1)
    mask = (distance <= rng.uniform(0.8, 1.6)).reshape(CROP, CROP)
    crop[mask] += _sign(rng) * rng.uniform(60, 110)
    return crop, mask


def blob(crop: Array, foreign: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """A stain: an ellipse that is darker or brighter."""
    mask = _ellipse(rng, 5, 11)
    crop[mask] *= 1 + _sign(rng) * rng.uniform(0.3, 0.5)
    return crop, mask


def patch_swap(crop: Array, foreign: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """A rectangle of another photograph, its mean brightness matched."""
    height, width = rng.integers(12, 25, size=2)
    top, left = rng.integers(0, CROP - height + 1), rng.integers(0, CROP - width + 1)
    y, x = rng.integers(0, len(foreign) - height + 1), rng.integers(0, len(foreign) - width + 1)
    place = np.s_[top : top + height, left : left + width]
    patch = foreign[y : y + height, x : x + width]
    crop[place] = patch - patch.mean() + crop[place].mean()
    mask = np.zeros((CROP, CROP), dtype=bool)
    mask[place] = True
    return crop, mask


def missing_texture(crop: Array, foreign: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """An ellipse where the fine structure is gone and only its local mean is left."""
    mask = _ellipse(rng, 8, 15)
    smooth = gaussian_filter(crop, sigma=(6, 6, 0), mode="reflect")
    crop[mask] = smooth[mask]
    return crop, mask


def colour_shift(crop: Array, foreign: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """An ellipse with a tint: one channel up, another down."""
    mask = _ellipse(rng, 6, 14)
    tint = rng.permutation([1.0, -1.0, 0.0]) * rng.uniform(20, 45)
    crop[mask] += tint
    return crop, mask


DEFECTS: dict[str, Callable[[Array, Array, np.random.Generator], tuple[Array, Array]]] = {
    "scratch": scratch,
    "blob": blob,
    "patch_swap": patch_swap,
    "missing_texture": missing_texture,
    "colour_shift": colour_shift,
}
