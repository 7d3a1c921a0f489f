"""Single steps of a plan in this process, one after the other, where Snakemake starts a job for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from anomark.contracts import AnomarkError
from anomark.records import Cell, FitRecord
from anomark.stages import prepare
from anomark.stages.heal import Healer
from anomark.suite import registry
from anomark.suite.config import Suite
from anomark.suite.plan import Plan
from anomark.suite.stored import Stored


def run_one(suite: Suite, dataset: str, method: str, seed: int) -> tuple[Cell, FitRecord]:
    """One cell and how it ended. What it needs is prepared first; a cell whose result is stored is not run again.

    Args:
        suite: whose settings to run it with; it need not name the dataset or the method.

    Raises:
        AnomarkError: a name is unknown, data is missing, or the method is not made for such data.
    """
    registry.find_dataset(dataset), registry.find_method(method)
    plan = Plan(suite.model_copy(update={"datasets": [dataset], "include": [method], "exclude": [], "seeds": [seed]}))
    for row in plan.not_applicable:
        if row.method == method:
            raise AnomarkError(f"{method} does not apply to {dataset}: {row.reason}")
    cell = next(cell for cell in plan.cells if cell.method == method)
    return cell, stored_or_run(plan, cell)


def retry(plan: Plan) -> Iterator[tuple[str, str]]:
    """Run the cells and sweeps of a plan again whose outcome is bad. A refusal would only come again, so it stays.

    Yields:
        What was run, and how it ended this time.
    """
    from anomark.stages import sweep

    bad = {str(path) for path in Stored(Path(plan.results)).bad()}
    for cell in plan.cells:
        if cell.folder in bad:
            shutil.rmtree(cell.folder)
            record = stored_or_run(plan, cell)
            yield cell.id, str(record.status) if record.status.good else f"{record.status}: {record.reason}"
    for path, job in plan.sweeps.items():
        if path in bad:
            Path(path).unlink()
            _healer(plan).run(partial(sweep.run, plan.jobs(), path))
            yield f"sweep of {job.cell}", "run again"


def stored_or_run(plan: Plan, cell: Cell) -> FitRecord:
    """The record of a cell of a plan, which is run if it is not stored; what it needs is prepared first."""
    return _healer(plan).run(partial(_stored_or_run, plan, cell))


def _stored_or_run(plan: Plan, cell: Cell) -> FitRecord:
    if cell.exists:
        return cell.record()
    prepare.ensure(plan.data[cell.dataset])
    if cell.features and not Path(cell.features).exists():
        from anomark.stages import features  # torch, which other cells need not wait for

        features.run(plan.jobs(), cell.features)
    from anomark.runtime.supervisor import run_cell

    return run_cell(cell, plan.suite.limits)


def evaluate_all(plan: Plan) -> Iterator[Path]:
    """Evaluate the stored scores of every dataset of a plan.

    Yields:
        The folder of each dataset's evaluation.

    Raises:
        AnomarkError: a cell or a sweep has not been run.
    """
    from anomark.stages.evaluate import evaluate

    wanted = [*plan.outputs, *plan.sweeps]
    if missing := [path for path in wanted if not Path(path).exists()]:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise AnomarkError(f"{missing[0]}{more}: no such file; run snakemake, which computes what is missing")
    jobs = plan.jobs()
    for dataset, data in plan.data.items():
        prepare.ensure(data)
        folder = Path(plan.folder) / "evaluation" / dataset
        _healer(plan).run(partial(evaluate, jobs, dataset, folder))
        yield folder


def build_report(plan: Plan) -> Path:
    """Build the report of a plan from its evaluations.

    Returns:
        The folder of the report.

    Raises:
        AnomarkError: a dataset has not been evaluated.
    """
    from anomark.stages.report import run

    evaluation = Path(plan.folder) / "evaluation"
    for dataset in plan.data:
        if not (file := evaluation / dataset / "metrics.csv").exists():
            raise AnomarkError(f"{file}: {dataset} has not been evaluated; run snakemake, or `anomark evaluate` first")
    plan.describe()
    paths = (f"{plan.folder}/suite.json", str(evaluation), plan.report, plan.folder)
    _healer(plan).run(partial(run, plan.jobs(), *paths))
    return Path(plan.report)


def _healer(plan: Plan) -> Healer:
    return Healer(plan.jobs(), Path(plan.folder))
