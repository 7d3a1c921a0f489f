"""A stored model applied to new files: the files of the test part get the scores that the suite gave them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image
from typer.testing import CliRunner

import anomark
from anomark import seals
from anomark.cli.app import app
from anomark.contracts import AnomarkError, DataError
from anomark.evaluation.merge import merge_windows
from anomark.outcomes import Outcome
from anomark.records import Cell, Device, FitRecord, Meta
from anomark.runtime import fit_score, store
from anomark.stages import prepare
from anomark.statistics.false_alarms import conformal_threshold, tail_probabilities
from anomark.suite.config import load as load_suite
from anomark.suite.dropins import ROOT
from anomark.suite.plan import Plan
from anomark.suite.registry import load_method
from anomark.use import samples
from anomark.use.calibration import Calibration
from anomark.use.export import export
from anomark.use.model import Model
from anomark.use.writing import score_files
from tests.benchmarks.score_memory import make_images


def fitted(dataset: str, method: str, **config: object) -> Cell:
    """A cell that is fitted and stored below the current folder, in this process."""
    suite = load_suite("smoke").model_copy(
        update={"datasets": [dataset], "only": [method], "choose": False, "data_root": "data", **config}
    )
    plan = Plan(suite)
    (cell,) = plan.cells
    prepare.ensure(plan.data[dataset])
    meta = cell.meta()
    assert meta.refused is None, meta.refused
    done = fit_score.fit_and_score(load_method(cell.base), cell, meta, Path(cell.data), "cpu", None, nullcontext())
    folder = Path(cell.folder)
    folder.mkdir(parents=True)
    store.save_scores(folder, score=done.scores, map=done.maps, valid=done.valid)
    model, _ = store.save_model(done.method, folder, done.probe)
    known = cell.only(FitRecord.__bases__[0])  # type: ignore[arg-type]
    FitRecord(**known, status=Outcome.DONE, model=model, device=Device(kind="cpu")).save(folder / "fit.json")
    seals.seal(folder)
    return cell


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with own data of every kind, and a model of each."""
    root = tmp_path_factory.mktemp("use")
    rng = np.random.default_rng(0)
    folders = [("train/good", 100), ("test/good", 6), ("test/bad", 4)]
    for name, count in folders:
        for kind in ("folder/screws", "clips/pump"):
            (root / "data" / kind / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(90, 130, (20, 30, 3)).astype(np.uint8)
            wave = np.sin(np.arange(400) / 5 + rng.uniform(0, 6)) * 0.3 + rng.normal(0, 0.02, 400)
            if name == "test/bad":
                pixels[5:12, 8:15] = 255
                wave[100:200] = rng.normal(0, 0.6, 100).clip(-1, 1)
            Image.fromarray(pixels).save(root / f"data/folder/screws/{name}/{i}.png")
            soundfile.write(root / f"data/clips/pump/{name}/{i}.wav", wave, 2000)
    steps = np.arange(1200)
    series = pd.DataFrame(
        {
            "time": pd.date_range("2025-01-01", periods=1200, freq="h"),
            "flow": 5 + np.sin(steps / 4) + rng.normal(0, 0.1, 1200),
            "heat": 80 + 9 * np.cos(steps / 4) + rng.normal(0, 1, 1200),
            "label": (np.abs(steps - 1000) < 20).astype(int),
        }
    )
    series.loc[series["label"] == 1, "flow"] = 5.0
    (root / "data/table").mkdir()
    series.to_csv(root / "data/table/pump.csv", index=False)
    words = rng.choice(["red", "blue", "", *[f"rare {i}" for i in range(40)]], 260, p=[0.4, 0.3, 0.1, *[0.005] * 40])
    cases = pd.DataFrame({"size": rng.normal(size=260), "colour": words, "weight": rng.normal(5, 2, 260)})
    cases.loc[rng.integers(0, 260, 20), "weight"] = np.nan
    cases["label"] = (np.arange(260) >= 240).astype(int)
    cases.loc[cases["label"] == 1, "size"] += 6
    (root / "data/rows").mkdir()
    cases.to_csv(root / "data/rows/orders.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("ANOMARK_DATA", raising=False)
        for dataset in ("folder-screws", "clips-pump", "table-pump", "rows-orders"):
            fitted(dataset, "knn", dataset_params={"rows": {"in_order": True}, "table": {"window": 24}})
        fitted("folder-screws", "vae")
        fitted("rows-orders", "ecod", dataset_params={"rows": {"in_order": True}})
    return root


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    monkeypatch.delenv("ANOMARK_DATA", raising=False)
    return place


def scored(model: Model) -> tuple[Meta, np.ndarray]:
    """What is known of a model's data, and the scores that its cell has."""
    return model.stored.meta, np.load(model.stored.folder / "scores.npz")["score"]


@pytest.mark.parametrize(("dataset", "kind"), [("folder-screws", "folder/screws"), ("clips-pump", "clips/pump")])
def test_files_of_the_test_part_are_prepared_as_they_were(here: Path, dataset: str, kind: str) -> None:
    model = anomark.load(f"knn@{dataset}")
    found = model.score([here / "data" / kind / "test"])
    assert np.array_equal(np.sort(found.scores), np.sort(scored(model)[1]))
    assert found.files is not None and len(found.files) == 10
    assert found.decisions is not None and found.decisions[[path.parent.name == "bad" for path in found.files]].all()


def test_steps_of_a_new_series_are_scored_as_those_of_the_test_part(here: Path, tmp_path: Path) -> None:
    model = anomark.load("knn@table-pump")
    meta, scores = scored(model)
    assert meta.window and meta.test_starts
    whole = pd.read_csv(here / "data/table/pump.csv", dtype=str)
    whole.iloc[600:][["heat", "time", "flow"]].to_csv(tmp_path / "new.csv", index=False, sep=";")
    found = model.score(tmp_path / "new.csv")
    assert np.array_equal(found.scores, merge_windows(scores, np.asarray(meta.test_starts), meta.window, 600))
    array = model.score(whole.iloc[600:][["flow", "heat"]].to_numpy(np.float64))
    assert np.array_equal(array.scores, found.scores)
    assert found.decisions is not None and found.decisions[385:415].mean() > 0.9


@pytest.mark.parametrize("method", ["knn", "ecod"])
def test_rows_are_encoded_by_what_the_training_part_taught(here: Path, tmp_path: Path, method: str) -> None:
    model = anomark.load(f"{method}@rows-orders")
    assert model.stored.data
    test = np.load(model.stored.data / "test.npy")
    whole = pd.read_csv(here / "data/rows/orders.csv", dtype=str, keep_default_na=False)
    whole.iloc[120:].drop(columns="label").to_csv(tmp_path / "new.csv", index=False)
    blocks = list(samples.read([tmp_path / "new.csv"], model.stored.meta, model.name))
    read = np.concatenate([block.samples for block in blocks])
    assert sorted(map(bytes, read)) == sorted(map(bytes, test))
    found = model.score([tmp_path / "new.csv"])
    if method == "knn":
        assert np.array_equal(np.sort(found.scores), np.sort(scored(model)[1]))
    whole.iloc[120:121].to_csv(tmp_path / "one.csv", index=False)
    assert model.score([tmp_path / "one.csv"]).scores == found.scores[:1]  # a row's score depends on no other row


def test_parquet_files_score_as_csv_files(here: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the optional pyarrow")
    for dataset, file in (("table-pump", "table/pump.csv"), ("rows-orders", "rows/orders.csv")):
        whole = pd.read_csv(here / "data" / file).iloc[120:].drop(columns="label")
        whole.to_csv(tmp_path / "new.csv", index=False)
        whole.to_parquet(tmp_path / "new.parquet")
        model = anomark.load(f"knn@{dataset}")
        scores = [model.score(tmp_path / name).scores for name in ("new.csv", "new.parquet")]
        assert np.array_equal(*scores)


def test_tail_probabilities_are_conformal() -> None:
    rng = np.random.default_rng(0)
    normal, new = rng.normal(size=57).round(1), rng.normal(size=400).round(1)
    expected = [(1 + sum(other >= score for other in normal)) / 58 for score in new]
    found = tail_probabilities(new, normal)
    assert np.allclose(found, expected, rtol=0, atol=1e-15)
    for rate in (0.05, 0.2, 0.5):
        assert np.array_equal(found <= rate, new >= conformal_threshold(normal, rate))


def test_tables_json_and_pictures_agree_and_an_occupied_folder_is_left_alone(here: Path, tmp_path: Path) -> None:
    new, out = tmp_path / "=new", tmp_path / "out"
    new.mkdir()
    for name, size in (("wide", (90, 30)), ("__import__('os')", (30, 90))):
        Image.new("CMYK", size, (20, 30, 40, 50)).save(new / f"{name}.jpg")
    done = score_files(Model("vae@folder-screws"), [new], out, 0.05)
    with (out / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    told = json.loads((out / "scores.json").read_text())
    assert done.samples == len(rows) == len(told["scores"]) == 2
    assert [float(row["tail_probability"]) for row in rows] == [row["tail_probability"] for row in told["scores"]]
    for row in rows:
        source, picture = Image.open(row["file"]), Image.open(out / row["picture"])
        assert (picture.width > 2 * picture.height) == (source.width > source.height)
    before = sorted(path.stat().st_mtime_ns for path in out.rglob("*"))
    with pytest.raises(AnomarkError, match="there is something already"):
        score_files(Model("vae@folder-screws"), [new], out, 0.05)
    assert before == sorted(path.stat().st_mtime_ns for path in out.rglob("*"))


def test_a_series_is_plotted_over_its_time(here: Path, tmp_path: Path) -> None:
    score_files(Model("knn@table-pump"), [here / "data/table/pump.csv"], tmp_path / "out", 0.05)
    rows = pd.read_csv(tmp_path / "out/scores.csv")
    assert len(rows) == 1200 and rows["time"][1] == "2025-01-01 01:00:00" and rows["row"].tolist() == [*range(1200)]
    assert Image.open(tmp_path / "out" / rows["picture"][0]).width > 900


@pytest.mark.parametrize(
    ("model", "name", "content", "said"),
    [
        ("knn@folder-screws", "a.csv", b"x\n1\n", "a.csv: is a file of the kind '.csv', and knn@folder-screws scores"),
        ("knn@folder-screws", "a.png", b"no image", "a.png: not a readable image"),
        ("knn@table-pump", "a.csv", b"time,flow\n1,2\n", "a.csv: has no column 'heat', found time, flow"),
        ("knn@table-pump", "a.csv", b"flow,heat\n1,2\n", "a.csv: has 1 rows, expected 24 at least"),
        ("knn@rows-orders", "a.csv", b"size,colour\n1,red\n", "a.csv: has no column 'weight', found size, colour"),
        (
            "knn@rows-orders",
            "a.csv",
            b"size,colour,weight\nlarge,red,2\n",
            "line 2 has size 'large', expected a finite",
        ),
        ("knn@clips-pump", "a.wav", b"no sound", "a.wav: not a readable sound file"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence_and_nothing_is_written(
    here: Path, tmp_path: Path, model: str, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        score_files(Model(model), [tmp_path / name], tmp_path / "out", 0.05)
    assert said in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "array", [np.zeros((2, 3, 9, 9)), np.full((2, 3, 16, 16), 2.0), np.full((1, 3, 16, 16), np.nan)]
)
def test_arrays_of_another_shape_or_range_are_refused(here: Path, array: np.ndarray) -> None:
    with pytest.raises(DataError):
        anomark.load("knn@folder-screws").score(array)


def test_a_missing_name_gets_the_nearest(here: Path) -> None:
    with pytest.raises(AnomarkError, match="did you mean 'knn@folder-screws'"):
        anomark.load("knn@folder-screw")


def test_the_command_ends_with_one_sentence_and_status_1_or_with_its_files(here: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    wrong = runner.invoke(app, ["score", "knn@folder-screw", "data", "--out", str(tmp_path / "out")])
    assert (
        wrong.exit_code == 1 and wrong.stderr.count("\n") == 1 and wrong.stderr.startswith("anomark: knn@folder-screw")
    )
    right = [
        "score",
        "knn@folder-screws",
        "data/folder/screws/test/bad",
        "--out",
        str(tmp_path / "out"),
        "--no-pictures",
    ]
    assert runner.invoke(app, right).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["scores.csv", "scores.json"]
    assert runner.invoke(app, ["export", "knn@folder-screws", str(tmp_path / "model")]).exit_code == 0
    again = runner.invoke(app, ["export", "knn@folder-screws", str(tmp_path / "model")])
    assert again.exit_code == 1 and "there is something already" in again.stderr


def test_a_rate_that_the_held_out_samples_can_not_tell_decides_nothing_and_says_so(here: Path) -> None:
    model = anomark.load("knn@folder-screws")
    held_out = len(model.calibration.scores)
    found = model.score([here / "data/folder/screws/test"], false_alarms=0.9 / (held_out + 1))
    assert found.decisions is None and found.probabilities is not None and f"{held_out} held-out" in found.notes[0]
    assert found.probabilities.min() == pytest.approx(1 / (held_out + 1))


def test_the_count_of_recordings_is_what_a_rate_rests_on() -> None:
    meta = Meta(dataset="mine", modality="audio", level="clip", valid_groups=2)
    of_two = Calibration(np.arange(40.0), 2, None, False).notes(0.05, meta)
    assert len(of_two) == 1 and "40 held-out clips are worth 2 recordings" in of_two[0]
    assert not Calibration(np.arange(40.0), 40, None, False).notes(0.05, meta)


def test_the_calibration_is_made_once_and_a_damaged_one_is_noticed(here: Path) -> None:
    model = anomark.load("knn@clips-pump")
    before = model.calibration.scores
    path = model.stored.calibration
    stamp = path.stat().st_mtime_ns
    assert np.array_equal(anomark.load("knn@clips-pump").calibration.scores, before)
    assert path.stat().st_mtime_ns == stamp and path.parent == model.stored.folder.parent
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(seals.Damaged):
        _ = anomark.load("knn@clips-pump").calibration
    path.write_bytes(content)


def test_a_model_of_other_code_is_not_loaded(here: Path) -> None:
    folder = anomark.load("knn@clips-pump").stored.folder
    record = FitRecord.load(folder / "fit.json")
    content = (folder / "fit.json").read_bytes(), (folder / seals.SUMS).read_bytes()
    sources = record.parts.sources | {"methods/knn.py": "0" * 16}
    record.model_copy(update={"parts": record.parts.model_copy(update={"sources": sources})}).save(folder / "fit.json")
    seals.seal(folder)
    with pytest.raises(AnomarkError, match=r"another methods/knn\.py than the installed one"):
        anomark.load(folder)
    (folder / "fit.json").write_bytes(content[0])
    (folder / seals.SUMS).write_bytes(content[1])


@pytest.mark.parametrize("name", ["vae@folder-screws", "knn@rows-orders", "knn@table-pump"])
def test_an_exported_model_needs_no_results_and_scores_alike(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    model = anomark.load(name)
    list(export(model, tmp_path / "model"))
    new = {"folder": "folder/screws/test", "rows": "rows/orders.csv", "table": "table/pump.csv"}
    files = [here / "data" / new[model.stored.record.dataset.partition("-")[0]]]
    expected = model.score(files)
    monkeypatch.chdir(tmp_path)
    found = anomark.load("model").score(files)
    assert np.array_equal(found.scores, expected.scores)
    assert found.probabilities is not None and expected.probabilities is not None
    assert np.array_equal(found.probabilities, expected.probabilities)
    assert f"seed {model.stored.record.seed}" in (tmp_path / "model/README.md").read_text()
    source = tmp_path / "model/method.py"
    source.write_text("raise SystemExit('this must not run')")
    assert np.array_equal(anomark.load("model").score(files).scores, expected.scores)
    (tmp_path / "model/meta.json").write_text("{}")
    with pytest.raises(seals.Damaged):
        anomark.load("model")


def test_an_onnx_file_scores_as_its_model(here: Path, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = anomark.load("vae@folder-screws")
    list(export(model, tmp_path / "model", as_onnx=True))
    samples = np.random.default_rng(1).uniform(-1, 1, (5, *model.method_spec.shape)).astype(np.float32)
    scores, maps = runtime.InferenceSession(tmp_path / "model/model.onnx").run(None, {"samples": samples})
    assert np.allclose(scores, model.method.decision_function(samples), rtol=1e-4)
    assert np.allclose(maps, model.method.localize(samples), rtol=1e-3, atol=1e-4)


def test_only_what_one_pass_scores_becomes_an_onnx_file(here: Path, tmp_path: Path) -> None:
    with pytest.raises(AnomarkError, match="more than one pass"):
        list(export(anomark.load("knn@folder-screws"), tmp_path / "model", as_onnx=True))
    assert not [*tmp_path.iterdir()]


def test_many_images_take_no_more_memory_than_few(here: Path, tmp_path: Path) -> None:
    for count in (50, 500):
        make_images(tmp_path / f"{count}", count, side=120)
    code = """
import resource, sys
from pathlib import Path
from anomark.use.model import Model
from anomark.use.writing import score_files
for count in (50, 500):
    score_files(Model("vae@folder-screws"), [Path(sys.argv[1], str(count))], Path(sys.argv[1], f"out-{count}"), 0.05)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=True)
    few, many = map(int, done.stdout.split())
    assert len([*(tmp_path / "out-500/pictures").iterdir()]) == 500
    assert many < 1.1 * few


def test_of_two_models_with_one_name_the_folder_decides(here: Path) -> None:
    other = fitted("rows-orders", "knn", dataset_params={"rows": {"in_order": False}})
    try:
        with pytest.raises(AnomarkError, match="2 models of seed 0") as error:
            anomark.load("knn@rows-orders")
        assert other.folder in str(error.value)
        assert str(anomark.load(other.folder).stored.folder) == other.folder
    finally:
        shutil.rmtree(other.folder)
