"""One method beside the reference results of its suite, from its stored cells alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

from anomark.contracts import AnomarkError
from anomark.report.beside import beside_table
from anomark.report.results import load_results
from anomark.report.table import Table
from anomark.stages import prepare
from anomark.stages.evaluate import evaluate
from anomark.suite.plan import Plan


def compare(plan: Plan, method: str) -> tuple[Table, tuple[str, ...]]:
    """The table of a method, and a sentence on each group of reference results that do not stand in it.

    Args:
        plan: of the suite with this method alone.

    Raises:
        AnomarkError: the suite has no reference results, none was made under its protocol, or no cell is stored.
    """
    name, folder = plan.suite.suite, plan.reference.folder
    if not plan.reference.rows:
        raise AnomarkError(f"{folder}: the suite {name} has no reference results; name a suite that has by --suite")
    if not plan.beside:
        raise AnomarkError(f"{folder}: no reference result can stand beside {method}. {' '.join(plan.left_out)}")
    if missing := [cell.id for cell in plan.cells if not cell.exists]:
        raise AnomarkError(
            f"{missing[0]}{f' and {len(missing) - 1} more' if missing[1:] else ''}: not computed yet; run snakemake "
            f"--cores all for the suite {name} with --config 'only=[{method}]' first"
        )
    jobs = plan.jobs()
    with tempfile.TemporaryDirectory(dir=plan.results, prefix=".compare-") as scratch:
        work = Path(scratch)
        for dataset in plan.data:
            prepare.ensure(plan.data[dataset])
            evaluate(jobs, dataset, work / "evaluation" / dataset)
        plan.record().save(work / "suite.json")
        results = load_results(work / "suite.json", work / "evaluation")
        return beside_table(results, method), plan.record().left_out
