"""Files between stages: what is written is read again, older files still load, and a broken one is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anomark.contracts import DataError
from anomark.outcomes import Outcome
from anomark.records import CellInfo, Data, Device, FitRecord, Meta, Record, Result, Summary
from anomark.suite.config import load
from anomark.suite.plan import Plan
from anomark.suite_records import Jobs, SuiteRecord
from tests.samples import planned_cell, planned_data, planned_jobs

CELL = planned_cell(Path("root"), "mine", params={"width": 4, "sizes": [1, 2]}, sources={"methods/mine.py": "hash"})
DATA = planned_data(Path("root"), params={"size": 8})
RECORDS: list[Record] = [
    CELL,
    DATA,
    Result(status=Outcome.DONE, info={"loss": {"train": [[1, 0.5]]}}),
    FitRecord(**CELL.only(CellInfo), status=Outcome.OOM, reason="it used 9 GiB", device=Device(kind="cuda", card="1")),
    Meta(dataset="mine", modality="series", level="point", shape=(1, 16), window=16, train_starts=(0, 4)),
    Summary(dataset="mine", modality="series", level="point", refused="undefined: one class"),
    planned_jobs(cells={CELL.id: CELL}, data={"mine": DATA}),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_what_is_written_is_read_again(record: Record, tmp_path: Path) -> None:
    record.save(tmp_path / "a/record.json")
    assert type(record).load(tmp_path / "a/record.json") == record
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["record.json"]


def test_a_plan_and_its_suite_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = Plan(load("smoke"))
    plan.write()
    jobs = Jobs.load(Path(plan.folder) / "plan.json")
    assert [*jobs.cells] == [cell.id for cell in plan.cells] and jobs.limits == plan.suite.limits
    suite = SuiteRecord.load(Path(plan.folder) / "suite.json")
    assert suite.datasets == tuple(plan.data) and all(method.name and method.label for method in suite.methods)


def test_an_older_file_loads_without_what_it_lacks_and_a_newer_one_with_more_than_is_known(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text(
        json.dumps({"dataset": "d", "modality": "image", "level": "image", "data_key": "k", "shape": [1, 2, 2]})
    )
    summary = Summary.load(path)
    assert summary.shape == (1, 2, 2) and summary.citation == "" and summary.refused is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ("does not exist", "run snakemake")),
        ("{", ("Invalid JSON", "delete it")),
        ("[]", ("FitRecord", "delete it")),
        ('{"status": "done"}', ("Field required", "delete it")),
        ('{"status": "well"}', ("status", "delete it")),
    ],
)
def test_a_broken_file_is_one_sentence_that_names_it(
    tmp_path: Path, content: str | None, words: tuple[str, ...]
) -> None:
    path = tmp_path / "fit.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError) as error:
        FitRecord.load(path)
    sentence = str(error.value)
    assert sentence.startswith(f"{path}: ") and "\n" not in sentence and all(word in sentence for word in words)


def test_data_is_described_once() -> None:
    """The summary of a dataset holds its description as the plan has it, and no place of a file."""
    assert {*Summary.model_fields} >= {*Data.model_fields} - {"module", "raw", "folder", "labels", "made_from"}
    assert not {*Summary.model_fields} & {"raw", "folder", "labels"}


def test_outcomes_are_ordered_from_the_worst_and_only_good_ones_are_part_of_a_plan() -> None:
    assert max(Outcome, key=lambda outcome: outcome.rank) is Outcome.DONE
    assert [outcome.good for outcome in Outcome] == sorted(outcome.good for outcome in Outcome)
    assert Outcome("n/a") is Outcome.NOT_APPLICABLE and f"{Outcome.OOM}" == "oom"
    assert all(outcome.meaning for outcome in Outcome)
