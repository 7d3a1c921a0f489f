"""Writes a small folder of files as users have them, made by the embedded datasets, to try the whole way with."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from enum import StrEnum, auto
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from anomark.contracts import AnomarkError, Array, Prepared

#: Samples that stand apart, to be scored by the model of the run.
NEW = 3
SIDE = 64  # pixels of a photograph


class Example(StrEnum):
    """What files an example has."""

    images = auto()
    series = auto()
    table = auto()
    audio = auto()


def write(kind: Example, folder: Path) -> tuple[Path, Path]:
    """Write an example into a folder that is empty or not there yet.

    Returns:
        What to give to `anomark init`, and new samples to score later.

    Raises:
        AnomarkError: the folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AnomarkError(f"{folder}: is no empty folder; name a new one for the example")
    folder.mkdir(parents=True, exist_ok=True)
    return {Example.images: _photographs, Example.series: _series, Example.table: _rows, Example.audio: _recordings}[
        kind
    ](folder)


def _made(dataset: str, **change: Any) -> Prepared:
    module = importlib.import_module(f"anomark_datasets.{dataset}")
    item = next(iter(getattr(module, "ITEMS", {}).items()), None)
    own = {"item": item[0], **item[1]} if item else {}
    prepared: Prepared = module.prepare(Path(), **getattr(module, "DEFAULTS", {}) | own | change)
    return prepared


def _photographs(folder: Path) -> tuple[Path, Path]:
    """Photographs of brick walls in good/, some with defects in bad/."""

    def save(path: Path, pixels: Array) -> None:
        Image.fromarray(np.rint((pixels.transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8).squeeze()).save(path)

    return _sorted(folder / "photos", folder / "new", _made("textures", size=SIDE), ".png", save)


def _recordings(folder: Path) -> tuple[Path, Path]:
    """One second each of running machines in good/, some with a fault in bad/."""
    import soundfile

    made = _made("machines")

    def save(path: Path, wave: Array) -> None:
        soundfile.write(path, wave[0], made.rate)

    return _sorted(folder / "recordings", folder / "new", made, ".wav", save)


def _sorted(
    home: Path, new: Path, made: Prepared, ending: str, save: Callable[[Path, Array], None]
) -> tuple[Path, Path]:
    """Normal files in good/, others in bad/, and a few of both apart."""
    normal, anomalous = made.test[made.labels == 0], made.test[made.labels == 1]
    parts = {
        home / "good": [*made.train, *normal[NEW:]],
        home / "bad": anomalous[NEW:],
        new: [*normal[: NEW - 1], *anomalous[:1]],
    }
    for path, samples in parts.items():
        path.mkdir(parents=True)
        for number, sample in enumerate(samples):
            save(path / f"{number:03d}{ending}", sample)
    return home, new


def _series(folder: Path) -> tuple[Path, Path]:
    """The load of an office every half hour, with a label for each step, and its last week apart."""
    import pandas as pd

    made, week = _made(Example.series), 336
    values = np.concatenate([made.train, made.test])
    labels = np.concatenate([np.zeros(len(made.train), int), made.labels])
    times = pd.date_range("2024-01-01", periods=len(values), freq="30min")
    columns = {f"load {i + 1}" if values.shape[1] > 1 else "load": column.round(4) for i, column in enumerate(values.T)}
    table = pd.DataFrame({"timestamp": times, **columns, "anomaly": labels})
    home, new = folder / "load.csv", folder / "new.csv"
    table[:-week].to_csv(home, index=False)
    table[-week:].drop(columns="anomaly").to_csv(new, index=False)
    return home, new


def _rows(folder: Path) -> tuple[Path, Path]:
    """Measurements of cells, a row a patient, with a label for each, and a few rows apart."""
    from sklearn.datasets import load_breast_cancer

    cells = load_breast_cancer(as_frame=True)
    table = cells.data.assign(label=np.where(cells.target == 1, "normal", "anomaly"))
    home, new = folder / "patients.csv", folder / "new.csv"
    table[:-10].to_csv(home, index=False)
    table[-10:].drop(columns="label").to_csv(new, index=False)
    return home, new
