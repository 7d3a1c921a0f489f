"""The reference results of a suite: which rows there are, and which of them may stand beside what a run computes.

A reference is a folder `reports/reference/<suite>/` that is kept with the project. Its coverage.csv has one row for
each cell, with the key of the cell, the setting that it was computed under, and the commit that computed it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anomark.contracts import DataError
from anomark.outcomes import Outcome
from anomark.records import CellName
from anomark.suite_records import MethodInfo, Reference, Setting, SuiteRecord

#: What each part of a setting is called in a sentence.
PARTS = {"data": "key of the data", "f": "network f", "resolution": "resolution", "budget": "budget"}


class Row(CellName):
    """One cell of a reference: its outcome, the key of the cell, and the commit that computed it."""

    status: Outcome
    key: str
    commit: str
    setting: Setting

    @property
    def id(self) -> str:
        """As `anomark.records.Cell.id` of a cell with the same key."""
        return f"{self.dataset}/{self.method}/{self.seed}-{self.key}"


@dataclass(frozen=True)
class Rows:
    """The rows of one reference, and what its methods say of themselves."""

    folder: Path
    rows: list[Row] = field(default_factory=list)
    methods: dict[str, MethodInfo] = field(default_factory=dict)

    @property
    def done(self) -> set[str]:
        """The cells that need not be computed again: their scores are stored, or their method skips such data.

        Older references keep no scores, nor the setting of a row.
        """
        return {row.id for row in self.rows if row.status.good and row.setting.data}


def read(folder: Path) -> Rows:
    """The reference in a folder; without rows where there is none.

    Raises:
        DataError: coverage.csv or suite.json can't be read.
    """
    path = folder / "coverage.csv"
    if not path.exists():
        return Rows(folder)
    rows = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                if line["key"]:  # neither the oracle nor a method that doesn't apply has a cell
                    rows.append(_row(line))
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise DataError(
            f"{path}: it is no table of reference results ({type(error).__name__}: {error}); bring back the file that "
            "the project has, or leave the reference out with reference=ignore"
        ) from None
    suite = SuiteRecord.load(folder / "suite.json")
    return Rows(folder, rows, {method.id: method for method in suite.methods})


def _row(line: dict[str, str]) -> Row:
    setting = Setting(**{name: line.get(name) or "" for name in Setting.model_fields})
    known = {name: line[name] for name in ("dataset", "method", "status", "key")}
    return Row(**known, seed=int(float(line["seed"])), commit=line.get("reference") or "", setting=setting)


def choose(
    reference: Rows, asked: set[tuple[str, str]], spared: set[str], today: Callable[[Row], Setting | None]
) -> tuple[list[Row], list[str]]:
    """The rows that may stand beside what a run computes, and why others may not.

    Args:
        asked: (dataset, method) of all cells of the run; of these only those rows count that spare it a cell.
        spared: ids of the cells that the run doesn't compute, because their results are there.
        today: the setting that a row would be computed under by this run, or None where the run leaves it out anyway.

    Returns:
        (rows, sentences).
    """
    chosen: list[Row] = []
    differs: dict[tuple[str, str], list[Row]] = {}
    unknown = 0
    for row in reference.rows:
        if row.id in spared:
            chosen.append(row)
        if (row.dataset, row.method) in asked or (here := today(row)) is None:
            continue
        if not row.setting.data:
            unknown += 1
        elif found := "; ".join(differences(row.setting, here)):
            differs.setdefault((row.dataset, found), []).append(row)
        else:
            chosen.append(row)
    sentences = [
        f"Reference results of {_methods(rows)} on {dataset} ({len(rows)} cells) were made under another protocol, so "
        f"they do not stand here: {found}."
        for (dataset, found), rows in differs.items()
    ]
    if unknown:
        sentences.append(
            f"{unknown} cells in {reference.folder} have neither their scores nor the key of their data, so they do "
            "not stand here."
        )
    return chosen, sentences


def told(reference: Rows, rows: Sequence[Row]) -> Reference | None:
    """What the evaluation is told of the rows that were chosen."""
    if not rows:
        return None
    return Reference(folder=str(reference.folder), cells=tuple(CellName(**row.only(CellName)) for row in rows))


def differences(there: Setting, here: Setting) -> list[str]:
    """In what two settings differ, each in a few words."""
    found = []
    for part, name in PARTS.items():
        old, new = getattr(there, part), getattr(here, part)
        if part == "f" and not ("-" in old and "-" in new):  # of one of them only the kind is known
            old, new = old.partition("-")[0], new.partition("-")[0]
        if old != new:
            found.append(f"the {name} is {old or 'none'} there and {new or 'none'} here")
    return found


def _methods(rows: Iterable[Row]) -> str:
    names = list(dict.fromkeys(row.method for row in rows))
    return names[0] if len(names) == 1 else f"{len(names)} methods"
