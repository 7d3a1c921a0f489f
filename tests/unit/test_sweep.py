"""A stored model scored at other settings of its sampler: what is tried, and that the labels only come after."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from anomark import seals
from anomark.cli.app import app
from anomark.contracts import AnomarkError
from anomark.detectors.diffusion import sampler_settings
from anomark.evaluation.measure import Measured
from anomark.evaluation.settings import rank_settings
from anomark.evaluation.tables import setting_rows
from anomark.outcomes import Outcome
from anomark.records import Cell, CellInfo, CellName, Device, FitRecord, Meta, StoredModel
from anomark.runtime import store
from anomark.runtime.fit_score import fit_and_score
from anomark.stages import sweep
from anomark.statistics.ranking import auroc
from anomark.suite import config, plan, registry
from anomark.suite_records import Sweep
from tests.samples import planned_cell, planned_jobs

runner = CliRunner()
META = Meta(dataset="mine", modality="image", level="window")
SMALL = {"steps": 2, "batch_size": 4, "width": 8, "multipliers": [1, 2], "T": 40, "start": 20, "calls": 3}


def stored_cell(root: Path, method: str, level: str, features: str | None = None) -> Cell:
    """A dataset as `prepare` leaves it, and a cell fitted on it as `cell` leaves it."""
    rng = np.random.default_rng(0)
    data, point = root / "data", level == "point"
    data.mkdir()
    shape = (1, 16) if point else (1, 8, 8)
    train, test = (rng.normal(size=(60 + 16, 1) if point else (n, *shape)).clip(-1, 1) for n in (12, 9))
    np.save(data / "train.npy", train.astype(np.float32))
    np.save(data / "test.npy", test.astype(np.float32))
    meta = Meta(
        dataset="mine",
        modality="series" if point else "image",
        level=level,
        shape=shape,
        value_range=None if point else (-1, 1),
        window=16 if point else None,
        train_starts=tuple(range(0, 61, 4)) if point else None,
        test_starts=tuple(rng.permutation(np.arange(0, 61, 4)).tolist()) if point else None,
        n_test=16 if point else len(test),
        key="k",
    )
    meta.save(data / "meta.json")
    seals.seal(data)
    known = registry.find_method(method)
    cell = planned_cell(root, method, known.base, params=known.defaults | SMALL, features=features)
    folder = Path(cell.folder)
    folder.mkdir(parents=True)
    done = fit_and_score(registry.load_method(known.base), cell, meta, data, "cpu", features, nullcontext())
    store.save_scores(folder, score=done.scores, map=done.maps)
    model, _ = store.save_model(done.method, folder, done.probe)
    end(cell, status=Outcome.DONE, model=model)
    return cell


def end(cell: Cell, **how: Any) -> None:
    FitRecord(**cell.only(CellInfo), device=Device(kind="cpu"), **how).save(Path(cell.folder) / "fit.json")
    seals.seal(Path(cell.folder))


def job_of(cell: Cell, path: Path, samples: int) -> Sweep:
    return Sweep(**cell.only(CellName), cell=cell.id, samples=samples, path=str(path))


def swept(cell: Cell, path: Path, samples: int) -> dict[str, Any]:
    sweep.write_sweep(job_of(cell, path, samples), cell)
    with np.load(path) as stored:
        return dict(stored)


@pytest.mark.parametrize("level", ["image", "point"])
def test_the_models_own_setting_gives_its_stored_scores(tmp_path: Path, f: str, level: str) -> None:
    cell = stored_cell(tmp_path, "wavediff", level, f)
    found = swept(cell, tmp_path / "sweep.npz", 100)
    known = np.load(Path(cell.folder) / "scores.npz")["score"]
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
    rows = sweep.chosen_rows(META.model_copy(update={"n_test": 200, "test_starts": tuple(starts)}), 5)
    assert starts[rows].tolist() == [0, 250, 500, 745, 995]
    assert sweep.chosen_rows(META.model_copy(update={"n_test": 7}), 100).tolist() == list(range(7))


def test_a_model_with_one_term_and_a_cell_without_a_model(tmp_path: Path) -> None:
    cell = stored_cell(tmp_path, "ddpm", "image")
    found = swept(cell, tmp_path / "sweep.npz", 4)
    assert found["errors"].shape[1:] == (4, 1) and found["weight"].tolist() == [1.0]
    end(cell, status=Outcome.OOM, reason="it used 9 GiB")
    assert {name: str(value) for name, value in swept(cell, tmp_path / "sweep.npz", 4).items()} == {
        "no_model": "oom: it used 9 GiB"
    }


def test_a_sweep_that_fails_is_an_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    cell = planned_cell(tmp_path, "ddpm", folder=str(tmp_path / "cell"))  # its model and its data are gone
    end(cell, status=Outcome.DONE, model=StoredModel(file="model.safetensors", format="safetensors"))
    path = Path("results/sweeps/beats/ddpm/0-1.npz")
    job = job_of(cell, path, 4)
    monkeypatch.setattr(sweep, "_swept", lambda *_: (_ for _ in ()).throw(RuntimeError("no such setting")))
    sweep.write_sweep(job, cell)
    assert "no such setting" in capsys.readouterr().err
    measured = Measured(META, {"labels": np.array([0, 1])}, 2)
    (row,) = setting_rows(planned_jobs(sweeps={str(path): job}), "mine", measured)
    assert row == {"dataset": "mine", "method": "ddpm", "seed": 0, "failed": "RuntimeError: no such setting"}
    kept = path.with_name("0-2.npz")
    np.savez(kept, errors=np.zeros(3))
    seals.seal(kept)
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
    meta = Meta(dataset="mine", modality="series", level="point", test_starts=(4, 0, 2), window=3)
    measured = Measured(meta, {"labels": labels}, len(labels))
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
