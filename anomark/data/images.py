"""Photographs, masks and anomaly maps, brought to the size that is asked for."""

from __future__ import annotations

import numpy as np
from PIL import Image

from anomark.contracts import Array


def resize_image(image: Image.Image, size: int) -> Array:
    """An RGB image as float32 (3, size, size) in [-1, 1]; each pixel is the mean of the area that it covers."""
    pixels = np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BOX), dtype=np.float32)
    return pixels.transpose(2, 0, 1) / 127.5 - 1


def resize_mask(mask: Array, size: int) -> Array:
    """A mask as bool (size, size): a pixel is anomalous where any part of the area that it covers is.

    Thin scratches keep a pixel of their own this way; a mean with a threshold would erase them.
    """
    coverage = Image.fromarray(np.asarray(mask, dtype=np.float32)).resize((size, size), Image.Resampling.BOX)
    return np.asarray(coverage) > 0


def reduce_images(images: Array, side: int | None) -> Array:
    """Images (N, C, H, W) as float32, reduced to `side` where they are larger; pixels are means of what they cover."""
    if side is None or images.ndim != 4 or max(images.shape[2:]) <= side:
        return images
    return _resize(images, (min(side, images.shape[2]), min(side, images.shape[3])), Image.Resampling.BOX)


def enlarge_maps(maps: Array, size: tuple[int, int]) -> Array:
    """Anomaly maps (N, h, w) as float32, enlarged bilinearly to the size (H, W) of the images that they belong to."""
    return maps if maps.shape[1:] == size else _resize(maps, size, Image.Resampling.BILINEAR)


def _resize(planes: Array, size: tuple[int, int], method: Image.Resampling) -> Array:
    """float32 (..., h, w) to (..., H, W)."""
    height, width = size
    flat = np.ascontiguousarray(planes, dtype=np.float32).reshape(-1, *planes.shape[-2:])
    resized = [np.asarray(Image.fromarray(plane).resize((width, height), method)) for plane in flat]
    return np.stack(resized).reshape(*planes.shape[:-2], height, width)
