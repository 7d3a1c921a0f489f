"""`anomark init` tells what a user's files are, and writes a suite of them that can be planned as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image
from typer.testing import CliRunner

from anomark.cli.app import app
from anomark.contracts import DataError
from anomark.files import read_yaml
from anomark.start.example import Example
from anomark.start.look import look, short
from anomark.suite.config import load
from anomark.suite.plan import Plan

STRANGE = ("two words", 'it\'s "so": #1', "$(touch pwned)", "größe 写真", "-n", "[a]*?", "yes")


def photographs(folder: Path, count: int = 25, kind: str = "RGB", ending: str = "png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.fromarray(np.full((12, 16, 3), i, np.uint8)).convert(kind).save(folder / f"{i}.{ending}")
    return folder


def recordings(folder: Path, count: int = 25) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        soundfile.write(folder / f"{i}.wav", np.sin(np.arange(800) * (i + 1) / 50), 8000)
    return folder


def sorted_files(make: Any) -> Any:
    def build(root: Path) -> None:
        make(root / "good", 40), make(root / "broken", 5)

    return build


def mvtec(root: Path) -> None:
    photographs(root / "train/good"), photographs(root / "test/good", 3), photographs(root / "test/crack", 3)
    for i in range(3):
        (root / "ground_truth/crack").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((12, 16), 255, np.uint8)).save(root / f"ground_truth/crack/{i}_mask.png")
    (root / "readme.txt").write_text("")


def nested(root: Path) -> None:
    mvtec(root / "screws"), mvtec(root / "cups")


def series(steps: int = 2400, clock: bool = True, seed: int = 0) -> pd.DataFrame:
    table = pd.DataFrame({"load": np.sin(np.arange(steps) / 4 + seed) + 0.01 * np.cos(np.arange(steps)), "rain": 1.5})
    table["rain"] += np.cos(np.arange(steps) / 50)
    if clock:
        table.insert(0, "timestamp", pd.date_range("2024-01-01", periods=steps, freq="5min"))
    return table.assign(anomaly=(np.arange(steps) % 97 < 5).astype(int) * (np.arange(steps) > 2 * steps / 3))


def cases(rows: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(rows, 3)), columns=["height", "weight", "age"])
    return table.assign(
        id=range(rows), shop=rng.choice(["a", "b"], rows), label=np.where(rng.random(rows) < 0.2, "bad", "ok")
    )


def several(root: Path) -> None:
    root.mkdir()
    series().to_csv(root / "pump.csv", index=False), series().to_csv(root / "fan.csv", index=False)


def two_parts(root: Path) -> None:
    root.mkdir()
    (
        series().iloc[:1600].to_csv(root / "train.csv", index=False),
        series().iloc[1600:].to_csv(root / "test.csv", index=False),
    )


def early(root: Path) -> None:
    series().iloc[900:].to_csv(root, index=False)


def dated(root: Path) -> None:
    photographs(root / "2024-01/03"), photographs(root / "2024-02/05")


def kinds_of_defects(root: Path) -> None:
    photographs(root / "OK", 40), photographs(root / "crack", 3), photographs(root / "dent", 2)


def entities(path: Path) -> None:
    parts = [series(seed=i).assign(device=name) for i, name in enumerate(("a/b", "c"))]
    pd.concat(parts).sort_values("timestamp", kind="stable").to_csv(path, index=False)


def unlabelled(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=[c for c in ("anomaly", "label") if c in table])


KINDS: dict[str, tuple[Any, list[str], str]] = {
    "good and others": (sorted_files(photographs), ["folder-mine"], "45 .png"),
    "as MVTec AD": (mvtec, ["folder-mine"], "3 of 3 anomalous ones have a mask"),
    "folders of such": (nested, ["folder-cups", "folder-screws"], "in train and test"),
    "recordings": (sorted_files(recordings), ["clips-mine"], "45 recordings"),
    "a series with a clock": (lambda p: series().to_csv(p, index=False), ["table-mine"], "0 days 00:05:00|00:05:00"),
    "a series without": (lambda p: series(clock=False).to_csv(p, index=False), ["table-mine"], "are alike"),
    "its index": (lambda p: series(clock=False).to_csv(p), ["table-mine"], "are alike"),
    "decimal commas": (lambda p: series().to_csv(p, index=False, sep=";", decimal=","), ["table-mine"], "'anomaly'"),
    "anomalies early": (early, ["table-mine"], "first 4[0-9]% of the rows train"),
    "cases": (lambda p: cases().to_csv(p, index=False), ["rows-mine"], "'label'"),
    "several tables": (several, ["table-fan", "table-pump"], "timestamp"),
    "defects of two kinds": (kinds_of_defects, ["folder-mine"], "the 2 others suspects"),
    "photographs alone": (
        lambda p: photographs(p, 40),
        ["folder-mine"],
        "28 to train on, and 12 without labels",
    ),
    "photographs by date": (dated, ["folder-mine"], "Nothing says which of them are anomalous"),
    "recordings alone": (lambda p: recordings(p, 40), ["clips-mine"], "without labels"),
    "a series without labels": (
        lambda p: unlabelled(series()).to_csv(p, index=False),
        ["table-mine"],
        "No column of l",
    ),
    "cases without labels": (
        lambda p: unlabelled(cases()).to_csv(p, index=False),
        ["rows-mine"],
        "No column of labels",
    ),
    "several series in one": (entities, ["table-mine@a_b", "table-mine@c"], "'device' tells whose row it is"),
    "two parts": (two_parts, ["table-mine"], "two parts of one series"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_told_apart_and_the_suite_of_them_can_be_planned(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANOMARK_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    make, datasets, said = KINDS[kind]
    path = tmp_path / "mine"
    make(path)
    if path.is_file():
        path = path.rename(tmp_path / "mine.csv")
    done = CliRunner().invoke(app, ["init", str(path)])
    assert done.exit_code == 0, done.output
    assert pd.Series([done.output]).str.contains(said).all(), done.output
    plan = Plan(load("mine.yaml"))
    made = [f"{dataset}+synthetic" for dataset in datasets]
    assert [*plan.data] == [*datasets, *made] and not plan.absent
    assert {cell.dataset for cell in plan.cells} == {*datasets, *made}


@pytest.mark.parametrize("name", STRANGE)
def test_names_are_data(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = tmp_path / f"{name}.csv"
    cases().to_csv(table, index=False)
    done = CliRunner().invoke(app, ["init", "--out", "mine.yaml", "--", str(table)])
    assert done.exit_code == 0, done.output
    (params,) = read_yaml(Path("mine.yaml"))["dataset_params"].values()
    assert params["path"] == str(table)
    assert Plan(load("mine.yaml")).cells


def test_a_short_name_is_an_id() -> None:
    assert [short(name) for name in ("Photos", "Größe (2)", "写真", "a--b")] == ["photos", "grosse_2", "own", "a_b"]


def test_nothing_is_written_over_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cases().to_csv("mine.csv", index=False)
    Path("mine.yaml").write_text("mine")
    assert CliRunner().invoke(app, ["init", "mine.csv"]).exit_code == 1
    assert Path("mine.yaml").read_text() == "mine"
    assert CliRunner().invoke(app, ["init", "mine.csv", "--force"]).exit_code == 0
    assert load("mine.yaml").choose


def test_too_few_normal_samples_are_not_ranked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path / "mine/good", 12), photographs(tmp_path / "mine/bad", 3)
    assert CliRunner().invoke(app, ["init", "mine"]).exit_code == 0
    assert not load("mine.yaml").choose


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda p: p.mkdir(), "no files at all"),
        (lambda p: (p.mkdir(), (p / "a.docx").touch()), "1 .docx"),
        (lambda p: [photographs(p / name, 2) for name in ("good", "ok", "c")], "2 seem to hold normal"),
        (
            lambda p: [photographs(p / "good", 4), (p / "good/0.png").write_text("x"), photographs(p / "bad", 2)],
            "0.png",
        ),
        (lambda p: p.write_text(""), "mine"),
        (lambda p: None, "no such file"),
    ],
    ids=["empty", "other kinds", "two normal folders", "broken", "no table", "missing"],
)
def test_what_can_not_be_used_is_refused_in_a_sentence(make: Any, found: str, tmp_path: Path) -> None:
    make(tmp_path / "mine")
    with pytest.raises(DataError, match=found) as error:
        look(tmp_path / "mine")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", Example)
def test_an_example_is_data_that_init_takes(kind: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", "--example", kind, "example"])
    assert done.exit_code == 0, done.output
    (suite,) = tmp_path.glob("*.yaml")
    assert len(Plan(load(str(suite))).data) == 2
    new = next(tmp_path.glob("example/new*"))
    assert new.is_file() or len([*new.iterdir()]) == 3
    assert CliRunner().invoke(app, ["init", "--example", kind, "example"]).exit_code == 1
