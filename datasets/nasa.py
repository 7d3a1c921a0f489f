"""MSL and SMAP with all channels of one spacecraft in a row, as most papers read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anomark.contracts import DataError, Prepared
from anomark.data.rawfiles import RawFiles
from anomark.data.series import prepare_series
from anomark.data.telemanom import channels_of, read_channel

NAME = "NASA telemetry, channels concatenated"
LABEL = "NASA"
MODALITY = "series"
LEVEL = "point"
LICENCE = "Caltech, BSD-like"
SOURCE = "https://github.com/khundman/telemanom"
CITATION = "Hundman et al.: Detecting Spacecraft Anomalies Using LSTMs, KDD 2018"
ITEMS = {"msl": {"spacecraft": "MSL"}, "smap": {"spacecraft": "SMAP"}}
DEFAULTS = {"window": 100, "stride_divisor": 8}
FILES = (
    ("telemanom/data/train/*.npy", "telemanom/data/test/*.npy", "telemanom/labeled_anomalies.csv"),
    ("{item}.zip",),
)


def prepare(raw: Path, *, item: str, spacecraft: str, window: int, stride_divisor: int) -> Prepared:
    """All channels in the order of their names; (T, 55) for MSL, (T, 25) for SMAP.

    Raises:
        DataError: a file is missing or broken.
    """
    files = RawFiles(raw, FILES, item=item)
    source = files.one("labeled_anomalies.csv")
    channels = channels_of(files, spacecraft)
    if not channels:
        raise DataError(f"{source}: no channel of {spacecraft}; fetch the full table")
    train, test, labels = zip(*(read_channel(files, channel) for channel in channels), strict=True)
    return prepare_series(
        np.concatenate(train),
        np.concatenate(test),
        np.concatenate(labels),
        window=window,
        stride_divisor=stride_divisor,
        source=source,
        normal_class="outside the labelled ranges",
        choices=(f"L = {window} steps", "labelled ranges include their end", "windows run across channels"),
        notes=(f"{len(channels)} channels in a row",),
    )
