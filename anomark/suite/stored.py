"""The cells and sweeps that are stored: why a cell would run again, and which of them nothing asks for any more."""

from __future__ import annotations

import fnmatch
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from anomark import seals
from anomark.contracts import AnomarkError, DataError
from anomark.outcomes import Outcome
from anomark.records import Cell, FitRecord, Parts
from anomark.suite import config
from anomark.suite.plan import Plan


def why(cell: Cell) -> str:
    """What distinguishes a cell from the latest stored one of the same dataset, method and seed, in half a sentence."""
    records = Path(cell.folder).parent.glob(f"{cell.seed}-*/fit.json")
    stored = max(records, key=lambda path: path.stat().st_mtime, default=None)
    if stored is None:
        return "it was never computed"
    try:
        old = FitRecord.load(stored).parts
    except DataError:
        return f"the last one, {stored}, was written by another version of anomark"
    changed = changes(old, cell.parts)
    return "changed since the last one: " + "; ".join(changed) if changed else "its files were deleted"


def changes(old: Parts, new: Parts) -> list[str]:
    """In what the parts of two keys differ, each in a few words."""
    before = old.model_dump(mode="json")
    return [text for part, now in new.model_dump(mode="json").items() for text in _changes(part, before[part], now)]


def _changes(part: str, old: Any, new: Any) -> list[str]:
    """The changes of one part of a key, each in a few words."""
    if old == new:
        return []
    if part == "data":
        return ["data: the dataset's recipe or files"]
    if not isinstance(new, dict):
        return [f"{part}: {old!r} -> {new!r}"]
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return [f"{part}: {n}" if part == "sources" else f"{part}: {n} {old.get(n)!r} -> {new.get(n)!r}" for n in names]


class Stored:
    """All cells and sweeps that are stored, whichever suite computed them."""

    def __init__(self, results: Path = Path("results"), reports: Path = Path("reports")) -> None:
        root = Path(os.environ.get("ANOMARK_CELLS") or results / "cells")
        self.cells = sorted(path for path in root.glob("*/*/*") if path.is_dir())
        self.sweeps = sorted((results / "sweeps").glob("*/*/*.npz"))
        #: What was damaged and moved aside, for `anomark gc` to drop.
        self.damaged = [path for top in (root, results, reports) if (path := top / seals.ASIDE).is_dir()]

    def bad(self) -> list[Path]:
        """Cells with a bad outcome and failed sweeps. A refusal is none of them: it would only come again."""
        cells = [path for path in self.cells if not _is_good(path)]
        return cells + [path for path in self.sweeps if not _holds_errors(path)]

    def unaddressed(self, suites: list[str], say: Callable[[str], None]) -> list[Path]:
        """Cells and sweeps that none of these suites addresses.

        Args:
            suites: names of suites or YAML files.
            say: told of every dataset of a suite that can't be planned, as where its files are not here; all that is
                stored of such a dataset is kept.
        """
        keep: set[str] = set()
        unknown: set[str] = set()
        for name in suites:
            suite = config.load(name)
            absent: list[str] = []
            for dataset in suite.datasets:
                try:
                    plan = Plan(suite.model_copy(update={"datasets": [dataset]}))
                except DataError:
                    absent.append(dataset)
                except AnomarkError as error:
                    say(f"{name}: all cells of {dataset} are kept: {error}")
                    unknown.add(dataset)
                else:
                    keep |= {*(cell.folder for cell in plan.cells), *plan.sweeps}
            if absent:
                say(
                    f"{name}: all cells of these datasets are kept, since their files are not here: {', '.join(absent)}"
                )
                unknown |= {*absent}
        return [
            path
            for path in [*self.cells, *self.sweeps]
            if str(path) not in keep and not any(fnmatch.fnmatch(path.parts[-3], pattern) for pattern in unknown)
        ]


def _is_good(folder: Path) -> bool:
    try:
        outcome = FitRecord.load(folder / "fit.json").status
    except DataError:
        return False
    return outcome.good or outcome is Outcome.REFUSED


def _holds_errors(path: Path) -> bool:
    """Whether a sweep holds errors of its samples, and not a reason why there are none."""
    try:
        with np.load(io.BytesIO(seals.read(path))) as stored:
            return "errors" in stored
    except DataError:
        return False
