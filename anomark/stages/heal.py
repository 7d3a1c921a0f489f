"""Makes again what is stored and damaged: that cell or dataset alone, in the run that finds it.

A run looks at all that its plan names before Snakemake decides what to do, and moves what is damaged aside, so that it
is made again like anything that is missing. What is damaged later is found by the job that reads it, which makes it
again itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from anomark import seals
from anomark.records import Cell, Data, Summary
from anomark.runtime.locks import holding
from anomark.seals import Damaged
from anomark.suite.config import Suite
from anomark.suite.plan import Plan
from anomark.suite_records import TIDY, Features, Jobs, SuiteRecord, Sweep

T = TypeVar("T")


@dataclass(frozen=True)
class Thing:
    """A file or a folder that is stored with a seal.

    file
        The file, or the seal of the folder, as the workflow names it.
    root
        The folder of results, of cells or of reports that it lies in, on whose file system it is moved aside.
    verify
        Raises `Damaged` unless it is what was stored, and in its place.
    make
        Makes it again, in its place.
    shared
        Whether other jobs may be about to read it, so that it stays where it is until the new one takes its place.
    """

    file: str
    root: Path
    verify: Callable[[], object]
    make: Callable[[], object]
    shared: bool = True

    @property
    def path(self) -> Path:
        path = Path(self.file)
        return path.parent if path.name == seals.SUMS else path

    def holds(self, path: Path) -> bool:
        """Whether a file, or the seal of one, is part of it."""
        return self.path in (path, *path.parents) or path == seals.beside(self.path)


class Healer:
    """Runs what reads stored things, and makes those again that are damaged.

    Args:
        jobs: a plan.
        folder: of the suite's results, where its evaluations lie.
    """

    def __init__(self, jobs: Jobs, folder: Path) -> None:
        self.jobs, self.folder = jobs, folder

    def run(self, work: Callable[[], T]) -> T:
        """Whatever `work` returns; it is called again when it found something damaged, which is made again before.

        Raises:
            Damaged: what was found is nothing that the plan can make, or is damaged once more.
        """
        healed: set[Path] = set()
        while True:
            try:
                return work()
            except Damaged as error:
                thing = next((thing for thing in self.things() if thing.holds(error.path)), None)
                if thing is None or thing.path in healed:
                    raise
                healed.add(thing.path)
                self._heal(thing)

    def _heal(self, thing: Thing) -> None:
        lock = thing.path.with_name(f".{thing.path.name}.healing.lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with holding(lock, f"the healing of {thing.path}"):  # jobs that read the same data find the same damage
            try:
                thing.verify()
            except Damaged as error:
                where = seals.set_aside(thing.path, thing.root, keep=thing.shared)
                say(error, where)
                self.run(thing.make)

    def things(self) -> Iterator[Thing]:
        """Everything that the jobs of the plan store, what is made from it behind it."""
        for data in self.jobs.data.values():
            yield from self._data(data)
        yield from map(self._features, self.jobs.features.values())
        yield from self._maps()
        for cell in self.jobs.cells.values():
            yield self._cell(cell)
        for sweep in self.jobs.sweeps.values():
            yield self._sweep(sweep)
        for data in self.jobs.data.values():
            yield self._evaluation(data)

    def _data(self, data: Data) -> Iterator[Thing]:
        def verify() -> None:
            seals.verify(folder)
            data.meta()

        def make() -> None:
            from anomark.stages import prepare

            prepare.write(data)

        folder, labels = Path(data.folder), Path(data.labels)
        yield Thing(f"{data.folder}/{seals.SUMS}", folder.parents[2], verify, make)
        yield Thing(data.labels, labels.parents[2], lambda: seals.verify(labels), make)

    def _features(self, features: Features) -> Thing:
        def make() -> None:
            from anomark.stages.features import write_features

            write_features(features.kind, features.raw, path)

        path = Path(features.path)
        return Thing(features.path, path.parents[1], lambda: seals.verify(path), make)

    def _maps(self) -> Iterator[Thing]:
        for folder, cell in {cell.maps: cell for cell in self.jobs.cells.values()}.items():
            if folder and Path(folder).exists():  # what was never made is missed by nobody

                def make(cell: Cell = cell) -> None:
                    from anomark.stages import maps

                    maps.write(cell)

                path = Path(folder)
                yield Thing(f"{folder}/{seals.SUMS}", path.parents[2], partial(seals.verify, path), make)

    def _cell(self, cell: Cell) -> Thing:
        def verify() -> None:
            seals.verify(folder)
            cell.record()

        def make() -> None:
            from anomark.runtime.supervisor import run_cell

            run_cell(cell, self.jobs.limits)

        folder = Path(cell.folder)
        return Thing(f"{cell.folder}/{seals.SUMS}", folder.parents[2], verify, make, shared=False)

    def _sweep(self, sweep: Sweep) -> Thing:
        def make() -> None:
            from anomark.stages.sweep import write_sweep

            write_sweep(sweep, self.jobs.cells[sweep.cell])

        path = Path(sweep.path)
        return Thing(sweep.path, path.parents[3], lambda: seals.verify(path), make)

    def _evaluation(self, data: Data) -> Thing:
        def verify() -> None:
            seals.verify(folder)
            Summary.load_sealed(folder / "summary.json", dataset=data.dataset, key=data.key)

        def make() -> None:
            from anomark.stages.evaluate import evaluate

            evaluate(self.jobs, data.dataset, folder)

        folder = self.folder / "evaluation" / data.dataset
        return Thing(f"{folder}/{seals.SUMS}", self.folder.parent, verify, make)


def say(error: Damaged, where: Path) -> None:
    """Tell the user what is damaged and what becomes of it."""
    print(f"anomark: {error.path}: {error.what}; it lies in {where} now and is made again", file=sys.stderr, flush=True)


def load_jobs(path: Path) -> Jobs:
    """A plan.json, written anew from the suite.json beside it where it is damaged."""
    try:
        return Jobs.load_sealed(path)
    except Damaged as error:
        suite = SuiteRecord.load_sealed(path.with_name("suite.json"))
        plan = Plan(Suite.model_validate(suite.config), results=str(path.parent.parent))
        say(error, seals.set_aside(path, path.parent.parent, keep=True))
        plan.write()
        return plan.jobs()


def set_damaged_aside(plan: Plan) -> list[str]:
    """Look at all that a plan names and is stored, and move aside what is damaged.

    Returns:
        The files to make again.
    """
    wanted = []
    for thing in (*Healer(plan.jobs(), Path(plan.folder)).things(), *_of_suite(plan)):
        if not thing.path.exists() and not seals.beside(thing.path).exists():
            continue
        try:
            plan.prints.once(thing.path, thing.verify)
        except Damaged as error:
            say(error, seals.set_aside(thing.path, thing.root))
            wanted.append(thing.file)
    plan.prints.save()
    described = {f"{plan.folder}/{name}" for name in ("plan.json", "suite.json")}
    if described.intersection(wanted):
        plan.write()
    return [file for file in wanted if file not in described]


def _of_suite(plan: Plan) -> Iterator[Thing]:
    """What is stored of a suite as a whole."""
    results, files = Path(plan.results), ("plan.json", "suite.json", *TIDY, "verdict.txt")
    for path in (Path(plan.folder) / name for name in files):
        yield Thing(str(path), results, partial(seals.verify, path), plan.write)
    report = Path(plan.report)
    yield Thing(f"{report}/{seals.SUMS}", report.parent, partial(seals.verify, report), plan.write)
