"""Reference results: how they grow, which of them stand beside a run's own, and that those of the project are small."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from anomark import seals
from anomark.contracts import Array, DataError
from anomark.outcomes import Outcome
from anomark.records import CellInfo, Device, FitRecord
from anomark.reference import rows, scores
from anomark.report.beside import beside_table, own_methods
from anomark.report.results import Results, load_results
from anomark.runtime.store import save_scores
from anomark.stages import local, prepare, verdict
from anomark.stages.reference_results import store
from anomark.stages.reference_results.readme import updated
from anomark.statistics.ranking import auroc
from anomark.suite import config
from anomark.suite.dropins import ROOT
from anomark.suite.plan import Plan
from anomark.suite_records import Setting
from tests.samples import planned_jobs

KEPT = sorted(path.parent for path in (ROOT / "reports/reference").glob("*/suite.json"))
WRITE_REPORT = store.write_report


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables and figures are drawn only where a test looks at them, since that takes seconds."""
    monkeypatch.setattr(store, "write_report", lambda folder: None)


def plan(root: Path, only: Sequence[str], **change: Any) -> Plan:
    """The cells of some methods on the heartbeats of `smoke`, below `root`."""
    suite = config.load("smoke").model_copy(update={"datasets": ["beats"], "only": [*only]} | change)
    return Plan(suite, results=str(root / "results"), reports=str(root / "reports"))


def run(root: Path, only: Sequence[str], **change: Any) -> Results:
    """Store made-up scores for every cell of a plan, and evaluate them."""
    planned = plan(root, only, **change)
    for cell in planned.cells:
        prepare.ensure(planned.data[cell.dataset])
        folder = Path(cell.folder)
        if folder.exists():
            continue
        folder.mkdir(parents=True)
        made_up = np.random.default_rng([cell.seed, *cell.method.encode()]).random(cell.meta().n_test)
        save_scores(folder, score=made_up.astype(np.float32), map=None, valid=None)
        record = FitRecord(**cell.only(CellInfo), status=Outcome.DONE, device=Device(kind="cpu"))
        record.save(folder / "fit.json")
        seals.seal(folder)
    for _ in local.evaluate_all(planned):
        pass
    planned.describe()
    return load_results(root / "results/smoke/suite.json", root / "results/smoke/evaluation")


def add(root: Path, replace: bool = False) -> store.Added:
    return store.add(root / "results/smoke", root / "reports/reference/smoke", replace)


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def coverage(root: Path) -> pd.DataFrame:
    table = pd.read_csv(root / "reports/reference/smoke/coverage.csv", dtype=str)
    return table[table["key"].notna()].set_index("method")


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    """A reference of two methods."""
    run(tmp_path, ["knn", "random_score"])
    add(tmp_path)
    return tmp_path


def test_a_reference_has_tables_and_figures_of_the_whole_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "write_report", WRITE_REPORT)
    run(tmp_path, ["knn", "random_score"], papers=[])
    folder = add(tmp_path).folder
    tables = folder / "tables"
    assert {*pd.read_csv(tables / "leaderboard.csv")["method"]} == {"knn", "random_score", "oracle"}
    assert "kNN" in (tables / "headline.md").read_text(encoding="utf-8")
    assert {path.suffix for path in (folder / "figures").iterdir()} == {".svg"}


def test_a_reference_has_the_numbers_and_the_resampled_scores_of_the_run(tmp_path: Path) -> None:
    computed = run(tmp_path, ["knn", "random_score"], seeds=[0, 1])
    add(tmp_path)
    read = store.load(tmp_path / "reports/reference/smoke")
    for method in ("knn", "random_score"):
        assert read.score("beats", method).by_seed == computed.score("beats", method).by_seed
        np.testing.assert_array_equal(read.replicates["beats", method], computed.replicates["beats", method])
    assert len(read.score("beats", "random_score").by_seed) == 2
    rows = coverage(tmp_path)
    assert rows["data"].nunique() == 1 and rows["reference"].notna().all()


