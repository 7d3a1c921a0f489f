"""Stage 1: from the owner's files to the arrays that methods see and, in another folder, the labels.

The process that prepares a dataset holds its labels in memory, since the owner's files hold them. The processes that
fit and score are other ones: they are told the folder of the arrays alone, and only `evaluate` is told where the labels
are.
"""

from __future__ import annotations

import errno
import sys
import traceback
from pathlib import Path

import numpy as np

from anomark import modality, seals
from anomark.contracts import AnomarkError, Array, DataError, Prepared
from anomark.data.arrange import Arranged, arrange, check, load
from anomark.evaluation.held_out import against_synthetic
from anomark.files import replacing, temporary_files_in
from anomark.records import Data, Meta
from anomark.runtime.locks import making
from anomark.suite_records import Jobs

#: What the folder of a prepared dataset holds.
FILES = ("train.npy", "test.npy", "meta.json")


def write(data: Data) -> None:
    """Write train.npy, test.npy and meta.json into the folder of the data, and the file of its labels; seal both.

    A dataset that can't be used is refused: the reason is printed and written as `refused` into meta.json, and the
    arrays are empty. The stages behind pass it on, so every other dataset runs and the report is built.
    """
    try:
        prepared = load(data) if data.made_from is None else _made(data, data.made_from)
    except (Exception, SystemExit) as error:
        if not isinstance(error, DataError):  # the loader's own mistake, or a file that it was not made for
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
            traceback.print_exc()
            error = DataError(
                f"{data.module}: its prepare ended with {type(error).__name__}: {error}; "
                "mend the dataset's file, or leave the dataset out"
            )
        print(f"{data.dataset}: refused: {error}", file=sys.stderr)
        nothing = np.empty(0, np.float32)
        truth: dict[str, Array] = {"labels": np.empty(0, np.uint8)}
        arranged = Arranged(nothing, nothing, {"refused": str(error)}, truth)
    else:
        arranged = arrange(prepared, data.base)
    folder = Path(data.folder)
    _save(folder / "train.npy", arranged.train)
    _save(folder / "test.npy", arranged.test)
    with replacing(Path(data.labels)) as partial, partial.open("wb") as stream:
        np.savez(stream, **arranged.truth)  # type: ignore[arg-type]  # numpy's stub takes the keywords for its options
    seals.seal(Path(data.labels))
    known = {name: getattr(data, name) for name in ("dataset", "key", "modality", "level")}
    Meta(**known, **arranged.samples).save(folder / "meta.json")
    seals.seal(folder, FILES)


def _made(data: Data, source: Data) -> Prepared:
    """A dataset of synthetic anomalies, made of the stored training part of another."""
    rules, meta = modality.load(data.modality), source.meta()
    if meta.refused:
        raise DataError(f"it is made of {source.dataset}, which was refused")
    seals.verify(Path(source.folder) / "train.npy")
    train = np.load(Path(source.folder) / "train.npy", mmap_mode="r")
    prepared = against_synthetic(train, meta, rules.synthetic(), data.base)
    check(prepared, rules, data.level, data.dataset)
    return prepared


def _save(path: Path, array: Array) -> None:
    with replacing(path) as partial, partial.open("wb") as stream:
        np.save(stream, np.ascontiguousarray(array))


def ensure(data: Data) -> None:
    """Write the arrays and the labels of a dataset, unless all are stored; first those that it is made from."""
    if data.made_from:
        ensure(data.made_from)
    out = Path(data.folder)
    stored = [*(out / name for name in (*FILES, seals.SUMS)), Path(data.labels), seals.beside(Path(data.labels))]
    with making(out, f"the arrays of {data.dataset}") as work:
        if not all(path.exists() for path in stored):
            with temporary_files_in(work):  # what is too large for memory lies there meanwhile
                write(data)


def run(jobs: Jobs, dataset: str) -> None:
    """Prepare one dataset of the plan."""
    data = jobs.data[dataset]
    try:
        ensure(data)
    except OSError as error:  # a full disk, a folder that can't be written to
        raise AnomarkError(
            f"{error.filename or data.folder}: {dataset} can't be written ({error.strerror or error}); "
            "free space or choose another folder, and run again"
        ) from None
