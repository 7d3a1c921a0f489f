"""Images. Each has one label and, where the dataset says so, a mask of its anomalous pixels."""

from __future__ import annotations

from collections.abc import Sequence

from anomark.contracts import Generator, Prepared

NOUN = "images"
LABEL = "Images"
ORDER = 1
LEVELS = {"image": 4}  # (N, C, H, W)
SAMPLES = (((3, 16, 16), (-1.0, 1.0)), ((1, 8, 8), (-1.0, 1.0)))
RESIZABLE = True
SCALOGRAM = None
PICTURES = {"image": ("gallery",)}


def check(prepared: Prepared) -> str | None:
    """A network's last layer is bounded as the pixels are, so their range must be known."""
    return "images need a value_range, for example (-1.0, 1.0)" if prepared.value_range is None else None


def synthetic() -> Sequence[Generator]:
    from anomark.data.synthetic import cut_paste, perlin_texture, wavelet_noise

    return cut_paste, perlin_texture, wavelet_noise
