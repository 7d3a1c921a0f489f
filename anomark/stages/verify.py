"""Stored cells are run again and compared with what is stored: those of this checkout, or of somebody else's results.

Where nothing changed since (code, parameters, versions, processor), scores and model must be equal to the last bit.
Elsewhere scores may differ by 1% of their standard deviation: rounding differs between processors and libraries, and a
training carries it on.
"""

from __future__ import annotations

import io
import random
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anomark import seals
from anomark.contracts import AnomarkError
from anomark.evaluation.measure import Measured
from anomark.outcomes import Outcome
from anomark.records import Cell, FitRecord
from anomark.runtime.device import processor
from anomark.stages import local, prepare
from anomark.statistics.ranking import auroc
from anomark.suite.config import validate
from anomark.suite.plan import Plan
from anomark.suite.stored import changes
from anomark.suite_records import SuiteRecord

#: Share of the standard deviation of the stored scores that others may differ by, where something changed.
TOLERANCE = 0.01
_DIGITS = 1e-6  # of an AUROC that is computed again from stored scores


@dataclass(frozen=True)
class Verified:
    """What came of one cell: whether it is confirmed, and what was seen, in a few words."""

    cell: str
    same: bool
    what: str


def verify_cells(plan: Plan, stored: Iterable[tuple[Cell, Path]]) -> Iterator[Verified]:
    """Run cells again in a folder that goes afterwards, and compare each with the folder in which it is stored.

    A stored model is compared by its bytes and never loaded.
    """
    Path(plan.results).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".verify-", dir=plan.results) as scratch:
        for cell, folder in stored:
            name = f"{cell.dataset} {cell.method} seed {cell.seed}"
            try:
                seals.verify(folder)
                record = FitRecord.load(folder / "fit.json")
            except AnomarkError as error:
                yield Verified(name, False, str(error))
                continue
            changed = changes(record.parts, cell.parts)
            if record.device.processor != processor():
                changed.append(f"processor {record.device.processor or 'not recorded'} -> {processor()}")
            again = cell.model_copy(update={"folder": f"{scratch}/{cell.id}"})
            done = local.stored_or_run(plan, again)
            same, what = _compare(record, done, folder, Path(again.folder), exact=not changed)
            since = f"; changed since: {'; '.join(changed[:6])}" + ", ..." * (len(changed) > 6) if changed else ""
            yield Verified(name, same, what + since)


def _compare(old: FitRecord, new: FitRecord, before: Path, after: Path, exact: bool) -> tuple[bool, str]:
    """Whether two results of a cell agree, and how far."""
    if old.status != new.status:
        return False, f"it was {old.status} and is {new.status} now ({new.reason})"
    if new.status != Outcome.DONE:
        return True, f"it is {new.status} again"
    with np.load(before / "scores.npz") as a, np.load(after / "scores.npz") as b:
        if (names := set(a.files)) != set(b.files) or any(a[name].shape != b[name].shape for name in names):
            return False, "its scores have another shape"
        equal = all(a[name].tobytes() == b[name].tobytes() for name in names)
        gap = np.abs(a["score"].astype(float) - b["score"]).max() / (float(a["score"].std()) or 1.0)
    models = [path.name for path in before.glob("model.*")]
    equal_models = all((before / n).read_bytes() == (after / n).read_bytes() for n in models if (after / n).exists())
    if equal and equal_models:
        return True, "equal to the last bit" + ", and so is its model" * bool(models)
    what = f"scores differ by at most {gap:.2g} standard deviations" if not equal else "its model has other bytes"
    return not exact and bool(gap <= TOLERANCE), what


def stored_cells(plan: Plan, root: Path) -> list[tuple[Cell, Path]]:
    """The cells of a plan that are stored below `root`, under their key or else under the latest other one."""
    found = []
    for cell in plan.cells:
        folders = sorted((root / cell.dataset / cell.method).glob(f"{cell.seed}-*"), key=lambda p: p.stat().st_mtime)
        own = [folder for folder in folders if folder.name == f"{cell.seed}-{cell.key}"]
        if folders:
            found.append((cell, (own or folders)[-1]))
    return found


def verify_bundle(bundle: Path, count: int, seed: int) -> Iterator[Verified]:
    """Check somebody else's results: all seals, and some cells that are run again here on data that is prepared here.

    Args:
        bundle: their folder `results`, with <suite>/suite.json, <suite>/metrics.csv and cells/.
        count: how many cells are run again; `seed` draws them.

    Raises:
        AnomarkError: the folder holds no suite, or none of its cells.
    """
    found = [*bundle.rglob(seals.SUMS), *bundle.rglob(f"*{seals.SUFFIX}")]
    for path in sorted(found):
        try:
            seals.verify(
                path.parent if path.name == seals.SUMS else path.with_name(path.name.removesuffix(seals.SUFFIX))
            )
        except AnomarkError as error:
            yield Verified(str(path), False, str(error))
    yield Verified("seals", bool(found), f"{len(found)} seals were read")
    suites = []
    for path in sorted(bundle.glob("*/suite.json")):
        suites.append((path.parent, Plan(validate(SuiteRecord.load(path).config | {"data_root": None}, str(path)))))
    cells = [(folder, plan, *pair) for folder, plan in suites for pair in stored_cells(plan, bundle / "cells")]
    if not cells:
        raise AnomarkError(
            f"{bundle}: no suite.json whose cells are stored in cells/; name the folder `results` of a run"
        )
    for suite, plan, cell, folder in random.Random(seed).sample(cells, min(count, len(cells))):
        yield from verify_cells(plan, [(cell, folder)])
        yield _verify_number(plan, cell, folder, suite / "metrics.csv")


def _verify_number(plan: Plan, cell: Cell, folder: Path, table: Path) -> Verified:
    """Whether the AUROC in a table is that of the scores beside it."""
    name = f"{cell.dataset} {cell.method} seed {cell.seed}, AUROC"
    data = plan.data[cell.dataset]
    prepare.ensure(data)
    truth = np.load(io.BytesIO(seals.read(Path(data.labels))))
    rows = pd.read_csv(table)
    wanted = {"dataset": cell.dataset, "method": cell.method, "seed": cell.seed, "metric": "auroc"}
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    with np.load(folder / "scores.npz") as scores:
        if "score" not in scores:
            return Verified(name, rows.empty, "it has no scores" + ", but a number" * (not rows.empty))
        steps = len(np.load(Path(data.folder) / "test.npy", mmap_mode="r"))
        measured = Measured(cell.meta(), truth, steps)
        if not measured.labelled:
            return Verified(name, rows.empty, "nobody knows the labels" + ", but it has a number" * (not rows.empty))
        value = auroc(measured.labels, measured.merge(scores["score"]))
    told = float(rows["value"].iloc[0]) if len(rows) else float("nan")
    return Verified(name, abs(told - value) <= _DIGITS, f"{told:.6f} in {table.name}, {value:.6f} from its scores")