def test_a_reference_grows_and_is_the_same_when_it_is_added_twice(grown: Path) -> None:
    before = coverage(grown)
    run(grown, ["iforest", "knn"])
    added = add(grown)
    once = content(added.folder)
    add(grown)
    assert content(added.folder) == once
    assert {*coverage(grown).index} == {"iforest", "knn", "random_score"}
    assert coverage(grown).loc["random_score"].equals(before.loc["random_score"])
    _, stored = scores.read(added.folder / "scores/beats.npz")
    assert stored.keys() == {"iforest/0", "knn/0", "random_score/0"}


def test_reference_results_stand_beside_a_run_and_change_none_of_its_numbers(grown: Path) -> None:
    alone = run(grown, ["iforest"], reference="ignore")
    both = run(grown, ["iforest"])
    assert not alone.score("beats", "knn") and not own_methods(alone)
    assert both.score("beats", "iforest") == alone.score("beats", "iforest")
    np.testing.assert_array_equal(both.replicates["beats", "iforest"], alone.replicates["beats", "iforest"])
    assert both.score("beats", "knn").reference == coverage(grown).loc["knn", "reference"]
    assert own_methods(both) == ["iforest"]
    table = beside_table(both, "iforest").data.set_index("method")
    expected = table.loc["iforest", "beats"] - table.loc["knn", "beats"]
    assert table.loc["knn", "beats difference"] == pytest.approx(expected)
    assert table.loc["knn", "beats low"] <= expected <= table.loc["knn", "beats high"]


def test_what_stands_beside_a_run_is_not_added_as_its_own(grown: Path) -> None:
    before = coverage(grown)
    run(grown, ["iforest"])
    add(grown)
    assert coverage(grown).loc[before.index].equals(before)


def test_a_cell_of_the_same_key_need_not_be_computed(grown: Path) -> None:
    assert [cell.method for cell in plan(grown, ["knn", "iforest"]).cells] == ["iforest", "knn"]
    reused = plan(grown, ["knn", "iforest"], reference="reuse")
    assert [cell.method for cell in reused.cells] == ["iforest"]
    union = run(grown, ["knn", "iforest"], reference="reuse")
    assert union.score("beats", "knn").reference and not union.score("beats", "iforest").reference
    other = plan(grown, ["knn"], reference="reuse", params={"knn": {"n_neighbors": 2}})
    assert [cell.method for cell in other.cells] == ["knn"] and not [r for r in other.beside if r.method == "knn"]


def test_a_run_that_need_not_compute_anything_has_the_numbers_of_the_reference(grown: Path) -> None:
    known = coverage(grown)
    spared = run(grown, ["knn", "random_score"], reference="reuse")
    assert not plan(grown, ["knn", "random_score"], reference="reuse").cells
    read = store.load(grown / "reports/reference/smoke")
    for method in known.index:
        assert spared.score("beats", method).by_seed == read.score("beats", method).by_seed


def test_variants_of_a_dataset_stand_beside_a_run_too(tmp_path: Path) -> None:
    both = {"datasets": ["beats", "beats-train-50"]}
    run(tmp_path, ["knn"], **both)
    add(tmp_path)
    beside = run(tmp_path, ["iforest"], **both)
    assert all(beside.score(dataset, "knn").reference for dataset in both["datasets"])


def test_results_on_other_data_do_not_mix(grown: Path) -> None:
    here = {"dataset_params": {"beats": {"seed": 5}}}
    planned = plan(grown, ["iforest"], **here)
    assert not planned.beside
    (sentence,) = planned.left_out
    assert coverage(grown).loc["knn", "data"] in sentence and planned.data["beats"].key in sentence
    run(grown, ["iforest"], **here)
    before = content(grown / "reports/reference/smoke")
    with pytest.raises(DataError, match="--replace"):
        add(grown)
    assert content(grown / "reports/reference/smoke") == before
    add(grown, replace=True)
    assert {*coverage(grown).index} == {"iforest"}
    assert scores.read(grown / "reports/reference/smoke/scores/beats.npz")[1].keys() == {"iforest/0"}


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        ({"f": "net-aa"}, {"f": "net-bb"}, "network f"),
        ({"f": "net-aa"}, {"f": "net"}, ""),
        ({"f": "net-aa"}, {"f": "other"}, "network f"),
        ({"resolution": "32"}, {"resolution": "as prepared"}, "resolution"),
        ({"budget": "steps=8"}, {"budget": "steps=9"}, "budget"),
    ],
)
def test_settings_differ_in_words(there: dict[str, str], here: dict[str, str], words: str) -> None:
    found = rows.differences(Setting(data="k", **there), Setting(data="k", **here))
    assert len(found) == bool(words) and words in "".join(found)


