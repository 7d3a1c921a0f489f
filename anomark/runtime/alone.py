"""One run of Snakemake at a time in a checkout, which starts by clearing away what a dead one left.

Snakemake has a lock of its own, but it outlives a run that was killed, and a run that meets it ends. Here a second run
waits for the first, and a lock without a live run is removed.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.jobs import Job
from snakemake.persistence.file import FilePersistence
from snakemake_interface_executor_plugins.settings import ExecMode

from anomark.runtime.locks import holding, sweep
from anomark.seals import SUFFIX, SUMS
from anomark.suite.plan import Plan


def run_alone(workflow: Any, plan: Plan, first: Callable[[], object] = lambda: None) -> None:
    """Let the workflow wait for other runs of this folder before Snakemake looks at what there is to do.

    Dry runs and whatever else computes nothing go on at once.

    Args:
        workflow: Snakemake's, as a Snakefile sees it.
        first: called once the run is alone, before Snakemake looks.
    """
    execute = workflow.execute

    def execute_alone(executor_plugin: Any, **settings: Any) -> Any:
        if executor_plugin.common_settings.dryrun_exec or workflow.exec_mode != ExecMode.DEFAULT:
            return execute(executor_plugin=executor_plugin, **settings)
        state = Path(".snakemake")
        with contextlib.ExitStack() as stack:
            try:
                state.mkdir(exist_ok=True)
                what = f"a run of the suite {plan.suite.suite} in this folder"
                alone = stack.enter_context(holding(state / "anomark.lock", what))
            except OSError as error:
                raise _refused(error, state) from None
            except KeyboardInterrupt:
                raise WorkflowError("given up while waiting for another run; nothing was changed") from None
            if alone:
                clear(plan, state)
            first()
            _keep_stored(plan)
            if executor_plugin.common_settings.local_exec:
                # A limit of jobs a second has Snakemake look at all jobs again once a second, for each that has ended.
                workflow.scheduling_settings.max_jobs_per_timespan = None
            return execute(executor_plugin=executor_plugin, **settings)

    workflow.execute = execute_alone


def _keep_stored(plan: Plan) -> None:
    """Let Snakemake not remove what a job that was killed had stored under a key: it is whole, or found damaged."""
    keyed, cleanup = set(_keyed(plan)), Job.cleanup

    async def cleanup_others(job: Job, skip: Iterable[str]) -> None:
        await cleanup(job, {*skip, *(path for path in job.output if path in keyed)})

    Job.cleanup = cleanup_others


def write_plan(plan: Plan) -> None:
    """Write what the jobs read of the plan.

    Raises:
        WorkflowError: the folder can't be written to.
    """
    try:
        plan.write()
    except OSError as error:
        raise _refused(error, Path(plan.folder)) from None


def _refused(error: OSError, place: Path) -> WorkflowError:
    what = f"{error.filename or place}: a run has to write here ({error.strerror}); mend the permissions or free space"
    return WorkflowError(what)


def clear(plan: Plan, state: Path) -> None:
    """Clear away what runs left that were killed: Snakemake's lock and marks, partial files, dates that are to come.

    Args:
        state: Snakemake's folder.
    """
    done = []
    if locks := [*(state / "locks").glob("*.lock")]:
        for path in locks:
            path.unlink(missing_ok=True)
        done.append("removed the lock of a run that was killed")
    stored = [path for path in _keyed(plan) if os.path.exists(path)]
    # What is stored under a key is whole, so a mark that its job did not end would only have it computed again.
    records = FilePersistence(path=state)
    for name in records._filter_incomplete_keys(stored):
        records._unmark_incomplete(name)
    roots = [Path(plan.results), Path(plan.report).parent]
    if not Path(plan.cells_root).resolve().is_relative_to(roots[0].resolve()):
        roots.append(Path(plan.cells_root))
    if count := sweep(*roots):
        done.append(f"removed {count} partial files of processes that were killed")
    if count := redate([*stored, *_files(plan.folder), *_files(plan.report)]):
        done.append(f"{count} stored files were dated later than now, as after a wrong clock, and are dated now")
    for sentence in done:
        print(f"anomark: {sentence}", file=sys.stderr)


def redate(paths: Iterable[str]) -> int:
    """Date the files as of now that are dated later, and return how many there were.

    Snakemake compares dates: whatever is made of such a file is taken for older than it.
    """
    now, count = time.time(), 0
    for path in paths:
        with contextlib.suppress(OSError):
            if os.stat(path).st_mtime > now + 1:
                os.utime(path, (now, now))
                count += 1
    return count


def _keyed(plan: Plan) -> Iterator[str]:
    """Every file that a run of the plan stores under a key."""
    for data in plan.data.values():
        yield from (f"{data.folder}/{name}" for name in ("train.npy", "test.npy", "meta.json", SUMS))
    yield from plan.outputs
    single = [*(data.labels for data in plan.data.values()), *plan.sweeps]
    for path in [*single, *(features.path for features in plan.features.values())]:
        yield from (path, path + SUFFIX)


def _files(root: str) -> Iterator[str]:
    return (os.path.join(place, name) for place, _, files in os.walk(root) for name in files)
