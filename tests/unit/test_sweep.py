"""A stored model scored at other settings of its sampler: what is tried, and that the labels only come after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from anomark.cli.app import app
from anomark.contracts import AnomarkError
from anomark.detectors.diffusion import sampler_settings
from anomark.evaluation.measure import Measured
from anomark.evaluation.settings import rank_settings
from anomark.seeds import seed_of
from anomark.stages import evaluate, fit, score, sweep
from anomark.statistics.ranking import auroc
from anomark.suite import config, plan, registry

runner = CliRunner()
SMALL = {"steps": 2, "batch_size": 4, "width": 8, "multipliers": [1, 2], "T": 40, "start": 20, "calls": 3}


def stored_cell(root: Path, method: str, level: str, features: str | None = None) -> dict[str, Any]:
    """A dataset as `prepare` leaves it, and a cell fitted on it as `cell` leaves it."""
    rng = np.random.default_rng(0)
    data, folder = root / "data", root / "cell"
    data.mkdir()
    folder.mkdir()
    point = level == "point"
    starts = rng.permutation(np.arange(0, 61, 4)) if point else None
    shape = (1, 16) if point else (1, 8, 8)
    train, test = (rng.normal(size=(60 + 16, 1) if point else (n, *shape)).clip(-1, 1) for n in (12, 9))
    np.save(data / "train.npy", train.astype(np.float32))
    np.save(data / "test.npy", test.astype(np.float32))
    meta = {
        "modality": "series" if point else "image",
        "level": level,
        "shape": shape,
        "value_range": None if point else (-1, 1),
        "window": 16,
        "valid": [],
        "train_starts": list(range(0, 61, 4)),
        "test_starts": None if starts is None else starts.tolist(),
        "n_test": len(test) if starts is None else len(starts),
    }
    (data / "meta.json").write_text(json.dumps(meta))
    base = registry.find_method(method).base
    cell = {
        "dataset": "d",
        "method": method,
        "base": base,
        "seed": 3,
        "params": registry.find_method(method).defaults | SMALL,
        "resolution": None,
        "device": "cpu",
        "threads": 1,
        "data": str(data),
        "features": features,
        "folder": str(folder),
    }
    model = fit.build(
        registry.load_method(base),
        fit.spec_of(meta),
        seed_of(dataset="d", method=method, repetition=3),
        "cpu",
        cell["params"] | ({"features": features} if features else {}),
    )
    model.fit(fit.training_data(data, meta, False)[0], None)
    stored = fit.save_model(model, folder, np.zeros((1, *shape), np.float32))
    scores, maps = score.score(model, fit.test_data(data, meta), fit.spec_of(meta))
    score.save_scores(folder, score=scores, map=maps)
    (folder / "fit.json").write_text(json.dumps({"status": "done", "reason": "", "model": stored}))
    return cell


def swept(cell: dict[str, Any], path: Path, samples: int) -> dict[str, Any]:
    sweep.write_sweep({"path": str(path), "samples": samples}, cell)
    with np.load(path) as stored:
        return dict(stored)


@pytest.mark.parametrize("level", ["image", "point"])
def test_the_models_own_setting_gives_its_stored_scores(tmp_path: Path, f: str, level: str) -> None:
    cell = stored_cell(tmp_path, "wavediff", level, f)
    found = swept(cell, tmp_path / "sweep.npz", 100)
    known = np.load(Path(cell["folder"]) / "scores.npz")["score"]
    assert sorted(found["rows"]) == list(range(len(known)))
    assert (found["start"][0], found["calls"][0], found["from_noise"][0]) == (20, 3, False)
    np.testing.assert_allclose(found["errors"][0] @ found["weight"], known[found["rows"]], rtol=1e-5)
    assert found["errors"].shape == (len(found["start"]), len(known), 2)
    assert not any(np.array_equal(errors, found["errors"][0]) for errors in found["errors"][1:])


def test_every_k_every_start_and_the_noise_start_are_tried_once() -> None:
    axes = registry.find_method("wavediff").sweep
    tried = sampler_settings({"start": 250, "calls": 10, "T": 1000}, axes)
    assert tried[0] == {"start": 250, "calls": 10, "from_noise": False}
    assert len(tried) == len({tuple(setting.values()) for setting in tried})
    assert {s["calls"] for s in tried if s["start"] == 250} == {1, 2, 5, 10, 25, 50, 250}
    assert {s["start"] for s in tried if s["calls"] == 10} == {50, 100, 250, 500, 750, 1000}
    assert [s for s in tried if s["from_noise"]] == [{"start": 1000, "calls": 10, "from_noise": True}]
    few = sampler_settings({"start": 20, "calls": 3, "T": 40}, axes)
    assert all(s["calls"] <= s["start"] for s in few), "DDIM makes at most T' calls"
    assert {"start": 20, "calls": 20, "from_noise": False} in few


def test_few_rows_are_spread_over_the_series_and_not_more_than_there_are() -> None:
    starts = np.random.default_rng(0).permutation(200) * 5
    rows = sweep.chosen_rows({"n_test": 200, "test_starts": starts.tolist()}, 5)
    assert starts[rows].tolist() == [0, 250, 500, 745, 995]
    assert sweep.chosen_rows({"n_test": 7, "test_starts": None}, 100).tolist() == list(range(7))


def test_a_model_with_one_term_and_a_cell_without_a_model(tmp_path: Path) -> None:
    cell = stored_cell(tmp_path, "ddpm", "image")
    found = swept(cell, tmp_path / "sweep.npz", 4)
    assert found["errors"].shape[1:] == (4, 1) and found["weight"].tolist() == [1.0]
    (tmp_path / "cell/fit.json").write_text(json.dumps({"status": "oom", "reason": "it used 9 GiB"}))
    assert {name: str(value) for name, value in swept(cell, tmp_path / "sweep.npz", 4).items()} == {
        "no_model": "oom: it used 9 GiB"
    }


def test_a_sweep_that_fails_is_an_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell/fit.json").write_text(json.dumps({"status": "done", "model": {"file": "model.safetensors"}}))
    cell = {"device": "cpu", "base": "ddpm", "folder": str(tmp_path / "cell")}  # its model and its data are gone
    path = Path("results/sweeps/beats/ddpm/0-1.npz")
    job = {"path": str(path), "samples": 4, "dataset": "beats", "method": "ddpm", "seed": 0}
    monkeypatch.setattr(sweep, "_swept", lambda *_: (_ for _ in ()).throw(RuntimeError("no such setting")))
    sweep.write_sweep(job, cell)
    assert "no such setting" in capsys.readouterr().err
    measured = Measured({"level": "window", "test_starts": None}, np.array([0, 1]), None, None)
    (row,) = evaluate._swept({"sweeps": {str(path): job}}, "beats", measured)
    assert row == {"dataset": "beats", "method": "ddpm", "seed": 0, "failed": "RuntimeError: no such setting"}
    kept = path.with_name("0-2.npz")
    np.savez(kept, errors=np.zeros(3))
    assert "0 of 0 cells and 1 of 2 sweeps" in runner.invoke(app, ["gc", "--bad"]).stdout
    assert kept.exists() and not path.exists()
    assert "0 of 0 cells and 1 of 1 sweeps" in runner.invoke(app, ["gc"]).stdout and not kept.exists()


def test_every_lambda_of_every_setting_is_ranked_and_what_differs_is_named() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 2
    errors = rng.normal(size=(3, 30, 2))
    errors[2, 0, 1] = np.nan
    swept = {
        "errors": errors,
        "weight": np.array([0.25, 0.75]),
        "start": np.array([250, 250, 1000]),
        "calls": np.array([10, 1, 10]),
        "from_noise": np.array([False, False, True]),
    }
    rows = list(rank_settings(swept, lambda scores: (labels, scores)))
    assert len(rows) == 3 * 12, "0, .1, ..., 1 and the model's own"
    (own,) = (row for row in rows if row["differs"] == "nothing")
    assert own["lambda"] == 0.25 and own["auroc"] == auroc(labels, errors[0] @ [0.25, 0.75])
    named = {(row["calls"], row["from_noise"], row["lambda"]): row for row in rows}
    assert named[1, False, 0.25]["differs"] == "calls" and named[10, False, 1.0]["differs"] == "lambda"
    assert named[1, False, 1.0]["auroc"] == auroc(labels, errors[1, :, 0])
    assert named[10, True, 0.25]["differs"] == "start from_noise"
    assert all(np.isnan(row["auroc"]) == (row["from_noise"]) for row in rows), (
        "a score that is not finite ranks nothing"
    )


def test_some_windows_are_judged_on_the_points_that_they_cover() -> None:
    labels = np.array([0, 0, 1, 1, 0, 0, 1, 0], np.uint8)
    meta = {"level": "point", "test_starts": [4, 0, 2], "window": 3}
    measured = Measured(meta, labels, None, None)
    found, scores = measured.of_rows(np.array([1, 2]), np.array([1.0, 3.0]))
    assert found.tolist() == labels[:5].tolist() and scores.tolist() == [1, 1, 2, 3, 3]


def test_a_suite_sweeps_the_first_seed_of_methods_that_have_what_is_swept() -> None:
    suite = config.load().model_copy(update={"datasets": ["series", "beats"], "seeds": [4, 1]})
    planned = plan.Plan(suite)
    assert {(s.dataset, s.method, s.seed) for s in planned.sweeps.values()} == {
        ("series", "wavediff", 4),
        ("beats", "wavediff", 4),
    }
    more = plan.Plan(suite.model_copy(update={"sweep": suite.sweep.model_copy(update={"samples": 9})}))
    assert not planned.sweeps.keys() & more.sweeps.keys(), "another number of samples is another file"
    with pytest.raises(AnomarkError, match="has no SWEEP"):
        plan.Plan(suite.model_copy(update={"sweep": config.Sweep(methods=["vae"])}))
