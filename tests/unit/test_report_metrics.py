"""The report learns of metrics from the suite: one that nobody named before stands where it belongs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from anomark.report.machine import to_json
from anomark.report.metrics import alarm_metrics, further_metrics, reading_metrics
from anomark.report.results import Results, load_results
from anomark.report.table import Table
from anomark.stages.report import report
from tests.report_fixture import section_file, write_evaluation

alarm_table = section_file("70_alarms").alarm_table
leaderboard = section_file("75_leaderboard").leaderboard
reading_table = section_file("60_readings").reading_table

SERIES, IMAGES = "series", "textures"


def with_metric(root: Path, level: str | None, values: dict[str, float], **says: Any) -> Results:
    """The example suite with one metric more, `mine`: method -> value on the series, or on the textures."""
    suite_json, evaluation = write_evaluation(root, (SERIES, IMAGES))
    suite = json.loads(suite_json.read_text())
    suite["metrics"].append({"id": "mine", "label": "Mine", "levels": [level] if level else []} | says)
    suite_json.write_text(json.dumps(suite))
    path = evaluation / (SERIES if level else IMAGES) / "metrics.csv"
    rows = [
        {"dataset": path.parent.name, "method": m, "seed": s, "metric": "mine", "value": v, "level": level or "image"}
        for m, v in values.items()
        for s in (0, 1, 2)
    ]
    pd.concat([pd.read_csv(path), pd.DataFrame(rows)]).to_csv(path, index=False)
    return load_results(suite_json, evaluation)


def cells(table: Table, dataset: str, method: str) -> dict[str, Any]:
    row = next(row for row in table.rows if row.dataset == dataset and row.method == method)
    return {column.header: cell for column, cell in zip(table.columns, row.cells, strict=True)}


def test_a_metric_of_every_level_is_a_column_of_the_leaderboard(tmp_path: Path) -> None:
    results = with_metric(tmp_path, None, {"vae": 17.0}, range=(0, 100), note="in percent")
    table = leaderboard(results)
    assert cells(table, IMAGES, "vae")["Mine"].text == "17" and cells(table, IMAGES, "knn")["Mine"].text == "–"
    assert "Mine" not in [column.header for column in reading_table(results).columns]


def test_a_metric_of_one_level_is_a_reading_ranked_in_its_direction(tmp_path: Path) -> None:
    values = {"vae": 0.2, "wavediff": 0.6, "random_score": 0.9}
    results = with_metric(tmp_path, "point", values, range=(0, 1), higher_is_better=False, flattering=True)
    table = reading_table(results)
    best, other = (cells(table, SERIES, method)["Mine"] for method in ("vae", "wavediff"))
    assert best.best and "rank 1" in best.note and "rank 2" in other.note
    assert "Mine" not in [column.header for column in leaderboard(results).columns]


def test_numbers_at_a_threshold_stand_together(tmp_path: Path) -> None:
    results = with_metric(tmp_path, None, {"vae": 0.2}, base="false_alarms")
    assert [metric.id for metric in alarm_metrics(results)][-1] == "mine"
    assert "Mine" in [column.header for column in alarm_table(results).columns]
    shown = {metric.id for group in (reading_metrics(results), further_metrics(results)) for metric in group}
    assert "mine" not in shown and "auroc" not in shown and {"ap", "vus_roc"} <= shown


def test_a_metric_that_raised_is_named_with_its_reason(tmp_path: Path) -> None:
    suite_json, evaluation = write_evaluation(tmp_path, (IMAGES,))
    path = evaluation / IMAGES / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"failed_metrics": {"f1_max": "ValueError: no"}}))
    results = load_results(suite_json, evaluation)
    assert any("Best F1" in note and "ValueError: no" in note for note in leaderboard(results).notes)
    assert results.score(IMAGES, "vae", "f1_max").status == "failed"


def test_results_json_says_what_each_metric_is(tmp_path: Path) -> None:
    results = with_metric(tmp_path, None, {"vae": 0.2}, range=(0, None), source="a paper")
    metrics = {metric["id"]: metric for metric in json.loads(to_json(results))["metrics"]}
    assert metrics["mine"]["range"] == [0, None] and metrics["mine"]["source"] == "a paper"
    assert metrics["false_alarm_rate_held_out"]["higher_is_better"] is False


def test_a_suite_that_says_nothing_of_its_metrics_still_has_them(tmp_path: Path) -> None:
    suite_json, evaluation = write_evaluation(tmp_path, (IMAGES,))
    suite = json.loads(suite_json.read_text())
    del suite["metrics"]
    suite_json.write_text(json.dumps(suite))
    results = load_results(suite_json, evaluation)
    assert results.metrics_info["pixel_auroc"].label == "pixel_auroc"
    assert cells(leaderboard(results), IMAGES, "vae")["pixel_auroc"].text.startswith(".")


def test_a_report_without_a_metric_of_any_table_is_still_written(tmp_path: Path) -> None:
    suite_json, evaluation = write_evaluation(tmp_path, (SERIES,))
    suite = json.loads(suite_json.read_text())
    suite["metrics"] = [metric for metric in suite["metrics"] if metric["id"] == "auroc"]
    suite_json.write_text(json.dumps(suite))
    path = evaluation / SERIES / "metrics.csv"
    table = pd.read_csv(path)
    table[table["metric"] == "auroc"].to_csv(path, index=False)
    assert report(suite_json, evaluation, tmp_path / "out", tmp_path / "results").is_file()
