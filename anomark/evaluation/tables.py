"""The tables that `evaluate` writes of one dataset, beside the metrics: outcomes, curves and settings."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomark import seals
from anomark.contracts import Array
from anomark.evaluation.measure import Measured
from anomark.evaluation.settings import rank_settings
from anomark.records import Cell, CellName, FitRecord, Milestone
from anomark.statistics.ranking import auroc
from anomark.suite_records import Jobs, Setting

#: Columns of sweep.csv, before and behind the parameters that were tried.
_SWEPT = ("dataset", "method", "seed", "level", "samples", "random_low", "random_high")
_FOUND = ("lambda", "differs", "auroc", "failed")


def outcome_row(cell: Cell, record: FitRecord, deterministic: bool, setting: Setting) -> dict[str, Any]:
    """A cell's row of outcomes.csv."""
    return {
        **cell.only(CellName),
        "status": record.status,
        "reason": record.reason,
        "key": cell.key,
        **dict(record.cost),
        "device": record.device.kind,
        "deterministic": deterministic,
        "model": record.model.format if record.model else None,
        **dict(setting),
    }


def loss_rows(cells: Iterable[tuple[Cell, FitRecord]]) -> Iterator[dict[str, Any]]:
    """Rows of training.csv: the curves of every training loop of every cell, one row for each point and loss."""
    for cell, record in cells:
        for loop, curve in record.info.get("loss", {}).items():
            for step, *losses in curve:
                for part, loss in enumerate(losses):
                    yield cell.only(CellName) | {"loop": loop, "step": step, "part": part, "loss": loss}


def anytime_rows(cell: Cell, record: FitRecord, measured: Measured) -> Iterator[dict[str, Any]]:
    """Rows of anytime.csv: the AUROC of one cell's scores after less training, then that of its own scores."""
    if not record.milestones:
        return
    with np.load(io.BytesIO(seals.read(Path(cell.folder) / "scores.npz"))) as stored:
        scores = [*stored.get("earlier", ()), stored["score"]]
    for milestone, score in zip(record.milestones, scores, strict=True):
        value = auroc(measured.labels, measured.merge(score))
        yield cell.only(CellName) | milestone.model_dump() | {"auroc": value}


def setting_rows(jobs: Jobs, dataset: str, measured: Measured) -> Iterator[dict[str, Any]]:
    """Rows of sweep.csv: the AUROC of every setting of a stored model, on the test rows that were scored with it."""
    for job in jobs.sweeps.values():
        if job.dataset != dataset:
            continue
        with np.load(io.BytesIO(seals.read(Path(job.path)))) as stored:
            swept = dict(stored)
        if "no_model" in swept:  # outcomes.csv says the same of its cell
            continue
        if "failed" in swept:
            yield job.only(CellName) | {"failed": str(swept["failed"])}
            continue
        rows = swept["rows"]
        labels, _ = measured.of_rows(rows, np.zeros(len(rows)))
        low, high = measured.random_band(labels)
        known = job.only(CellName)
        known |= {"level": measured.level, "samples": len(rows), "random_low": low, "random_high": high}
        for setting in rank_settings(swept, partial(measured.of_rows, rows)):
            yield known | setting


def write_tables(
    work: Path,
    metrics: list[dict[str, Any]],
    curves: list[dict[str, Any]],
    losses: list[dict[str, Any]],
    anytime: list[dict[str, Any]],
    swept: list[dict[str, Any]],
    replicates: dict[str, Array],
) -> None:
    """Write metrics.csv, roc.csv, training.csv, anytime.csv, sweep.csv and bootstrap.npz into the folder `work`."""
    known = ["dataset", "method", "seed"]
    pd.DataFrame(metrics, columns=[*known, "metric", "value", "level"]).to_csv(work / "metrics.csv", index=False)
    roc = pd.DataFrame(curves, columns=[*known, "fpr", "tpr"])
    roc.to_csv(work / "roc.csv", index=False, float_format="%.5f")
    training = pd.DataFrame(losses, columns=[*known, "loop", "step", "part", "loss"])
    training.to_csv(work / "training.csv", index=False, float_format="%.6g")
    course = pd.DataFrame(anytime, columns=[*known, *Milestone.model_fields, "auroc"])
    course.to_csv(work / "anytime.csv", index=False)
    tried = dict.fromkeys(name for row in swept for name in row if name not in (*_SWEPT, *_FOUND))
    pd.DataFrame(swept, columns=[*_SWEPT, *tried, *_FOUND]).to_csv(work / "sweep.csv", index=False)
    np.savez(work / "bootstrap.npz", **replicates)  # type: ignore[arg-type]
