"""Stage 4: scores meet labels, here and nowhere else.

There is one job for each dataset. It writes all that the report needs: metrics, outcomes, ROC curves and the examples
to draw.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomark.contracts import Array, DataError
from anomark.data.images import enlarge_maps
from anomark.evaluation.examples import write_examples
from anomark.evaluation.measure import Measured
from anomark.evaluation.severity import by_severity
from anomark.evaluation.tables import loss_rows, outcome_row, setting_rows, write_tables
from anomark.statistics.ranking import roc_points

#: The oracle's scores are the labels, so it lives here and not in methods/. Its AUROC must be 1, or this file is wrong.
ORACLE = "oracle"


def evaluate(plan: dict[str, Any], dataset: str, out: Path) -> None:
    """Evaluate every cell of one dataset and write the folder `out`.

    It holds metrics.csv (dataset, method, seed, metric, value, level), outcomes.csv (one row for each cell, and one for
    each method that doesn't apply), roc.csv, training.csv (losses), sweep.csv (settings of stored models),
    summary.json, bootstrap.npz (the mean AUROC of each method over its seeds, on replicates of the test set that all
    methods share), the examples to draw (gallery.npz or series.npz), and for injected anomalies severity.csv. Of a
    refused dataset only outcomes.csv and summary.json say anything.
    """
    job = plan["data"][dataset]
    meta = json.loads((Path(job["folder"]) / "meta.json").read_text())
    deterministic = {row["id"]: row["deterministic"] for row in plan["methods"]}
    cells = [
        (cell, json.loads((Path(cell["folder"]) / "fit.json").read_text()))
        for cell in plan["cells"].values()
        if cell["dataset"] == dataset
    ]
    outcomes = [outcome_row(cell, record, deterministic[cell["method"]]) for cell, record in cells]
    not_applicable = [row | {"status": "n/a"} for row in plan["not_applicable"] if row["dataset"] == dataset]

    work = out.with_name(f".{out.name}.{os.getpid()}")
    work.mkdir(parents=True)
    try:
        if "refused" in meta:
            write_tables(work, [], [], [], [], {})
            summary = {name: meta[name] for name in ("dataset", "label", "modality", "level", "refused")}
            summary |= {name: job[name] for name in ("base", "protocol")}
        else:
            oracle = {"dataset": dataset, "method": ORACLE, "seed": 0, "deterministic": True}
            outcomes.append(oracle | {"status": "done", "reason": ""})
            summary = _measure(plan, job, meta, cells, work)
        pd.DataFrame([*outcomes, *not_applicable]).to_csv(work / "outcomes.csv", index=False)
        (work / "summary.json").write_text(json.dumps(summary, indent=1))
        out.mkdir(parents=True, exist_ok=True)
        for file in sorted(work.iterdir()):
            os.replace(file, out / file.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _measure(
    plan: dict[str, Any],
    job: dict[str, Any],
    meta: dict[str, Any],
    cells: list[tuple[dict[str, Any], dict[str, Any]]],
    work: Path,
) -> dict[str, Any]:
    """Open the labels, write everything but the outcomes into `work`, and return the summary."""
    dataset, folder = meta["dataset"], Path(job["folder"])
    truth = np.load(job["labels"])
    masks = truth.get("masks")
    events = json.loads(str(truth["recipe"]))["events"] if "recipe" in truth else []
    measured = Measured(meta, truth["labels"], masks, truth.get("groups"), truth.get("left_out"), events)
    labels = measured.labels

    metrics: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    curves: list[dict[str, Any]] = []
    severity: list[dict[str, Any]] = []
    first: dict[str, tuple[Array, Array | None]] = {}
    scores: dict[str, list[Array]] = {}
    for cell, record in cells:
        if record["status"] != "done":
            continue
        known = {name: cell[name] for name in ("dataset", "method", "seed")}
        score, map_, valid = _read_scores(cell, meta)
        merged = measured.merge(score)
        rows = [known | row for row in measured.metrics(merged, map_, valid)]
        metrics += rows
        for row in rows:
            if row["reason"]:
                print(f"{row['metric']} of {cell['method']}, seed {cell['seed']}, failed: {row['reason']}")
                failed.setdefault(row["metric"], row["reason"])
        severity += [known | row for row in by_severity(events, merged, measured.scored)]
        fpr, tpr = roc_points(labels, merged)
        curves += [known | {"fpr": x, "tpr": y} for x, y in zip(fpr, tpr, strict=True)]
        first.setdefault(cell["method"], (merged, map_))
        scores.setdefault(cell["method"], []).append(merged)

    oracle = masks.astype(np.float32) if masks is not None else None
    metrics += [
        {"dataset": dataset, "method": ORACLE, "seed": 0} | row
        for row in measured.metrics(labels.astype(np.float64), oracle, None)
    ]
    settings = list(setting_rows(plan, dataset, measured))
    write_tables(work, metrics, curves, list(loss_rows(cells)), settings, measured.replicates(scores))
    if severity:
        pd.DataFrame(severity).to_csv(work / "severity.csv", index=False)
    write_examples(measured, folder, first, plan["highlight"], work)
    params = {cell["method"]: record["params"] for cell, record in cells}
    return _summary(plan, job, meta, measured) | {"method_params": params, "failed_metrics": failed}


def _read_scores(cell: dict[str, Any], meta: dict[str, Any]) -> tuple[Array, Array | None, Array | None]:
    """Scores and maps of the test samples, maps as large as the images, and scores of held-out normals."""
    with np.load(Path(cell["folder"]) / "scores.npz") as stored:
        score, map_, valid = stored["score"], stored.get("map"), stored.get("valid")
    if map_ is not None and meta["modality"] == "image":
        map_ = enlarge_maps(map_, tuple(meta["shape"][1:]))
    if len(score) != meta["n_test"]:
        raise DataError(
            f"{cell['folder']}/scores.npz: {len(score)} scores, but {meta['dataset']} has {meta['n_test']} test rows; "
            "delete the folder and run again"
        )
    return score, map_, valid


def _summary(plan: dict[str, Any], job: dict[str, Any], meta: dict[str, Any], measured: Measured) -> dict[str, Any]:
    copied = ("dataset", "label", "modality", "level", "normal_class", "licence", "source", "choices", "notes")
    return {name: meta[name] for name in (*copied, "n_train", "n_test", "shape", "window", "stride", "params")} | {
        "n_valid": len(meta["valid"]),
        "base": job["base"],
        "protocol": job["protocol"],
        "n_labels": len(measured.labels),
        "n_anomalous": int(measured.labels.sum()),
        "random_band": measured.random_band(measured.labels),
        "data_key": job["key"],
        "f": plan["features"]["name"] if plan["features"] else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    try:
        evaluate(json.loads(args.plan.read_text()), args.dataset, args.out)
    except (DataError, OSError) as error:
        raise SystemExit(f"anomark evaluate: {error}") from None


if __name__ == "__main__":
    main()
