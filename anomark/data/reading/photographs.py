"""Reads whatever Pillow opens as a photograph or as a mask, by rules that a dataset's notes can tell."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from anomark.contracts import Array, DataError

#: What Pillow opens by itself; others of its formats are documents, data cubes, or need another program.
FORMATS = frozenset(
    "AVIF BMP DDS DIB GIF ICNS ICO JPEG JPEG2000 MPO PCX PNG PPM QOI SGI TGA TIFF WEBP XBM XPM".split(" ")  # noqa: SIM905
)
#: Largest value of 16 bits, and what 0 to 255 is reached by.
DEEPEST, DEEP_STEP = 65535, 257


def suffixes() -> frozenset[str]:
    """The endings of files that are taken for images."""
    Image.init()
    return frozenset(ending for ending, kind in Image.registered_extensions().items() if kind in FORMATS)


@dataclass
class Reader:
    """Opens photographs as RGB, and counts what had to be decided for it.

    Turned as EXIF says. Palettes, CMYK and the like are converted as Pillow does. Two-valued and grey images get three
    equal channels, and 16 bits are divided by 257. Transparency is dropped, and colours below it are kept.
    """

    converted: Counter[str] = field(default_factory=Counter)
    transparent: int = 0
    turned: int = 0
    #: Width and height of what was opened, as it is shown.
    sizes: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def photograph(self, path: Path) -> Image.Image:
        """The image as RGB.

        Raises:
            DataError: the file is broken, holds several pictures, or values without an agreed range.
        """
        image = _open(path)
        upright = ImageOps.exif_transpose(image)
        self.sizes[path] = upright.size
        self.turned += upright.size != image.size or image.getexif().get(0x0112, 1) != 1
        if upright.mode in ("RGB", "L"):
            return upright.convert("RGB")
        self.converted[upright.mode] += 1
        if upright.mode.startswith("I"):
            return _of_16_bits(path, upright)
        if upright.mode == "F":
            raise DataError(f"{path}: holds 32-bit fractions, whose range nobody knows; store it with 8 or 16 bits")
        if "A" in upright.mode or "transparency" in upright.info:
            upright = upright.convert("RGBA")
            self.transparent += bool((np.asarray(upright.getchannel("A")) < 255).any())
        return upright.convert("RGB")

    def notes(self) -> list[str]:
        """What was decided, in short sentences for a dataset's notes."""
        notes = []
        if self.converted:
            modes = ", ".join(f"{count} of {mode}" for mode, count in sorted(self.converted.items()))
            notes.append(f"converted to RGB: {modes}")
        if self.transparent:
            notes.append(f"transparency of {self.transparent} images dropped, colours below it kept")
        if self.turned:
            notes.append(f"{self.turned} images turned as their EXIF says")
        return notes


def _of_16_bits(path: Path, image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > DEEPEST:
        raise DataError(
            f"{path}: holds values from {values.min()} to {values.max()}, expected 0 to {DEEPEST} (16 bits); "
            "store it with 8 or 16 bits"
        )
    return Image.fromarray(np.rint(values / DEEP_STEP).astype(np.uint8)).convert("RGB")


def mask(path: Path) -> Array:
    """A mask as bool (H, W): what is not 0 is marked, in a palette without black what is not its first colour.

    A JPEG's zeros are blurred by its compression, so there it is what lies above half of the largest value.

    Raises:
        DataError: the file is broken, or marks nothing.
    """
    image = ImageOps.exif_transpose(stored := _open(path))
    if image.mode in ("RGBA", "LA", "La", "RGBa", "PA"):
        values = np.asarray(image.convert("RGBA"))
        # A mask may be drawn in the transparency alone, over one colour.
        plain = (values[..., :3] == values[0, 0, :3]).all()
        values = values[..., 3] if plain and values[..., 3].min() == 0 else values[..., :3]
    elif image.mode == "P":
        values = np.asarray(image.convert("RGB"))
        values = values if (values.max(axis=2) == 0).any() else np.asarray(image)
    else:
        values = np.asarray(image)
    if values.ndim == 3:
        values = values.max(axis=2)
    marked = values > values.max() / 2 if stored.format == "JPEG" else values != 0
    if not marked.any():
        raise DataError(
            f"{path}: the mask of a defective image marks no pixel; mark the defect, or move the image to the good ones"
        )
    return np.asarray(marked)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            count = getattr(image, "n_frames", 1)
            image.load()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: not a readable image ({error}); replace it by a whole copy, or remove it") from error
    if count > 1:
        raise DataError(f"{path}: holds {count} pictures, expected one; store each in a file of its own")
    return image
