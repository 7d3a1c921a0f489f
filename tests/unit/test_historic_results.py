"""Every format that results were ever written in still loads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from anomark import records, suite_records
from anomark.report.machine import ResultsFile

SAMPLES = sorted(path for path in (Path(__file__).parents[1] / "historic_results").iterdir() if path.is_dir())
RECORDS: dict[str, type[records.Record]] = {
    "fit.json": records.FitRecord,
    "meta.json": records.Meta,
    "summary.json": records.Summary,
    "suite.json": suite_records.SuiteRecord,
}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_results_of_every_format_load(sample: Path) -> None:
    cell = records.FitRecord.load(sample / "fit.json")
    data = records.Meta.load(sample / "meta.json")
    summary = records.Summary.load(sample / "summary.json")
    suite = suite_records.SuiteRecord.load(sample / "suite.json")
    report = ResultsFile.model_validate_json((sample / "results.json").read_bytes())
    assert cell.status == "done" and cell.method == "knn" and cell.cost.fit_seconds
    with np.load(sample / "scores.npz") as stored:
        assert len(stored["score"]) == data.n_test == summary.n_test
    assert suite.suite == report.suite == "smoke"
    assert {entry.id for entry in report.methods} == {entry.id for entry in suite.methods}
    numbers = {(entry.method, entry.metric): entry.mean for entry in report.numbers}
    assert numbers["knn", "auroc"] is not None


def test_the_newest_sample_is_of_todays_format() -> None:
    """A field that is new, or gone, asks for a new sample: `python tests/historic_results/add_sample.py NAME`."""
    newest = SAMPLES[-1]
    models: dict[str, type[BaseModel]] = {**RECORDS, "results.json": ResultsFile}
    for name, model in models.items():
        written = json.loads((newest / name).read_text())
        assert written.keys() == model.model_fields.keys(), f"{newest / name} is of another format"
