"""Stage 4: scores meet labels, here and nowhere else.

One job a dataset. It writes everything the report needs: tidy metrics, outcomes, ROC curves and the examples to draw.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomark.contracts import Array, DataError
from anomark.data.images import enlarge_maps
from anomark.evaluation.measure import Measured
from anomark.evaluation.settings import rank_settings
from anomark.evaluation.severity import by_severity
from anomark.statistics.ranking import roc_points

#: The oracle reads the labels, so it lives here and not in methods/: it must reach 1.000, or the harness is wrong.
ORACLE = "oracle"
#: Whose scores choose the examples that are drawn: the first of these that has some, else any method.
CHOOSERS = ("wavediff", "ddpm")
_COST = (
    "fit_seconds",
    "score_seconds",
    "seconds_per_sample",
    "wall_seconds",
    "cpu_seconds",
    "peak_memory_mb",
    "parameters",
    "network_calls",
    "flops_per_sample",
)
_SWEEP = (
    *("dataset", "method", "seed", "level", "samples", "random_low", "random_high"),
    *("start", "calls", "from_noise", "lambda", "differs", "auroc", "failed"),
)


def evaluate(plan: dict[str, Any], dataset: str, out: Path) -> None:
    """Evaluate every cell of one dataset and write the folder `out`.

    metrics.csv (dataset, method, seed, metric, value, level), outcomes.csv (one row a cell, and one for each method
    that doesn't apply), roc.csv, training.csv (losses), sweep.csv (settings of stored diffusion models), summary.json,
    bootstrap.npz (a method's AUROC, mean over seeds, on each replicate of the test set: the same replicates for all
    methods), and gallery.npz (images) or series.npz; of injected anomalies severity.csv too. Of a refused dataset only
    outcomes.csv and summary.json say anything.
    """
    job = plan["data"][dataset]
    meta = json.loads((Path(job["folder"]) / "meta.json").read_text())
    deterministic = {row["id"]: row["deterministic"] for row in plan["methods"]}
    cells = [
        (cell, json.loads((Path(cell["folder"]) / "fit.json").read_text()))
        for cell in plan["cells"].values()
        if cell["dataset"] == dataset
    ]
    outcomes = [_outcome(cell, record, deterministic[cell["method"]]) for cell, record in cells]
    not_applicable = [row | {"status": "n/a"} for row in plan["not_applicable"] if row["dataset"] == dataset]

    work = out.with_name(f".{out.name}.{os.getpid()}")
    work.mkdir(parents=True)
    try:
        if "refused" in meta:
            _write_tables(work, [], [], [], [], {})
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


def _outcome(cell: dict[str, Any], record: dict[str, Any], deterministic: bool) -> dict[str, Any]:
    """A cell's row of outcomes.csv."""
    return {
        **{name: cell[name] for name in ("dataset", "method", "seed")},
        "status": record["status"],
        "reason": record["reason"],
        "key": cell["key"],
        **{name: record["cost"].get(name) for name in _COST},
        "device": record["device"]["kind"],
        "deterministic": deterministic,
        "model": (record["model"] or {}).get("format"),
    }


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
    swept = list(_swept(plan, dataset, measured))
    _write_tables(work, metrics, curves, list(_losses(cells)), swept, measured.replicates(scores))
    if severity:
        pd.DataFrame(severity).to_csv(work / "severity.csv", index=False)
    _write_examples(measured, folder, first, work)
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


def _write_tables(
    work: Path,
    metrics: list[dict[str, Any]],
    curves: list[dict[str, Any]],
    losses: list[dict[str, Any]],
    swept: list[dict[str, Any]],
    replicates: dict[str, Array],
) -> None:
    known = ["dataset", "method", "seed"]
    pd.DataFrame(metrics, columns=[*known, "metric", "value", "level"]).to_csv(work / "metrics.csv", index=False)
    roc = pd.DataFrame(curves, columns=[*known, "fpr", "tpr"])
    roc.to_csv(work / "roc.csv", index=False, float_format="%.5f")
    training = pd.DataFrame(losses, columns=[*known, "loop", "step", "part", "loss"])
    training.to_csv(work / "training.csv", index=False, float_format="%.6g")
    pd.DataFrame(swept, columns=_SWEEP).to_csv(work / "sweep.csv", index=False)
    np.savez(work / "bootstrap.npz", **replicates)  # type: ignore[arg-type]


def _write_examples(measured: Measured, folder: Path, first: dict[str, tuple[Array, Array | None]], out: Path) -> None:
    """What the figures draw: a series whole, else the best, the median and the worst sample of each class.

    One method's scores choose (`CHOOSERS`), and the file names it, so that a reader knows whom that flatters.
    """
    test = np.load(folder / "test.npy", mmap_mode="r")
    if measured.level == "point":
        arrays = {"series": np.asarray(test), "labels": measured.all_labels}
        for method, (merged, _) in first.items():
            arrays[f"score:{method}"] = np.full(measured.steps, np.nan, dtype=np.float32)
            arrays[f"score:{method}"][measured.scored] = merged
        if measured.events:
            names = ("kind", "first", "last", "amplitude")
            arrays |= {name: np.array([event[name] for event in measured.events]) for name in names}
            arrays |= {"channel": np.array([e["channels"][0] for e in measured.events]), "left_out": ~measured.scored}
        np.savez(out / "series.npz", **arrays)  # type: ignore[arg-type]
        return
    if not first:
        return
    chooser = next(method for method in (*CHOOSERS, *first) if method in first)
    cases = _cases(measured.labels, first[chooser][0])
    rows = np.array(list(cases))
    shown: dict[str, Array] = {f"score:{m}": merged[rows].astype(np.float32) for m, (merged, _) in first.items()}
    shown |= {"label": measured.labels[rows], "case": np.array(list(cases.values())), "chooser": np.array(chooser)}
    if measured.meta["modality"] == "image":
        shown["input"] = np.asarray(test[rows])
        if measured.masks is not None:
            shown["mask"] = measured.masks[rows]
        shown |= {f"map:{method}": map_[rows] for method, (_, map_) in first.items() if map_ is not None}
        np.savez(out / "gallery.npz", **shown)  # type: ignore[arg-type]
    else:
        shown["examples"] = np.asarray(test[rows])
        np.savez(out / "series.npz", **shown)  # type: ignore[arg-type]


def _cases(labels: Array, scores: Array) -> dict[int, str]:
    """Row -> best, median or worst by its score: anomalous rows from the highest down, then normal ones from below."""
    cases: dict[int, str] = {}
    for wanted, sign in ((1, -1), (0, 1)):
        rows = np.flatnonzero(labels == wanted)
        order = rows[np.argsort(sign * scores[rows], kind="stable")]
        for case, place in {"best": 0, "median": len(order) // 2, "worst": -1}.items():
            cases.setdefault(int(order[place]), case)
    return cases


def _losses(cells: list[tuple[dict[str, Any], dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Rows of training.csv: the curves of every loop of every cell, one row a point and a loss of the loop."""
    for cell, record in cells:
        for loop, curve in (record.get("info") or {}).get("loss", {}).items():
            for step, *losses in curve:
                for part, loss in enumerate(losses):
                    known = {name: cell[name] for name in ("dataset", "method", "seed")}
                    yield known | {"loop": loop, "step": step, "part": part, "loss": loss}


def _swept(plan: dict[str, Any], dataset: str, measured: Measured) -> Iterator[dict[str, Any]]:
    """Rows of sweep.csv: what every setting of a swept model is worth on the test rows that it scored."""
    for job in plan["sweeps"].values():
        if job["dataset"] != dataset:
            continue
        with np.load(job["path"]) as stored:
            swept = dict(stored)
        if "no_model" in swept:  # outcomes.csv says the same of its cell
            continue
        if "failed" in swept:
            yield {name: job[name] for name in ("dataset", "method", "seed")} | {"failed": str(swept["failed"])}
            continue
        rows = swept["rows"]
        labels, _ = measured.of_rows(rows, np.zeros(len(rows)))
        low, high = measured.random_band(labels)
        known = {name: job[name] for name in ("dataset", "method", "seed")}
        known |= {"level": measured.level, "samples": len(rows), "random_low": low, "random_high": high}
        for setting in rank_settings(swept, partial(measured.of_rows, rows)):
            yield known | setting


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
