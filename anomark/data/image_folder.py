"""Images in folders: train/good, test/good, test/<kind>, and masks in ground_truth/<kind>, as MVTec AD has them.

Folders may be nested. The mask of test/<kind>/<name>.png lies in ground_truth/<kind>/ under one of the usual names:
<name>_mask, <name>_gt, <name>-mask, or <name> itself, with any ending of an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from anomark.contracts import Array, DataError, Prepared
from anomark.data.images import resize_image, resize_mask
from anomark.data.reading.folders import MASK_FOLDERS, PARTS, laid_out
from anomark.data.reading.photographs import Reader, mask, suffixes

#: What the name of a mask adds to its image's.
MASK_ENDINGS = ("_mask", "", "_gt", "-mask", "_label", "_seg")


def prepare_images(
    root: Path,
    files: list[Path],
    size: int,
    owners_counts: tuple[int, int, int] | None = None,
    flat: tuple[str, str] | None = None,
) -> Prepared:
    """Images to train on from train/good, and to test on from every folder of test/, RGB at `size` x `size` pixels.

    Masks are given where every defective image has one. Otherwise the dataset has none, and its notes say so. Where the
    layout does not tell good test images from defective ones, there are no labels.

    Args:
        root: the folder that holds train/ and test/.
        files: what lies below it.
        owners_counts: how many training, good and defective images the whole dataset has, where that is known; such a
            dataset must have labels.
        flat: names of a folder of normal images and of one of suspects, which lie in `root` instead of train/ and
            test/. A seeded share of the normal images tests.

    Raises:
        DataError: files are missing or broken, or the test part holds one class only.
    """
    laid = laid_out(root, files, suffixes(), "photograph", flat, labelled=owners_counts is not None)
    good_files, defect_files, labels = laid.good, laid.defects, laid.labels
    found = laid.counts
    reader = Reader()
    defect_masks, notes = masks_of(root, laid.meant, defect_files) if labels is not None else ({}, [])
    masked = f", {len(defect_masks)} masks" if labels is not None else ""
    notes = [f"{laid.counted('photograph')}{masked}", *laid.told, *notes]
    notes += [
        f"partial: {have} of {full} {what} images"
        for have, full, what in zip(found, owners_counts or found, PARTS, strict=True)
        if have != full
    ]
    train, test = (
        np.stack([resize_image(reader.photograph(path), size) for path in paths]) for paths in (laid.train, laid.test)
    )
    masks = None
    if labels is not None and len(defect_masks) == len(defect_files):
        defects = [_mask(defect_masks[path], path, reader.sizes[path], size) for path in defect_files]
        masks = np.concatenate([np.zeros((len(good_files), size, size), dtype=bool), np.stack(defects)])
    return Prepared(
        train=train,
        test=test,
        labels=labels,
        masks=masks,
        names=laid.names(root),
        value_range=(-1.0, 1.0),
        normal_class="" if labels is None else flat[0] if flat else "good",
        choices=(
            f"resized by area to {size}x{size}",
            *(("a mask pixel is anomalous where any part of it is",) if labels is not None else ()),
        ),
        notes=(*notes, *laid.aside("photographs"), *reader.notes()),
    )


def masks_of(root: Path, files: list[Path], defects: list[Path]) -> tuple[Mapping[Path, Path], list[str]]:
    """The mask file of each defective image that has one, and what a reader must know where some have none."""
    by_name = {path.relative_to(root).with_suffix("").as_posix(): path for path in files}
    found: dict[Path, Path] = {}
    for path in defects:
        # test/<kind>/<name> stands beside ground_truth/<kind>/<name>, and a folder of suspects beside its masks.
        parts = path.relative_to(root).with_suffix("").parts
        inner = (PurePosixPath(*parts[1:]), PurePosixPath(*parts))
        names = (f"{folder}/{name}{ending}" for folder in MASK_FOLDERS for name in inner for ending in MASK_ENDINGS)
        if first := next((name for name in names if name in by_name), None):
            found[path] = by_name[first]
    missing = [path for path in defects if path not in found]
    if not missing:
        return found, []
    lone = missing[0]
    endings = ", ".join(f"{lone.stem}{ending}" for ending in MASK_ENDINGS)
    notes = [f"image-level figures only: {len(found)} of {len(defects)} defective images have a mask"]
    if any(name.partition("/")[0] in MASK_FOLDERS for name in by_name):
        notes.append(
            f"no mask was found for {lone.relative_to(root)}, under the names {endings} "
            f"in {', '.join(MASK_FOLDERS)}/{lone.parent.name}"
        )
    return found, notes


def _mask(path: Path, image_path: Path, image_size: tuple[int, int], size: int) -> Array:
    marked, (width, height) = mask(path), image_size
    if marked.shape != (height, width):
        raise DataError(
            f"{path}: mask of {marked.shape[1]}x{marked.shape[0]} pixels for an image of {width}x{height} "
            f"({image_path.name}); give both one size"
        )
    return resize_mask(marked, size)
