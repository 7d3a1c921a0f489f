"""results.json: what the tables hold, for machines. The models below are its schema (`anomark report --schema`)."""

from __future__ import annotations

import json
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from anomark.records import DatasetInfo, Summary
from anomark.report.metrics import HEADLINE
from anomark.report.results import Results
from anomark.report.tables import interval_phrase, protocol
from anomark.report.verdict import verdict
from anomark.suite_records import MetricInfo


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, from_attributes=True)


class DatasetEntry(_Model):
    """A dataset as the suite saw it; of a refused one only what comes before `protocol` is known."""

    id: str
    label: str
    modality: str
    level: str = Field(description="what one label stands for")
    refused: str | None = Field(None, description="why it could not be evaluated")
    protocol: str | None = Field(None, description="level, seeds, split and f in one line; no number stands without it")
    f: str | None = Field(None, description="the frozen network of the pretrained track; null: the suite has none")
    n_train: int | None = Field(None, description="normal samples (windows of a series)")
    labelled: bool = Field(True, description="false: nobody knows the labels, so there are scores and no numbers")
    n_labels: int | None = Field(None, description="test images, windows, clips or points that a label belongs to")
    n_anomalous: int | None = None
    shape: list[int] | None = Field(None, description="of a sample as prepared: C, H, W or C, L")
    window: int | None = Field(None, description="steps of a window; null where samples are not cut from a series")
    random_band: tuple[float, float] | None = Field(None, description="95% of the AUROC of a random score")
    choices: list[str] = Field([], description="made where the sources are silent")
    source: str = Field("", description="where the data come from")
    citation: str = Field("", description="what to cite with its numbers")
    licence: str = ""


class MethodEntry(_Model):
    """A method or control. Methods are ranked within their track; controls and variants never are."""

    id: str
    label: str
    kind: Literal["method", "control"]
    track: str
    base: str = Field(description="the method that a variant is of; empty for others")
    family: str = Field("", description="what kind of detector it is")
    paper: str = Field("", description="what to cite with its numbers")


class PaperEntry(_Model):
    """A paper whose tables the report sets beside the measured numbers."""

    id: str
    title: str
    citation: str
    links: list[str]


class Number(_Model):
    """One metric of one method on one dataset, over seeds."""

    dataset: str
    method: str
    metric: str = Field(description="an id of `metrics`, which says its range and whether higher is better")
    level: str = Field(description="what one label stands for; pixel: maps against masks")
    status: str = Field(description="done; else how the worst seed ended, or undefined")
    mean: float | None = Field(description="over seeds; null: there is no number, status says why")
    ci95: float | None = Field(description="half width of the mean's 95% Student t interval; null below three seeds")
    by_seed: dict[int, float] = Field(description="seed -> value; a deterministic method has one")
    deterministic: bool
    published: float | None = Field(description="the paper's number for this cell")


class CellEntry(_Model):
    """How one cell ended and what it cost."""

    dataset: str
    method: str
    seed: int | None = Field(description="null: the method does not apply to the dataset")
    status: str
    reason: str
    key: str | None = Field(description="hash of all that the cell's result depends on")
    fit_seconds: float | None
    seconds_per_sample: float | None
    network_calls: float | None = Field(description="for one score")
    flops_per_sample: float | None
    parameters: float | None
    peak_memory_mb: float | None


class ResultsFile(_Model):
    """Every number of one suite with the protocol that it was measured under."""

    format: Literal[1] = Field(1, description="raised when a field changes its meaning or goes")
    suite: str
    date: str | None
    commit: str | None
    modified: bool = Field(description="whether the working tree differed from the commit")
    seeds: list[int]
    statistics: str = Field(description="what stands for the spread over seeds")
    environment: dict[str, str]
    verdict: list[str] = Field(description="sentences; **bold** marks what matters")
    datasets: list[DatasetEntry]
    methods: list[MethodEntry]
    papers: list[PaperEntry] = []
    metrics: list[MetricInfo] = Field([], description="what each metric measures; null in a range: no bound")
    numbers: list[Number]
    cells: list[CellEntry]


def schema() -> str:
    """JSON Schema of results.json."""
    return json.dumps(ResultsFile.model_json_schema(), indent=1) + "\n"


def to_json(results: Results) -> str:
    """The content of results.json; equal results give equal bytes."""
    suite = results.suite
    content = ResultsFile(
        suite=results.suite.suite,
        date=suite.date,
        commit=suite.commit,
        modified=bool(suite.modified),
        seeds=suite.seeds,
        statistics=interval_phrase(results),
        environment=suite.environment,
        verdict=verdict(results),
        datasets=[_dataset(results, dataset) for dataset in results.summaries],
        methods=[MethodEntry.model_validate(method) for method in results.methods.values()],
        papers=[PaperEntry.model_validate(paper) for paper in results.papers],
        metrics=[*results.metrics_info.values()],
        numbers=_numbers(results),
        cells=[CellEntry(**_known(row)) for row in results.outcomes.to_dict("records")],
    )
    return content.model_dump_json(indent=1) + "\n"


def _dataset(results: Results, dataset: str) -> DatasetEntry:
    summary = results.summaries[dataset]
    # What stands in a refused dataset's summary beside its description and the reason are defaults.
    told = {*DatasetInfo.model_fields, "refused"} if summary.refused else {*Summary.model_fields}
    known = {name: getattr(summary, name) for name in DatasetEntry.model_fields if name in told}
    if not summary.labelled:
        known |= {"n_anomalous": None, "random_band": None}
    if dataset in results.prepared:
        known["protocol"] = protocol(results, [dataset])
    return DatasetEntry(**known | {"id": dataset, "label": results.label(dataset)})


def _numbers(results: Results) -> list[Number]:
    rows = results.metrics[["dataset", "method", "metric", "level"]].drop_duplicates()
    numbers = []
    for row in rows.to_dict("records"):
        dataset, method, metric = row["dataset"], row["method"], row["metric"]
        published = results.published.get((dataset, method)) if metric == HEADLINE else None
        score = results.score(dataset, method, metric)
        of_score = {name: getattr(score, name) for name in Number.model_fields if hasattr(score, name)}
        numbers.append(Number.model_validate(row | of_score | {"published": published}))
    return numbers


def _known(row: dict[Any, Any]) -> dict[str, Any]:
    """A row of outcomes.csv as a CellEntry has it: what the file leaves empty is null, a reason empty."""
    empty = dict.fromkeys(CellEntry.model_fields) | {"reason": ""}
    return empty | {name: value for name, value in row.items() if name in empty and not pd.isna(value)}
