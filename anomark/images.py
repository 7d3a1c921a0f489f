"""Photographs and masks, brought to the size a suite asks for."""

from __future__ import annotations

import numpy as np
from PIL import Image

from anomark.contracts import Array


def resize_image(image: Image.Image, size: int) -> Array:
    """float32 (3, size, size) in [-1, 1]: RGB, each pixel the mean of the area it covers."""
    pixels = np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BOX), dtype=np.float32)
    return pixels.transpose(2, 0, 1) / 127.5 - 1


def resize_mask(mask: Array, size: int) -> Array:
    """bool (size, size): a pixel is anomalous where any part of the area it covers is.

    Thin scratches keep a pixel of their own this way; a mean with a threshold would erase them.
    """
    coverage = Image.fromarray(np.asarray(mask, dtype=np.float32)).resize((size, size), Image.Resampling.BOX)
    return np.asarray(coverage) > 0
