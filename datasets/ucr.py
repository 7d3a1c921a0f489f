"""UCR classification archive, read as one-class problems: one class is normal, every other is anomalous."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from anomark.contracts import Array, DataError, Prepared
from anomark.data.rawfiles import RawFiles

NAME = "UCR Time Series Classification Archive (2018)"
LABEL = "UCR"
MODALITY = "series"
LEVEL = "window"
LICENCE = "none stated; cite the archive"
SOURCE = "https://www.cs.ucr.edu/~eamonn/time_series_data_2018/"
CITATION = "Dau et al.: The UCR Time Series Archive, IEEE/CAA J. Autom. Sinica 6(6), 2019"
# FordA and Lightning2 have no documented normal class, so each direction is a dataset of its own.
ITEMS = {
    "ECG200": {"archive": "ECG200", "normal": 1},
    "Wafer": {"archive": "Wafer", "normal": 1},
    "FordA_pos": {"archive": "FordA", "normal": 1},
    "FordA_neg": {"archive": "FordA", "normal": -1},
    "Lightning2_pos": {"archive": "Lightning2", "normal": 1},
    "Lightning2_neg": {"archive": "Lightning2", "normal": -1},
}
#: The other class as the normal one; FordA and Lightning2 have both directions as datasets.
VARIANTS = {"swapped": {"LABEL": "normal class swapped", "swapped": True}}
DEFAULTS = {"swapped": False}
FILES = (
    ("ucr/{archive}.zip",),
    ("ucr/{archive}/{archive}_TRAIN*.*", "ucr/{archive}/{archive}_TEST.*"),
    ("UCRArchive_2018/{archive}/{archive}_TRAIN*.*", "UCRArchive_2018/{archive}/{archive}_TEST.*"),
)
#: Forms in which the archive is handed out: the delimiter of a row (None: blanks) and the column of its class.
#: .tsv is the archive's own, the others come from timeseriesclassification.com, several in one zip.
FORMATS: dict[str, tuple[str | None, int]] = {
    ".tsv": ("\t", 0),
    ".ts": (",", -1),
    ".arff": (",", -1),
    ".txt": (None, 0),
}


def prepare(raw: Path, *, item: str, archive: str, normal: int, swapped: bool) -> Prepared:
    """One problem: the normal rows of TRAIN train, all rows of TEST test. The archive has z-normalised its rows.

    Raises:
        DataError: a file is missing or broken, or a class is absent.
    """
    files = RawFiles(raw, FILES, item=item, archive=archive)
    train_name, test_name = (files.one(*(f"{archive}_{part}{f}" for f in FORMATS)) for part in ("TRAIN*", "TEST"))
    train_classes, train = _read_rows(train_name, files.read(train_name))
    test_classes, test = _read_rows(test_name, files.read(test_name))
    if train.shape[1] != test.shape[1]:
        raise DataError(
            f"{test_name}: rows of {test.shape[1]} values, those of TRAIN have {train.shape[1]}; "
            "delete both and fetch them again"
        )
    if swapped:
        normal = -normal  # classes are 1 and -1
    labels = (test_classes != normal).astype(np.uint8)
    for name, missing in ((train_name, (train_classes != normal).all()), (test_name, labels.all())):
        if missing:
            raise DataError(f"{name}: no row of the normal class {normal}; choose a class that the file holds")
    if not labels.any():
        raise DataError(f"{test_name}: undefined: one class; every row is of the normal class {normal}")
    notes = [f"{np.sum(train_classes == normal)} normal rows of {len(train)} in TRAIN; all {len(test)} rows of TEST"]
    if PurePosixPath(train_name).stem != f"{archive}_TRAIN":
        notes.append(f"partial: TRAIN is {PurePosixPath(train_name).name} with {len(train)} rows")
    return Prepared(
        train=train[train_classes == normal][:, None],
        test=test[:, None],
        labels=labels,
        normal_class=str(normal),
        choices=(f"class {normal} is normal", "train = normal rows of TRAIN, test = all of TEST"),
        notes=tuple(notes),
    )


def _read_rows(name: str, content: bytes) -> tuple[Array, Array]:
    """Class labels int64 (N,) and series float32 (N, L) of one file."""
    delimiter, column = FORMATS[PurePosixPath(name).suffix]
    # .ts and .arff begin with lines of description, and .ts sets its class off by a colon.
    lines = [line.replace(":", ",") for line in content.decode("latin-1").splitlines() if line[:1] not in "@#%"]
    try:
        table = np.loadtxt(lines, delimiter=delimiter, ndmin=2)
    except ValueError as error:
        raise DataError(f"{name}: not a table of numbers ({error}); delete it and fetch it again") from error
    if table.size == 0 or table.shape[1] < 2:
        raise DataError(
            f"{name}: expected a label and a series in each row, found a table of shape {table.shape}; "
            "delete it and fetch it again"
        )
    if not np.isfinite(table).all():
        row = int(np.argmin(np.isfinite(table).all(axis=1)))
        raise DataError(
            f"{name}: row {row + 1} holds NaN or infinite values; "
            "series of one length are expected, so leave this dataset out"
        )
    series = np.delete(table, column, axis=1).astype(np.float32)
    if (series == series[:, :1]).all():
        raise DataError(
            f"{name}: every series is constant, so there is nothing to detect; delete it and fetch it again"
        )
    return table[:, column].astype(np.int64), series
