"""UCR Anomaly Archive: 250 series with one anomaly each. Its place, and where training ends, are in the file's name."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import numpy as np

from anomark.contracts import DataError, Prepared
from anomark.data.rawfiles import RawFiles
from anomark.data.series import autocorrelation_period, prepare_series

NAME = "UCR Time Series Anomaly Archive (2021)"
LABEL = "UCR Anomaly"
MODALITY = "series"
LEVEL = "point"
LICENCE = "none stated; cite the archive"
SOURCE = "https://www.cs.ucr.edu/~eamonn/time_series_data_2018/UCR_TimeSeriesAnomalyDatasets2021.zip"
CITATION = "Wu, Keogh: Current Time Series Anomaly Detection Benchmarks are Flawed, IEEE TKDE 35(3), 2023"
#: Any number of the archive, in three digits: ucr-anomaly-109.
ITEMS: dict[str, dict] = {"*": {}}
DEFAULTS = {"stride_divisor": 8}
FILES = (
    ("ucr_anomaly.zip/**/{item}_UCR_Anomaly_*.txt",),
    ("UCR_TimeSeriesAnomalyDatasets2021.zip/**/{item}_UCR_Anomaly_*.txt",),
    ("UCR_Anomaly_FullData/{item}_UCR_Anomaly_*.txt",),
    ("AnomalyDatasets_2021/UCR_TimeSeriesAnomalyDatasets2021/FilesAreInHere/UCR_Anomaly_FullData/{item}_UCR_*.txt",),
)
SHORTEST, LONGEST = 32, 512  # window length L, steps


def prepare(raw: Path, *, item: str, stride_divisor: int) -> Prepared:
    """One series, which trains up to the step in its name. L is the autocorrelation period of that part, within 32-512.

    Raises:
        DataError: the file is missing or broken, or its name and its length disagree.
    """
    files = RawFiles(raw, FILES, item=item)
    name = files.one(f"{item}_UCR_Anomaly_*.txt")
    numbers = re.search(r"_(\d+)_(\d+)_(\d+)$", PurePosixPath(name).stem)
    if numbers is None:
        raise DataError(f"{name}: the name should end in _<train end>_<anomaly start>_<anomaly end>.txt; restore it")
    split, first, last = map(int, numbers.groups())
    try:
        values = np.array(files.read(name).split(), dtype=np.float64)  # one value a line, or all on one line
    except ValueError as error:
        raise DataError(f"{name}: holds more than numbers ({error}); delete it and fetch it again") from error
    if not 0 < split < first <= last <= len(values):
        raise DataError(f"{name}: {len(values)} values, but the name says train 1-{split}, anomaly {first}-{last}")
    labels = np.zeros(len(values), dtype=np.uint8)
    labels[first - 1 : last] = 1  # counted from 1, end included: where series of one origin differ shows it
    period = autocorrelation_period(values[:split])
    window = int(np.clip(period or SHORTEST, SHORTEST, LONGEST))
    return prepare_series(
        values[:split, None],
        values[split:, None],
        labels[split:],
        window=window,
        stride_divisor=stride_divisor,
        source=name,
        normal_class="outside the archive's range",
        choices=(f"L = {window} steps, the training prefix's autocorrelation period clipped to {SHORTEST}-{LONGEST}",),
        notes=() if period else ("the training prefix has no autocorrelation period",),
    )
