"""Stage 4: scores meet labels, here and nowhere else.

There is one job for each dataset. It writes all that the report needs: metrics, outcomes, ROC curves and the examples
to draw.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomark import modality, seals
from anomark.contracts import Array, DataError
from anomark.data.images import enlarge_maps
from anomark.evaluation.examples import write_examples
from anomark.evaluation.leakage import copies, warnings
from anomark.evaluation.measure import Measured
from anomark.evaluation.severity import by_severity
from anomark.evaluation.tables import anytime_rows, loss_rows, outcome_row, setting_rows, write_tables
from anomark.evaluation.unlabelled import write_highest
from anomark.outcomes import Outcome
from anomark.records import Cell, CellName, Data, DatasetInfo, FitRecord, Meta, Samples, Summary
from anomark.reference.beside import Beside
from anomark.reference.scores import Truth, place
from anomark.reference.scores import write as write_scores
from anomark.runtime.locks import making
from anomark.statistics.ranking import roc_points
from anomark.suite_records import Jobs, Setting, runs_once

#: The oracle's scores are the labels, so it lives here and not in methods/. Its AUROC must be 1, or this file is wrong.
ORACLE = "oracle"


def evaluate(jobs: Jobs, dataset: str, out: Path) -> None:
    """Evaluate every cell of one dataset and write the folder `out`.

    It holds metrics.csv (dataset, method, seed, metric, value, level), outcomes.csv (one row for each cell, and one for
    each method that doesn't apply), roc.csv, training.csv (losses), anytime.csv (AUROC after less training), sweep.csv
    (settings of stored models), summary.json, bootstrap.npz (the mean AUROC of each method over its seeds, on
    replicates of the test set that all methods share), scores.npz (of every test row, `anomark.reference.scores`), the
    examples to draw (examples.npz), and for injected anomalies severity.csv. Of a dataset without labels there are no
    metrics, but highest.csv and agreement.csv: what each method scores highest, and how far methods agree. Of a refused
    dataset only outcomes.csv and summary.json say anything. The folder is sealed, and what an earlier evaluation left
    in its place goes.

    Reference results that the plan sets beside the cells stand in all of these but scores.npz and training.csv. Their
    numbers are those of the reference; only what compares methods with each other is computed from their scores.

    Raises:
        Damaged: what it reads is not what was stored.
    """
    data = jobs.data[dataset]
    meta = data.meta()
    deterministic = {method.id: runs_once(method.deterministic, data.modality) for method in jobs.methods}
    cells = [(cell, cell.record()) for cell in jobs.cells.values() if cell.dataset == dataset]
    settings = [jobs.settings.get(f"{cell.dataset}/{cell.method}", Setting()) for cell, _ in cells]
    outcomes = [
        outcome_row(cell, record, deterministic[cell.method], setting)
        for (cell, record), setting in zip(cells, settings, strict=True)
    ]
    beside = Beside(jobs.reference, dataset)
    applies_not = [row for row in jobs.not_applicable if row.dataset == dataset]
    not_applicable = [row.model_dump() | {"status": Outcome.NOT_APPLICABLE} for row in applies_not]

    with making(out, f"the evaluation of {dataset}") as work:
        if meta.refused:
            write_tables(work, [], [], [], [], [], {})
            summary = Summary(**data.only(DatasetInfo), refused=meta.refused)
        else:
            summary = _measure(jobs, data, meta, cells, beside, work)
            if summary.labelled:
                oracle = {"dataset": data.dataset, "method": ORACLE, "seed": 0, "deterministic": True}
                outcomes.append(oracle | {"status": Outcome.DONE, "reason": ""})
        pd.DataFrame([*outcomes, *not_applicable, *beside.rows("coverage.csv")]).to_csv(
            work / "outcomes.csv", index=False
        )
        summary.save(work / "summary.json")
        seals.publish(work, out)


def _measure(
    jobs: Jobs, data: Data, meta: Meta, cells: list[tuple[Cell, FitRecord]], beside: Beside, work: Path
) -> Summary:
    """Open the labels, write everything but the outcomes into `work`, and return the summary."""
    for name in ("train.npy", "test.npy"):
        seals.verify(Path(data.folder) / name)
    train, test = (np.load(Path(data.folder) / name, mmap_mode="r") for name in ("train.npy", "test.npy"))
    measured = Measured(meta, np.load(io.BytesIO(seals.read(Path(data.labels)))), len(test))
    labels, masks = measured.labels, measured.masks

    metrics: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    curves: list[dict[str, Any]] = []
    anytime: list[dict[str, Any]] = []
    severity: list[dict[str, Any]] = []
    first: dict[str, tuple[Array, Array | None]] = {}
    scores: dict[str, list[Array]] = {}
    stored: dict[str, Array] = {}

    def keep(known: dict[str, Any], merged: Array) -> None:
        """What is made of every cell's scores beside the metrics."""
        severity.extend(known | row for row in by_severity(measured.events, merged, measured.scored))
        fpr, tpr = roc_points(labels, merged)
        curves.extend(known | {"fpr": x, "tpr": y} for x, y in zip(fpr, tpr, strict=True))
        scores.setdefault(known["method"], []).append(merged)

    for cell, record in cells:
        if record.status != Outcome.DONE:
            continue
        known = cell.only(CellName)
        score, map_, valid = _read_scores(cell, meta)
        stored[place(cell.method, cell.seed)] = score
        merged = measured.merge(score)
        first.setdefault(cell.method, (merged, map_))
        if not measured.labelled:
            continue
        rows = [known | row for row in measured.metrics(merged, map_, valid)]
        metrics += rows
        for row in rows:
            if row["reason"]:
                print(f"{row['metric']} of {cell.method}, seed {cell.seed}, failed: {row['reason']}")
                failed.setdefault(row["metric"], row["reason"])
        keep(known, merged)
        anytime += anytime_rows(cell, record, measured)
    if measured.labelled:
        for known, score in beside.scores(meta.n_test):
            keep(known, measured.merge(score))
    metrics += beside.rows("metrics.csv")
    anytime += beside.rows("anytime.csv")

    rivals = {method.id for method in jobs.methods if method.is_rival}
    asked = rivals & first.keys() or first.keys()
    voices = {method: merged for method, (merged, _) in first.items() if method in asked}
    settings = beside.rows("sweep.csv")
    if measured.labelled:
        oracle = masks.astype(np.float32) if masks is not None else None
        metrics += [
            {"dataset": data.dataset, "method": ORACLE, "seed": 0} | row
            for row in measured.metrics(labels.astype(np.float64), oracle, None)
        ]
        settings += setting_rows(jobs, data.dataset, measured)
    elif first:
        write_highest(data.dataset, measured, voices, work)
    write_tables(work, metrics, curves, list(loss_rows(cells)), anytime, settings, measured.replicates(scores))
    if measured.labelled:
        truth = Truth(measured.all_labels, ~measured.scored, measured.groups, measured.starts)
        write_scores(work / "scores.npz", truth, stored)
    if severity:
        pd.DataFrame(severity).to_csv(work / "severity.csv", index=False)
    write_examples(measured, Path(data.folder), first, voices, jobs.highlight, work)
    copied = None if meta.window else copies(train, test)
    return Summary(
        **data.only(DatasetInfo),
        **meta.only(Samples),
        warnings=tuple(
            warnings(
                *(train, test, measured.all_labels if measured.labelled else None),
                *(meta.window, measured.scored, copied),
            )
        ),
        n_valid=len(meta.valid),
        labelled=measured.labelled,
        n_labels=len(labels),
        n_anomalous=int(labels.sum()),
        copies=None if copied is None else int(copied.sum()),
        random_band=measured.random_band(labels) if measured.labelled else (0.0, 1.0),
        f=jobs.features["features"].name if "features" in jobs.features else beside.network,
        method_params={cell.method: record.parts.params for cell, record in cells},
        failed_metrics=failed,
    )


def _read_scores(cell: Cell, meta: Meta) -> tuple[Array, Array | None, Array | None]:
    """Scores and maps of the test samples, maps as large as the images, and scores of held-out normals."""
    with np.load(io.BytesIO(seals.read(Path(cell.folder) / "scores.npz"))) as stored:
        score, map_, valid = stored["score"], stored.get("map"), stored.get("valid")
    if map_ is not None and modality.load(meta.modality).RESIZABLE:
        map_ = enlarge_maps(map_, (meta.shape[1], meta.shape[2]))
    if len(score) != meta.n_test:
        raise DataError(
            f"{cell.folder}/scores.npz: {len(score)} scores, but {meta.dataset} has {meta.n_test} test rows; "
            "delete the folder and run again"
        )
    return score, map_, valid


def run(jobs: Jobs, dataset: str, out: str) -> None:
    """Evaluate one dataset of the plan into a folder."""
    evaluate(jobs, dataset, Path(out))
