"""Between score and evaluate: one stored model is scored again at the settings that its method's `SWEEP` names.

Each model has a process of its own, which sees no label. The terms of a method's score are stored apart for every
sample, so that `evaluate` can weigh them anew.
"""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from anomark import seals
from anomark.contracts import Array
from anomark.files import replacing
from anomark.outcomes import Outcome
from anomark.records import Cell, FitRecord, Meta
from anomark.runtime import fit_score, store
from anomark.runtime.device import claimed_device, device_environment
from anomark.runtime.isolation import Forbidden, Isolation, isolated, own_caches
from anomark.runtime.locks import making
from anomark.suite_records import Jobs, Sweep


def chosen_rows(meta: Meta, samples: int) -> Array:
    """At most `samples` test rows: evenly spaced over time in a series, over the seeded permutation elsewhere."""
    order = np.arange(meta.n_test) if meta.test_starts is None else np.argsort(meta.test_starts)
    rows: Array = order[np.unique(np.linspace(0, len(order) - 1, samples).round().astype(int))]
    return rows


def write_sweep(job: Sweep, cell: Cell) -> None:
    """Sweep the stored model of one cell and write the job's npz with its seal.

    It holds rows (N,), weight (terms,), errors (settings, N, terms), and for each parameter that the method tries its
    value at every setting (settings,).
    Of a cell without a model it holds nothing but `no_model`, and of a sweep that failed nothing but `failed`: why.

    Raises:
        Damaged: what it reads is not what was stored.
    """
    record = cell.record()
    arrays: dict[str, Any]
    if record.status != Outcome.DONE:
        arrays = {"no_model": f"{record.status}: {record.reason}"}
    else:
        try:
            with claimed_device(cell.parts.device) as device:
                os.environ.update(device_environment(device))  # before torch is loaded, which looks for cards once
                arrays = _isolated(cell, lambda: _swept(cell, record, device.kind, job.samples))
        except seals.Damaged:
            raise
        except Exception as error:  # an outcome, as a cell's is
            traceback.print_exc()
            arrays = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
    with replacing(Path(job.path)) as partial, partial.open("wb") as stream:
        np.savez(stream, **arrays)
    seals.seal(Path(job.path))


def _isolated(cell: Cell, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` returns, unless the method tries to touch what is not its own while it runs.

    Raises:
        Forbidden: it tried, whether or not it caught the refusal.
    """
    tried: list[str] = []
    variables = dict(os.environ)
    with tempfile.TemporaryDirectory() as caches:
        os.environ.update(own_caches(Path(caches)))
        own = [cell.data, cell.folder]
        own += [cell.features, str(seals.beside(Path(cell.features)))] if cell.features else []
        try:
            with isolated(Isolation(cell.private, own, [caches], tried.append)):
                done = work()
        finally:
            os.environ.clear()
            os.environ.update(variables)
    if tried:
        raise Forbidden(tried[0])
    return done


def _swept(cell: Cell, record: FitRecord, device: str, samples: int) -> dict[str, Any]:
    from anomark.suite.registry import find_method, load_method

    assert record.model and record.model.file
    cls, settings = load_method(cell.base), find_method(cell.method).sweep
    parts, data = cell.parts, Path(cell.data)
    fit_score.pin(parts.threads)
    meta = cell.meta()
    for path in (data / "test.npy", *map(Path, filter(None, [cell.features]))):
        seals.verify(path)
    method = store.load_model(
        cls,
        fit_score.spec_of(meta, parts.resolution),
        fit_score.seed_of_cell(cell),
        device,
        parts.params,
        Path(cell.folder) / record.model.file,
        cell.features,
    )
    rows = chosen_rows(meta, samples)
    X = fit_score.test_data(data, meta, parts.resolution)[rows]
    tried, errors = zip(*method.sweep(X, settings), strict=True)
    return {
        "rows": rows,
        "weight": method.weight,
        "errors": np.stack(errors),
        **{name: np.array([setting[name] for setting in tried]) for name in tried[0]},
    }


def run(jobs: Jobs, path: str) -> None:
    """Run the sweep of the plan that writes this file, unless another run has stored it meanwhile."""
    job = jobs.sweeps[path]
    with making(Path(path), f"the sweep of {job.cell}"):
        if not (Path(path).exists() and seals.beside(Path(path)).exists()):
            write_sweep(job, jobs.cells[job.cell])
