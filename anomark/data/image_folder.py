"""Images in the layout of MVTec AD, whoever took them: train/good, test/good, test/<kind>, ground_truth/<kind>.

The mask of test/<kind>/<stem>.png is ground_truth/<kind>/<stem>_mask.png.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from anomark.contracts import Array, DataError, Prepared
from anomark.data.images import resize_image, resize_mask

SUFFIXES = {".png", ".jpg", ".jpeg"}
#: Pixel formats that are read as they are. Palettes, transparency and 16 bits would need a choice that only the
#: owner of the images can make.
IMAGE_MODES, MASK_MODES = {"L", "RGB"}, {"1", "L"}
PARTS = ("training", "good test", "defective test")


def prepare_images(
    root: Path, files: list[Path], size: int, owners_counts: tuple[int, int, int] | None = None
) -> Prepared:
    """Images to train on from train/good, and to test on from every folder of test/, RGB at `size` x `size` pixels.

    Masks are given where every defective image has one. Otherwise the dataset has none, and its notes say so.

    Args:
        root: the folder that holds train/ and test/.
        files: what lies below it.
        owners_counts: how many training, good and defective images the whole dataset has, where that is known.

    Raises:
        DataError: files are missing or broken, or the test part holds one class only.
    """
    files = [path for path in files if path.suffix.lower() in SUFFIXES]
    train_files = _images(files, root / "train" / "good")
    good_files = _images(files, root / "test" / "good")
    kinds = sorted({path.parent for path in files if path.parent.parent == root / "test"} - {root / "test" / "good"})
    defect_files = [path for kind in kinds for path in _images(files, kind)]
    found = (len(train_files), len(good_files), len(defect_files))
    for number, what, folder in zip(found, PARTS, ("train/good", "test/good", "test"), strict=True):
        if not number:
            raise DataError(f"{root}: no {what} image under {folder}, so the score has one class only; complete it")
    if spoilt := sorted({p.parent for p in files if p.parent.parent == root / "train"} - {root / "train" / "good"}):
        raise DataError(
            f"{spoilt[0]}: training images that are not good; "
            "train/ holds the folder good alone, so move the others to test/"
        )

    mask_files = {(path.parent.name, path.stem): path for path in files if path.parent.parent == root / "ground_truth"}
    wanted = [(path.parent.name, f"{path.stem}_mask") for path in defect_files]
    masked = sum(key in mask_files for key in wanted)
    notes = [f"{found[0]} training, {found[1]} good and {found[2]} defective test images, {masked} masks"]
    notes += [
        f"partial: {have} of {full} {what} images"
        for have, full, what in zip(found, owners_counts or found, PARTS, strict=True)
        if have != full
    ]
    masks = None
    if masked == len(wanted):
        defects = [_mask(mask_files[key], path, size) for key, path in zip(wanted, defect_files, strict=True)]
        masks = np.concatenate([np.zeros((len(good_files), size, size), dtype=bool), np.stack(defects)])
    else:
        notes.append(f"image-level figures only: {masked} of {len(wanted)} defective images have a mask")
    return Prepared(
        train=np.stack([resize_image(_open(path), size) for path in train_files]),
        test=np.stack([resize_image(_open(path), size) for path in good_files + defect_files]),
        labels=np.repeat(np.array([0, 1], dtype=np.uint8), [len(good_files), len(defect_files)]),
        masks=masks,
        value_range=(-1.0, 1.0),
        normal_class="good",
        choices=(f"resized by area to {size}x{size}", "a mask pixel is anomalous where any part of it is"),
        notes=tuple(notes),
    )


def _images(files: list[Path], folder: Path) -> list[Path]:
    """Image files of one folder in the order of their stems, which must be unique."""
    images = sorted(path for path in files if path.parent == folder)
    twice = [stem for stem, count in Counter(path.stem for path in images).items() if count > 1]
    if twice:
        names = ", ".join(path.name for path in images if path.stem == twice[0])
        raise DataError(f"{folder}: two files hold image {twice[0]} ({names}); keep one of them")
    return images


def _open(path: Path, modes: set[str] = IMAGE_MODES) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: not a readable image ({error}); replace it by a whole copy, or remove it") from error
    if image.mode not in modes:
        raise DataError(
            f"{path}: pixel format {image.mode}, expected {' or '.join(sorted(modes))} (8 bits); convert it"
        )
    return image


def _mask(path: Path, image_path: Path, size: int) -> Array:
    mask, image = _open(path, MASK_MODES), _open(image_path)
    if mask.size != image.size:
        raise DataError(
            f"{path}: mask of {mask.width}x{mask.height} pixels for an image of {image.width}x{image.height} "
            f"({image_path.name}); give both one size"
        )
    marked = np.asarray(mask.convert("L")) > 127  # the masks of owners hold 0 and 255
    if not marked.any():
        raise DataError(
            f"{path}: the mask of a defective image marks no pixel; "
            "mark the defect, or replace the file by a whole copy"
        )
    return resize_mask(marked, size)
