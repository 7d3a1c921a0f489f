"""Sound clips of one length as waveforms, with one label each."""

from __future__ import annotations

from collections.abc import Sequence

from anomark.contracts import Generator, Prepared

NOUN = "audio"
LABEL = "Audio"
ORDER = 3
LEVELS = {"clip": 3}  # (N, C, L)
SAMPLES = (((1, 64), (-1.0, 1.0), 8000), ((1, 1600), (-1.0, 1.0), 8000))
RESIZABLE = False
SCALOGRAM = {"shortest": 32, "scales": 32, "decimation": 8}
PICTURES = {"clip": ("window_examples", "scalograms")}


def check(prepared: Prepared) -> str | None:
    """Sound is bounded, so its range must be known, and so must its rate."""
    if prepared.value_range is None:
        return "clips need a value_range, for example (-1.0, 1.0)"
    return "clips need a rate, in samples a second" if not prepared.rate else None


def synthetic() -> Sequence[Generator]:
    from anomark.data.synthetic import foreign_segment, segment_swap, time_warp, wavelet_noise

    return segment_swap, time_warp, foreign_segment, wavelet_noise
