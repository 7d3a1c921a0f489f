"""PEMS-BAY: traffic speeds, which have no labels. Anomalies are put into the test part by a seeded recipe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from anomark.contracts import Array, DataError, Prepared
from anomark.data.injection import inject
from anomark.data.rawfiles import RawFiles
from anomark.data.series import InjectedSeries, prepare_series
from anomark.data.streamed import BLOCK, blocks, stored

NAME = "PEMS-BAY traffic speeds, injected anomalies"
LABEL = "PEMS-BAY"
MODALITY = "series"
LEVEL = "point"
LICENCE = "research use"
SOURCE = "https://github.com/liyaguang/DCRNN"
CITATION = "Li, Yu, Shahabi, Liu: Diffusion Convolutional Recurrent Neural Network, ICLR 2018"
DEFAULTS = {"sensors": 16, "events": 24, "seed": 0, "stride_divisor": 8}
FILES = (("pems_bay/pems-bay.h5",), ("pems_bay/pems_bay_16sensors.npz",))
DAY, HOUR = 288, 12  # steps of five minutes
TRAIN_SHARE = 0.7


def prepare(raw: Path, *, sensors: int, events: int, seed: int, stride_divisor: int) -> Prepared:
    """The first `sensors` sensors: the first 70% of the steps train, the rest with `events` anomalies tests.

    Steps are not scored where a reading is missing (0), where a sensor repeats one value for an hour or more, and an
    hour around congestion that the file flags.

    Raises:
        DataError: the file is broken, or has fewer sensors.
    """
    files = RawFiles(raw, FILES)
    name = files.one("pems-bay.h5", "pems_bay_16sensors.npz")
    if name.endswith(".h5"):
        speed = stored(_read_h5(files, name, sensors))
        doubtful = np.zeros(len(speed), dtype=bool)  # DCRNN's file flags no congestion
    else:
        speed, flagged = _read_npz(files, name, sensors)
        doubtful = _around(flagged, HOUR, HOUR)
    missing = _fill(name, speed, doubtful)
    doubtful |= _flat(speed)
    split = int(len(speed) * TRAIN_SHARE)
    train, left_out = speed[:split], doubtful[split:]
    mad = np.maximum([_mad(channel) for channel in train.T], np.finfo(float).eps)
    test, labels, recipe = inject(speed[split:], mad, left_out, events, seed)
    p = prepare_series(
        train,
        test,
        labels,
        window=DAY,
        stride_divisor=stride_divisor,
        source=name,
        normal_class="traffic as recorded",
        choices=(
            f"the first {sensors} sensors of the file",
            f"train = first {TRAIN_SHARE:.0%}",
            f"{events} injected anomalies of 3 MAD or more, seed {seed}",
            f"{left_out.mean():.1%} of test steps not scored: missing, flat for an hour, or around flagged congestion",
        ),
        notes=("anomalies are injected: the owner gives no labels", f"{missing} missing cells interpolated"),
    )
    return InjectedSeries(**vars(p), left_out=left_out, recipe=recipe)


def _read_npz(files: RawFiles, name: str, sensors: int) -> tuple[Array, Array]:
    """Speeds (T, sensors), and bool (T,): one of them is flagged. Such a file has few sensors and is read whole."""
    with files.open(name) as stream:
        try:
            arrays = np.load(stream, allow_pickle=False)
            speed, flagged = arrays["speed"], arrays["congestion_mask"].astype(bool)
        except (ValueError, KeyError, IndexError, OSError, AttributeError) as error:
            raise DataError(
                f"{name}: not the arrays speed and congestion_mask ({error}); delete it and fetch it again"
            ) from error
    _check(name, speed, sensors)
    return speed[:, :sensors].astype(np.float64), flagged[:, :sensors].any(axis=1)


def _read_h5(files: RawFiles, name: str, sensors: int) -> Iterator[Array]:
    """Speeds (n, sensors) of one stretch of DCRNN's file after the other: a pandas table (T, 325) under one key."""
    import h5py

    with files.open(name) as stream:
        try:
            with h5py.File(stream) as file:
                (key,) = file
                speed = file[key]["block0_values"]
                _check(name, speed, sensors)
                rows = max(1, BLOCK // sensors)
                for start in range(0, len(speed), rows):
                    yield speed[start : start + rows, :sensors].astype(np.float64)
        except (ValueError, KeyError, OSError) as error:
            raise DataError(f"{name}: not DCRNN's table of speeds ({error}); delete it and fetch it again") from error


def _check(name: str, speed: Any, sensors: int) -> None:
    if len(speed.shape) != 2 or speed.dtype.kind != "f" or len(speed) < DAY:
        raise DataError(
            f"{name}: speeds of shape {speed.shape} and type {speed.dtype}, expected floats (T, sensors) of a day"
        )
    if not 1 <= sensors <= speed.shape[1]:
        raise DataError(f"{name}: {speed.shape[1]} sensors, {sensors} are asked for; lower sensors in dataset_params")


def _fill(name: str, speed: Array, doubtful: Array) -> int:
    """Put missing readings (0) on the line between their neighbours, and mark their steps; how many there are."""
    count = 0
    for sensor, readings in enumerate(speed.T):
        missing = np.flatnonzero(~(readings > 0))
        if len(missing) == len(readings):
            raise DataError(f"{name}: sensor {sensor} has no reading; delete the file and fetch it again")
        for gap in np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1) if len(missing) else ():
            known = [step for step in (gap[0] - 1, gap[-1] + 1) if 0 <= step < len(readings)]
            readings[gap] = np.interp(gap, known, readings[known])
        doubtful[missing] = True
        count += len(missing)
    return count


def _flat(speed: Array) -> Array:
    """bool (T,): at one sensor or more in a run of equal readings that lasts an hour or more."""
    first = np.zeros(len(speed), dtype=bool)  # of an hour of equal readings
    done = 0
    for block in blocks(speed, overlap=HOUR - 1):
        equal = np.lib.stride_tricks.sliding_window_view(np.equal(block[1:], block[:-1]), HOUR - 1, axis=0)
        found = np.any(np.all(equal, axis=2), axis=1)
        first[done : done + len(found)] = found
        done += len(found)
    return _around(first, 0, HOUR - 1)


def _around(steps: Array, before: int, after: int) -> Array:
    """bool (T,): from so many steps before a marked step to so many after it."""
    out = steps.copy()
    for lag in range(1, before + 1):
        out[:-lag] |= steps[lag:]
    for lag in range(1, after + 1):
        out[lag:] |= steps[:-lag]
    return out


def _mad(values: Array) -> float:
    """Median absolute deviation of a series (T,)."""
    centre = np.median(stored(blocks(values)), overwrite_input=True)
    return float(np.median(stored(np.abs(block - centre) for block in blocks(values)), overwrite_input=True))