def test_another_budget_leaves_out_trained_methods_alone(tmp_path: Path) -> None:
    run(tmp_path, ["knn", "vae"])
    add(tmp_path)
    steps = config.load("smoke").budget | {"steps": 9}
    assert [row.method for row in plan(tmp_path, ["iforest"], budget=steps).beside] == ["knn"]
    assert {row.method for row in plan(tmp_path, ["iforest"]).beside} == {"knn", "vae"}


def test_how_a_reference_cell_ended_is_no_verdict_on_the_run(tmp_path: Path) -> None:
    table = pd.DataFrame({"dataset": "d", "method": ["a", "b"], "seed": 0, "status": ["done", "failed"]})
    table["reference"] = [None, "abc"]
    table.to_csv(tmp_path / "coverage.csv", index=False)
    pd.DataFrame(columns=["dataset", "method", "seed", "failed"]).to_csv(tmp_path / "sweep.csv", index=False)
    for name in ("coverage.csv", "sweep.csv"):
        seals.seal(tmp_path / name)
    verdict.run(planned_jobs(), *(str(tmp_path / name) for name in ("coverage.csv", "sweep.csv", "verdict.txt")))
    assert (tmp_path / "verdict.txt").read_text() == "1 done\n"


def test_many_scores_are_rounded_without_changing_what_they_are_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    labels = (np.arange(4000) % 4 == 0).astype(np.uint8)
    values: Array = 1000 + 1e-3 * (rng.standard_cauchy(4000) + labels)  # neither offset nor tails may matter
    truth = scores.Truth(labels, np.zeros(4000, bool), None, None)
    monkeypatch.setattr(scores, "MOST", 100)
    scores.write(tmp_path / "s.npz", truth, {"a/0": values})
    read, cells = scores.read(tmp_path / "s.npz")
    np.testing.assert_array_equal(read.labels, labels)
    assert cells["a/0"].dtype == np.float16
    assert auroc(labels, cells["a/0"].astype(float)) == pytest.approx(auroc(labels, values), abs=1e-3)


def test_a_damaged_reference_is_named(grown: Path) -> None:
    folder = grown / "reports/reference/smoke"
    (folder / "scores/beats.npz").write_bytes(b"PK broken")
    with pytest.raises(DataError, match=r"beats\.npz"):
        run(grown, ["iforest"])
    (folder / "coverage.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"coverage\.csv"):
        plan(grown, ["iforest"])


# -- what the project keeps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", KEPT, ids=lambda path: path.name)
def test_every_reference_loads(folder: Path) -> None:
    known = rows.read(folder)
    results = store.load(folder, compared=False)
    assert known.rows and {row.method for row in known.rows} <= known.methods.keys()
    assert {*results.metrics["dataset"]} <= results.summaries.keys() and results.metrics["value"].notna().any()


@pytest.mark.parametrize("folder", KEPT, ids=lambda path: path.name)
def test_every_reference_is_small_and_holds_no_data(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 8 * 2**20
    assert {path.suffix for path in files} <= {".csv", ".json", ".md", ".svg", ".npz"}
    for path in folder.glob("scores/*.npz"):
        _, cells = scores.read(path)
        assert all(values.ndim == 1 for values in cells.values())


def test_the_readme_has_the_tables_of_its_references() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert updated(text, Path("reports/reference")) == text, "run `make readme`"
