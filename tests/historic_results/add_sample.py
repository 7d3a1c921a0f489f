"""Keeps a small sample of today's result files, so that later versions are tested to load them.

    python tests/historic_results/add_sample.py NAME

It is run in a checkout whose smoke suite has run, and writes the folder `tests/historic_results/NAME` with the files of
one cell, of its dataset and of the suite, cut down to three methods. NAME sorts after the samples that are there.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
DATASET, METHODS = "digits-0", ("knn", "vae", "random_score")


def main(name: str) -> None:
    """Write the sample."""
    results, out = ROOT / "results", Path(__file__).parent / name
    out.mkdir()
    cell = next((results / "cells" / DATASET / METHODS[0]).glob("*/fit.json")).parent
    meta = next((results / "data" / DATASET).glob("*/meta.json"))
    evaluation = results / "smoke/evaluation" / DATASET
    for source in (cell / "fit.json", cell / "scores.npz", meta, evaluation / "summary.json"):
        shutil.copy(source, out / source.name)
    for table in ("metrics.csv", "outcomes.csv"):
        rows = pd.read_csv(evaluation / table, dtype=str, keep_default_na=False)
        rows[rows["method"].isin(METHODS)].to_csv(out / table, index=False, lineterminator="\n")
    suite = json.loads((results / "smoke/suite.json").read_text())
    report = json.loads((ROOT / "reports/smoke/results.json").read_text())
    for content in (suite, report):
        content["methods"] = [entry for entry in content["methods"] if entry["id"] in METHODS]
    suite["datasets"] = [DATASET]
    report["datasets"] = [entry for entry in report["datasets"] if entry["id"] == DATASET]
    for part in ("numbers", "cells"):
        report[part] = [entry for entry in report[part] if _of_sample(entry)]
    for file, content in (("suite.json", suite), ("results.json", report)):
        (out / file).write_text(json.dumps(content, indent=1) + "\n")


def _of_sample(entry: dict[str, Any]) -> bool:
    return entry["dataset"] == DATASET and entry["method"] in METHODS


if __name__ == "__main__":
    main(sys.argv[1])
