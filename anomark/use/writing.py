"""Scores of files as a table, as JSON and as pictures, written while the files are read: memory stays the same."""

from __future__ import annotations

import csv
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from anomark.contracts import AnomarkError, Array, one_line
from anomark.data.reading.values import times_of
from anomark.files import partial_name
from anomark.spreadsheet import protect
from anomark.use import samples
from anomark.use.calibration import check_rate
from anomark.use.model import Model
from anomark.use.pictures import POINTS, heat_map, series_plot
from anomark.use.samples import Block

#: Seconds between two lines of progress.
PAUSE = 5.0
FIELDS = ("file", "row", "time", "score", "tail_probability", "anomalous", "picture")


@dataclass
class Summary:
    """How many samples were scored and called anomalous, and in how many seconds.

    called
        None where nothing could be decided.
    """

    samples: int = 0
    called: int | None = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


def score_files(
    model: Model,
    given: Sequence[Path],
    out: Path,
    rate: float,
    pictures: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> Summary:
    """Score files and write scores.csv, scores.json and pictures into a new folder, which is there whole or not at all.

    Args:
        given: files and folders.
        out: the folder; an empty one may be there.
        rate: share of normal samples that may be called anomalous.
        say: told of the progress, a sentence at a time.

    Raises:
        AnomarkError: `out` holds something, or a file can't be scored.
    """
    check_rate(rate)
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise AnomarkError(f"{out}: there is something already; name another folder by --out, or remove it")
    meta = model.stored.meta
    paths = samples.files(given, meta)
    begin = time.perf_counter()
    threshold = model.calibration.threshold(rate)
    notes = tuple(model.calibration.notes(rate, meta))
    summary = Summary(called=None if threshold is None else 0, notes=notes)
    said = started = time.perf_counter()
    say(f"{model.name} is ready after {started - begin:.1f} s; {len(paths)} files to score")
    with _folder(out) as work, _tables(work, model, rate, threshold, notes) as write:
        drawn = 0
        for block in samples.read(paths, meta, model.name):
            done = model.score_block(block)
            probabilities = model.calibration.probabilities(done.scores)
            decided = None if threshold is None else np.asarray(done.scores, np.float64) >= threshold
            names = _draw(model, done, probabilities, decided, threshold, work, drawn) if pictures else []
            drawn += len(names)
            write(done, probabilities, decided, names)
            summary.samples += len(done.scores)
            if summary.called is not None and decided is not None:
                summary.called += int(decided.sum())
            if (now := time.perf_counter()) - said > PAUSE:
                said = now
                speed = summary.samples / (now - started)
                say(f"{summary.samples} {model.stored.noun} scored, {speed:.1f} a second ({done.files[-1]})")
        summary.seconds = time.perf_counter() - started
    return summary


@contextmanager
def _folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `out` once it is complete, and goes otherwise."""
    out.parent.mkdir(parents=True, exist_ok=True)
    work = partial_name(out.absolute())
    work.mkdir()
    try:
        yield work
        work.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _tables(
    work: Path, model: Model, rate: float, threshold: float | None, notes: tuple[str, ...]
) -> Iterator[Callable[[Block, Array | None, Array | None, list[str]], None]]:
    """A function that writes the rows of a block to scores.csv and scores.json."""
    record, calibration = model.stored.record, model.calibration
    head = {
        "model": model.name,
        "dataset": record.dataset,
        "method": record.method,
        "seed": record.seed,
        "key": record.key,
        "false_alarms": rate,
        "threshold": threshold,
        "held_out": len(calibration.scores),
        "notes": notes,
    }
    with (work / "scores.csv").open("w", encoding="utf-8", newline="") as table, (work / "scores.json").open("w") as js:
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(FIELDS)
        js.write(json.dumps(head, indent=1)[:-2] + ',\n "scores": [')
        comma = "\n"

        def write(block: Block, probabilities: Array | None, decided: Array | None, names: list[str]) -> None:
            nonlocal comma
            place = block.rows if len(model.spec.shape) == 1 or block.times or model.stored.meta.window else None
            for i, score in enumerate(block.scores.tolist()):
                values = {
                    "file": one_line(str(block.files[i])),
                    "row": None if place is None else int(place[i]),
                    "time": _next(block.times),
                    "score": float(score),
                    "tail_probability": None if probabilities is None else float(probabilities[i]),
                    "anomalous": None if decided is None else bool(decided[i]),
                    "picture": names[min(i, len(names) - 1)] if names else None,
                }
                rows.writerow([_cell(value) for value in values.values()])
                js.write(comma + "  " + json.dumps({k: v for k, v in values.items() if v is not None}))
                comma = ",\n"

        yield write
        js.write("\n ]\n}\n")


def _cell(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else "" if value is None else protect(value)


def _next(lines: IO[str] | None) -> str | None:
    return None if lines is None else lines.readline().rstrip("\n")


# -- pictures ------------------------------------------------------------------------------------------------------


def _draw(
    model: Model,
    block: Block,
    probabilities: Array | None,
    decided: Array | None,
    threshold: float | None,
    work: Path,
    before: int,
) -> list[str]:
    """Draw what can be drawn of a block, and return the names of the files: one a sample, or one of a series."""
    folder = work / "pictures"
    if model.stored.meta.window:
        folder.mkdir(exist_ok=True)
        name = _name(before, block.files[0], "png")
        values = samples.restored(block.samples, model.stored.meta.columns)
        title = f"{one_line(block.files[0].name, 80)}: {model.name}"
        series_plot(folder / name, values, block.scores, threshold, _times(block), block.names, title)
        return [f"pictures/{name}"]
    if block.maps is None or not block.copies:
        return []
    folder.mkdir(exist_ok=True)
    names = []
    for i, (image, values) in enumerate(zip(block.copies, block.maps, strict=True)):
        text = f"score {block.scores[i]:.4g}"
        text += "" if probabilities is None else f", tail probability {probabilities[i]:.2g}"
        text += "" if decided is None else ", anomalous" if decided[i] else ", normal"
        name = _name(before + i, block.files[i], "jpg")
        heat_map(image, values, model.calibration.levels, text).save(folder / name, quality=88)
        names.append(f"pictures/{name}")
    return names


def _name(number: int, path: Path, ending: str) -> str:
    """A file name that any system takes: a number, and what is plain of the name of the sample's file."""
    return f"{number + 1:05d}-{re.sub(r'[^A-Za-z0-9_-]+', '_', path.stem)[:60]}.{ending}"


def _times(block: Block) -> tuple[Array, Array] | None:
    """Some steps of a series and their times, or None where it has none."""
    if block.times is None:
        return None
    apart = max(1, len(block.rows) // POINTS)
    texts = [(i, line.rstrip("\n")) for i, line in enumerate(block.times) if i % apart == 0]
    block.times.seek(0)
    steps = np.array([i for i, _ in texts])
    return steps, times_of(pd.Series([text for _, text in texts]))
