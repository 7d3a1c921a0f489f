"""Digits: handwritten digits that ship with scikit-learn. One digit is normal, the nine others are anomalous."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from anomark.contracts import Array, Prepared
from anomark.data.training_set import describe, first_share

NAME = "Optical recognition of handwritten digits"
LABEL = "Digits"
MODALITY = "image"
LEVEL = "image"
LICENCE = "CC BY 4.0"
SOURCE = ""
CITATION = "Alpaydin, Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998"
ITEMS = {
    "0": {"normal": 0},
    "1": {"normal": 1},
    "2": {"normal": 2},
    "3": {"normal": 3},
    "4": {"normal": 4},
    "5": {"normal": 5},
    "6": {"normal": 6},
    "7": {"normal": 7},
    "8": {"normal": 8},
    "9": {"normal": 9},
}
DEFAULTS = {"size": 32, "train_share": 1.0, "contamination": 0.0}

TRAIN_SHARE = 0.6
ANOMALIES = 8  # test images of each other digit


def prepare(raw: Path, *, item: str, normal: int, size: int, train_share: float, contamination: float) -> Prepared:
    """Images (N, 1, size, size) in [-1, 1], interpolated from 8x8 pixels; `raw` is not used.

    The file lists one writer after the other, so the first part trains and the rest tests: few writers are in both.
    Contamination replaces images by other digits of the first part, none of which is tested.
    """
    digits = load_digits()
    is_train = np.arange(len(digits.target)) < TRAIN_SHARE * len(digits.target)
    train = np.flatnonzero(is_train & (digits.target == normal))
    train = np.sort(train[first_share(len(train), train_share, dataset="digits", item=item, purpose="size")])
    foreign = np.flatnonzero(is_train & (digits.target != normal))
    foreign = foreign[first_share(len(foreign), 1.0, dataset="digits", item=item, purpose="anomalies")]
    replaced = first_share(len(train), contamination, dataset="digits", item=item, purpose="contamination")
    train[replaced] = foreign[: len(replaced)]
    good = np.flatnonzero(~is_train & (digits.target == normal))
    others = [
        np.flatnonzero(~is_train & (digits.target == digit))[:ANOMALIES] for digit in range(10) if digit != normal
    ]
    bad = np.concatenate(others)
    return Prepared(
        train=_enlarge(digits.images[train], size),
        test=_enlarge(digits.images[np.concatenate([good, bad])], size),
        labels=np.repeat(np.array([0, 1], dtype=np.uint8), [len(good), len(bad)]),
        value_range=(-1.0, 1.0),
        normal_class=str(normal),
        choices=(
            "train = the first 60% of the file, test = the rest, by order of writers",
            f"the first {ANOMALIES} test images of each other digit",
            f"8x8 pixels interpolated to {size}x{size}",
            *describe(train_share, contamination),
        ),
    )


def _enlarge(images: Array, size: int) -> Array:
    """(N, 8, 8) with levels 0-16 to float32 (N, 1, size, size) in [-1, 1]."""
    levels = images.astype(np.float32) / 8 - 1
    resized = [np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)) for image in levels]
    return np.stack(resized)[:, None]
