"""`anomark run|verify|retry|evaluate|why|gc`: single cells and their evaluation, and what is stored of them."""

from __future__ import annotations

import random
import shutil
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import typer

from anomark import seals
from anomark.cli.shared import DEFAULT_SUITE, SuiteOption, plan_of
from anomark.contracts import AnomarkError


def run(dataset: str, method: str, seed: int = 0, suite: SuiteOption = DEFAULT_SUITE) -> None:
    """Run one cell: prepare its data if need be, fit, score, and keep the result under its key."""
    from anomark.outcomes import Outcome
    from anomark.stages.local import run_one
    from anomark.suite.config import load

    cell, record = run_one(load(*suite), dataset, method, seed)
    print(f"{record.status}: {cell.folder}")
    if not record.status.good:
        print(record.reason, file=sys.stderr)
        raise typer.Exit(1)
    if record.status == Outcome.DONE:
        fit = "resumed" if record.cost.fit_seconds is None else f"{record.cost.fit_seconds:.2f} s"
        print(
            f"fit {fit}, score {record.cost.score_seconds:.2f} s, "
            f"peak {record.cost.peak_memory_mb:.0f} MB, seed {record.seed}"
        )


def verify(
    cells: Annotated[
        list[str] | None, typer.Argument(help="Patterns <dataset>/<method>/<seed>, such as digits-*/*/0. All if none.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="Somebody else's folder `results`, instead of a suite.")] = None,
    count: Annotated[int, typer.Option("--cells", help="How many cells of a bundle to run again.")] = 3,
    seed: Annotated[int | None, typer.Option(help="Draws the cells of a bundle; at random without it.")] = None,
    suite: SuiteOption = DEFAULT_SUITE,
) -> None:
    """Run stored cells again and compare, to the last bit where nothing changed; exit status 1 where they differ."""
    from anomark.stages import verify as stage

    if bundle is not None:
        seed = random.randrange(10**6) if seed is None else seed
        print(f"{count} cells are drawn by --seed {seed}")
        found = stage.verify_bundle(bundle, count, seed)
    else:
        plan = plan_of(suite)
        stored = stage.stored_cells(plan, Path(plan.cells_root))
        if cells:
            wanted = [f"{pattern}{end}" for pattern in cells for end in ("", "/*")]
            stored = [(c, f) for c, f in stored if any(fnmatch(f"{c.dataset}/{c.method}/{c.seed}", w) for w in wanted)]
        if not stored:
            raise AnomarkError(f"the suite {plan.suite.suite} has no such cell stored; run snakemake first")
        found = stage.verify_cells(plan, stored)
    verdicts = []
    for one in found:
        print(f"{'ok' if one.same else 'DIFFERS'}: {one.cell}: {one.what}", flush=True)
        verdicts.append(one.same)
    print(f"{sum(verdicts)} of {len(verdicts)} are confirmed")
    if not all(verdicts):
        raise typer.Exit(1)


def retry(suite: SuiteOption = DEFAULT_SUITE) -> None:
    """Run again the cells and sweeps of a suite that ended badly, and keep all others."""
    from anomark.stages import local

    ended = 0
    for name, how in local.retry(plan_of(suite)):
        print(f"{name}: {how}", flush=True)
        ended += 1
    print(f"{ended} were run again" + "; run snakemake, which evaluates and reports them" * bool(ended))


def evaluate(suite: SuiteOption = DEFAULT_SUITE) -> None:
    """Evaluate the stored scores of a suite again (its cells must exist)."""
    from anomark.stages.local import evaluate_all

    for folder in evaluate_all(plan_of(suite)):
        print(folder)


def why(dataset: str, method: str, suite: SuiteOption = DEFAULT_SUITE) -> None:
    """Say which part of a key changed since the last stored cell, and what would run."""
    from anomark.suite import registry, stored

    plan = plan_of(suite)
    registry.find_method(method), registry.find_dataset(dataset)
    cells = [c for c in plan.cells_of(dataset) if c.method == method]
    if not cells:
        raise AnomarkError(
            f"the suite {plan.suite.suite} has no cell of {method} on {dataset}; name one that has by --suite"
        )
    for cell in cells:
        if cell.exists:
            print(f"seed {cell.seed}: stored under its key {cell.key}; nothing would run")
        else:
            print(f"seed {cell.seed}: would run, {stored.why(cell)}")


def gc(
    bad: Annotated[
        bool, typer.Option("--bad", help="Drop instead the cells with a bad outcome, to try them again.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would go.")] = False,
    suite: Annotated[list[Path] | None, typer.Option("--suite", help="More suite files whose cells to keep.")] = None,
) -> None:
    """Drop cells and sweeps that no suite addresses. Datasets whose data isn't at hand keep all of theirs.

    What was damaged and made again goes too.
    """
    from anomark.suite import config
    from anomark.suite.stored import Stored

    stored = Stored()
    suites = [*config.suites(), *map(str, suite or [])]
    drop = stored.bad() if bad else stored.unaddressed(suites, say=lambda text: print(text, file=sys.stderr))
    dropped = len([path for path in drop if path.suffix != ".npz"])
    sweeps = len(drop) - dropped
    drop += stored.damaged
    size = sum(f.stat().st_size for path in drop for f in [path, *path.rglob("*")] if f.is_file())
    for path in drop:
        print(path)
        if not dry_run:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            calibration = path.with_name(f"{path.name}.calibration.npz")
            for beside in (seals.beside(path), calibration, seals.beside(calibration)):
                beside.unlink(missing_ok=True)
    print(
        f"{'would drop' if dry_run else 'dropped'} {dropped} of {len(stored.cells)} cells and "
        f"{sweeps} of {len(stored.sweeps)} sweeps, {size / 2**20:.1f} MiB"
    )
