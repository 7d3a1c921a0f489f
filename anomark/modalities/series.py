"""Time series: one long series with a label for each step, or separate windows with one label each."""

from __future__ import annotations

from collections.abc import Sequence

from anomark.contracts import Generator, Prepared

NOUN = "time series"
LABEL = "Time series"
ORDER = 2
LEVELS = {"point": 2, "window": 3}  # (T, C), (N, C, L)
SAMPLES = (((1, 24), None), ((3, 17), None))
RESIZABLE = False
# The fewer numbers a scalogram has for each value of the signal, the more of the signal the noise hides: a very
# redundant map can be denoised without knowing what is normal. It determines windows from 12 steps on well.
SCALOGRAM = {"shortest": 12, "scales": 8, "decimation": 4}
PICTURES = {"point": ("series_tracks", "scalograms"), "window": ("window_examples", "scalograms")}


def check(prepared: Prepared) -> str | None:
    """Nothing more is asked for: standardised values are unbounded, and windows may have any length."""
    return None


def synthetic() -> Sequence[Generator]:
    from anomark.data.synthetic import foreign_segment, segment_swap, time_warp, wavelet_noise

    return segment_swap, time_warp, foreign_segment, wavelet_noise
