"""Tables of series as people bring them: several series in one, without labels, with times, as Parquet."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from anomark.contracts import AnomarkError, DataError, Prepared
from anomark.suite import config, registry, select
from anomark.suite.plan import Plan
from anomark_datasets import table

STEPS = 400
PUMPS = ("north", "south 2/3", "south 2?3", "südwest")


def frame(steps: int = STEPS, seed: int = 0) -> pd.DataFrame:
    t, rng = np.arange(steps), np.random.default_rng(seed)
    flow = np.sin(t / 5) + 0.05 * rng.normal(size=steps)
    flow[steps - 60 : steps - 50] += 3
    label = ((t >= steps - 60) & (t < steps - 50)).astype(int)
    return pd.DataFrame({"flow": flow, "valve": np.cos(t / 5), "label": label})


def interleaved() -> pd.DataFrame:
    """Rows of all pumps by turns, at the same times."""
    parts = [frame(seed=i).assign(pump=name, hour=np.arange(STEPS)) for i, name in enumerate(PUMPS)]
    return pd.concat(parts).sort_values("hour", kind="stable").rename(columns={"hour": "time"})


def write(root: Path, rows: pd.DataFrame, name: str = "mine.csv") -> Path:
    path = root / "table" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(path) if name.endswith(".parquet") else rows.to_csv(path, index=False)
    return root


def read(root: Path, **params: Any) -> Prepared:
    return table.prepare(root, **{**registry.families()["table"].defaults, "item": "mine", **params})


def suite(root: Path, monkeypatch: pytest.MonkeyPatch, *names: str, **params: Any) -> config.Suite:
    monkeypatch.setenv("ANOMARK_DATA", str(root))
    change = {"datasets": [*names], "dataset_params": {"table-mine": params}, "include": [], "sweep": config.Sweep()}
    return config.load("smoke").model_copy(update=change)


def test_each_entity_of_a_table_is_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, interleaved())
    plan = Plan(suite(tmp_path, monkeypatch, "table-mine", entity="pump"), results=str(tmp_path / "results"))
    assert [d.id for d in plan.datasets if not d.protocol] == [
        "table-mine@north",
        "table-mine@south 2_3",
        "table-mine@south 2_3~2",
        "table-mine@südwest",
    ]
    for i, name in enumerate(PUMPS):
        data = [data for data in plan.data.values() if not data.protocol][i]
        found = table.prepare(tmp_path, **data.params)
        alone = read(write(tmp_path / str(i), frame(seed=i)))
        np.testing.assert_array_equal(found.test, alone.test)
        assert found.labels is not None and found.labels.sum() == 10 and data.params["only"] == name
        assert data.base == "table-mine" and data.protocol == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("table-mine@north", ["north"]),
        ("table-mine@*s*", ["south 2_3", "south 2_3~2", "südwest"]),
        ("table-*", ["north", "south 2_3", "south 2_3~2", "südwest"]),
    ],
)
def test_entities_are_named_and_met_by_patterns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: list[str]
) -> None:
    write(tmp_path, interleaved())
    found = select.datasets(suite(tmp_path, monkeypatch, name, entity="pump"))
    assert [dataset.member for dataset in found] == expected


def test_an_entity_that_is_not_there_is_named_and_a_wrong_column_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, interleaved())
    with pytest.raises(AnomarkError, match="unknown dataset 'table-mine@nort'; did you mean 'table-mine@north'"):
        select.datasets(suite(tmp_path, monkeypatch, "table-mine@nort", entity="pump"))
    (whole,) = select.datasets(suite(tmp_path, monkeypatch, "table-mine", entity="pumps"))
    assert whole.id == "table-mine"
    with pytest.raises(DataError, match="expected one called pumps, which `entity`"):
        read(tmp_path, entity="pumps")
    with pytest.raises(DataError, match="no row has pump 'west'"):
        read(tmp_path, entity="pump", only="west")
    with pytest.raises(DataError, match=r"the column pump holds words, such as 'north' in line 2.*as `entity`"):
        read(tmp_path)


def test_lines_are_those_of_the_file_where_rows_of_others_stand_between(tmp_path: Path) -> None:
    rows = interleaved()
    rows.loc[rows.index[:40], "flow"] = np.nan
    with pytest.raises(DataError, match="flow has no value in 10 rows from line 3 on"):
        read(write(tmp_path, rows.drop(columns="time")), entity="pump", only="south 2/3")


@pytest.mark.parametrize("columns", [["flow", "valve"], ["flow"], ["time", "flow"]])
def test_a_table_without_labels_has_none(tmp_path: Path, columns: list[str]) -> None:
    rows = frame().assign(time=np.arange(STEPS))[columns]
    found = read(write(tmp_path, rows))
    assert found.labels is None and len(found.test) == STEPS // 2 and found.normal_class == ""
    assert any("nothing says whether the 200 rows that train are normal" in note for note in found.notes)


def test_a_label_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected one of labels called fault"):
        read(write(tmp_path, frame().drop(columns="label")), label="fault")


DATES = pd.date_range("2024-03-30 23:00", periods=STEPS, freq="10min")
CLOCKS: dict[str, Any] = {
    "timestamp": DATES.strftime("%Y-%m-%d %H:%M:%S"),
    "Zeit": DATES.strftime("%d.%m.%Y %H:%M"),
    "when": DATES.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "Date": DATES.strftime("%m/%d/%Y %H:%M"),
}


@pytest.mark.parametrize("name", CLOCKS)
def test_dates_are_found_and_kept_for_the_axis(tmp_path: Path, name: str) -> None:
    rows = frame()
    rows.insert(1, name, CLOCKS[name])
    found = read(write(tmp_path, rows))
    assert found.train.shape[1] == 2 and found.times is not None
    assert np.array_equal(found.times, DATES.to_numpy()[STEPS // 2 :].astype(found.times.dtype))
    assert found.columns is not None and found.columns.time == name


@pytest.mark.parametrize("name", ["time", "ts", ""])
def test_numbers_may_be_times_and_a_nameless_index_is_no_variable(tmp_path: Path, name: str) -> None:
    rows = frame()
    rows.insert(0, name, np.arange(STEPS))
    found = read(write(tmp_path, rows))
    assert found.train.shape[1] == 2
    assert np.array_equal(found.times, np.arange(STEPS // 2, STEPS))


@pytest.mark.parametrize(
    ("spoil", "note"),
    [
        (
            lambda t: np.where(t > 99, t + 5, t),
            "1 of 399 differ from the usual 1, and the longest, before line 102, is 6",
        ),
        (lambda t: t**2, "396 of 399 differ"),
        (lambda t: t * 1.001, ""),
    ],
)
def test_uneven_steps_are_told(tmp_path: Path, spoil: Callable[[Any], Any], note: str) -> None:
    found = read(write(tmp_path, frame().assign(time=spoil(np.arange(STEPS).astype(float)))))
    told = [text for text in found.notes if "uneven" in text]
    assert bool(told) == bool(note) and note in "".join(told)


@pytest.mark.parametrize(
    ("order", "line"), [([1, 0, 2], 3), ([0, 0, 1], 3), ([0, 1, 1], 4)], ids=["unsorted", "repeated", "repeated later"]
)
def test_times_that_do_not_go_on_are_refused(tmp_path: Path, order: list[int], line: int) -> None:
    rows = frame().assign(time=[DATES[i] for i in [*order, *range(3, STEPS)]])
    with pytest.raises(DataError, match=f"time stands still or goes back at line {line} "):
        read(write(tmp_path, rows))


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt"])
def test_endings_of_tables(tmp_path: Path, ending: str) -> None:
    (tmp_path / "table").mkdir()
    frame().to_csv(tmp_path / f"table/mine{ending}", sep="," if ending == ".csv" else "\t", index=False)
    found = read(tmp_path)
    assert found.labels is not None and found.labels.sum() == 10


@pytest.mark.parametrize(
    "columns", [["flow", "valve", "label"], ["time", "flow", "label"], ["flow", "valve"]], ids="-".join
)
def test_parquet_is_read_as_csv_is(tmp_path: Path, columns: list[str]) -> None:
    pytest.importorskip("pyarrow")
    rows = frame().assign(time=DATES)
    rows.loc[7, "flow"] = np.nan
    found, plain = (
        read(write(tmp_path / "a", rows[columns], "mine.parquet")),
        read(write(tmp_path / "b", rows[columns])),
    )
    np.testing.assert_array_equal(found.test, plain.test)
    assert (found.labels is None) == (plain.labels is None) and found.notes == plain.notes
    dated = rows[[c for c in columns if c != "time"]].set_index(rows["time"].rename("when"))
    indexed = read(write(tmp_path / "c", dated, "mine.parquet"))
    np.testing.assert_array_equal(indexed.test, plain.test)


def test_parquet_needs_its_library_and_a_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "table").mkdir()
    (tmp_path / "table/mine.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"mine.parquet: (not a Parquet table|Parquet is read by the library pyarrow)"):
        read(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match="which is not installed; install it with `pip install 'anomark"):
        read(tmp_path)
