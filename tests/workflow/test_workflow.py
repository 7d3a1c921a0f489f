"""Real Snakemake runs on tiny real data, in a copy of the checkout: what re-runs, what survives, what is printed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomark.records import FitRecord
from tests.conftest import Checkout

pytestmark = pytest.mark.workflow

#: Two datasets, the VAE and the cheap controls: seconds, and still every rule.
TINY = """
suite: tiny
datasets: [digits-0, beats]
seeds: [0, 1]
preprocessing: {size: 8}
budget: {steps: 2, batch_size: 4}
exclude: [%s]
core_seconds: {vae: 4, other: 1}
"""
KEPT = {"vae", "constant", "nearest_train", "random_score"}


def tiny(copy: Checkout, keep: set[str] = KEPT, **change: str) -> str:
    """Write the tiny suite, keeping the named methods alone (and whatever is dropped in later)."""
    from anomark.suite import registry

    text = TINY % ", ".join(sorted(set(registry.methods()) - keep))
    for old, new in change.items():
        text = text.replace(f"{old}: ", f"{old}: {new} #", 1)
    return copy.suite(text)


def planned(copy: Checkout, suite: str) -> list[str]:
    """Rules (one entry per job) that a dry run would run."""
    done = copy.snakemake("-n", "--configfile", suite)
    assert done.returncode == 0, done.stdout
    return [
        line.split()[1].rstrip(":") for line in done.stdout.splitlines() if line.startswith(("rule ", "localrule "))
    ]


def planned_cells(copy: Checkout, suite: str) -> list[str]:
    """method of each cell that a dry run would run."""
    done = copy.snakemake("-n", "--configfile", suite)
    assert done.returncode == 0, done.stdout
    blocks = done.stdout.split("\nrule fit_and_score:")[1:]
    return sorted(block.split("method=")[1].split(",")[0] for block in blocks)


@pytest.fixture(scope="module")
def finished(checkout: Callable[[], Checkout]) -> Checkout:
    """A copy in which the tiny suite has run once."""
    copy = checkout()
    done = copy.snakemake("--configfile", tiny(copy))
    assert done.returncode == 0, done.stdout
    copy.log = done.stdout  # type: ignore[attr-defined]
    return copy


@pytest.fixture
def copy(finished: Checkout, tmp_path: Path) -> Checkout:
    """The finished copy, copied again with its Snakemake records, for a test that edits it."""
    target = tmp_path / "copy"
    shutil.copytree(finished.path, target, symlinks=True)
    fresh = object.__new__(Checkout)
    fresh.path = target
    return fresh


def test_it_makes_what_it_promises(finished: Checkout) -> None:
    metrics = pd.read_csv(finished.path / "results/tiny/metrics.csv")
    assert list(metrics.columns[:5]) == ["dataset", "method", "seed", "metric", "value"]
    auroc = metrics[metrics.metric == "auroc"].set_index(["dataset", "method", "seed"]).value
    for dataset in ("digits-0", "beats"):
        assert auroc[dataset, "oracle", 0] == 1.0
        assert auroc[dataset, "constant", 0] == 0.5
        assert auroc[dataset, "nearest_train", 0] > 0.8
        assert len(auroc[dataset, "vae"]) == 2 and len(auroc[dataset, "nearest_train"]) == 1
        n = m = 60 if dataset == "beats" else 35
        assert abs(auroc[dataset, "random_score"].mean() - 0.5) < 3 * np.sqrt((n + m + 1) / (12 * n * m * 2))
    report = finished.path / "reports/tiny"
    assert (report / "index.html").stat().st_size > 10_000
    for number in (1, 2, 3):
        for kind in ("csv", "md", "tex", "html"):
            assert (report / f"tables/table{number}.{kind}").stat().st_size > 0
    assert "done" in (finished.path / "results/tiny/verdict.txt").read_text()


def test_progress_is_shown(finished: Checkout) -> None:
    log = finished.log  # type: ignore[attr-defined]
    assert "12 cells" in log and "left" in log


def test_every_result_carries_its_provenance(finished: Checkout) -> None:
    (folder,) = (finished.path / "results/cells/beats/vae").glob("0-*")
    record = FitRecord.load(folder / "fit.json")
    assert record.status == "done" and record.seed == 0 and folder.name == f"0-{record.key}"
    assert record.parts.params["steps"] == 2 and "torch" in record.parts.versions
    assert "methods/vae.py" in record.parts.sources and record.device.kind == "cpu"
    assert record.cost.parameters and record.cost.fit_seconds
    assert record.model and record.model.file and (folder / record.model.file).exists()


def test_a_second_run_has_nothing_to_do(finished: Checkout) -> None:
    assert planned(finished, "suite.yaml") == []


def test_a_code_edit_reruns_that_method_alone(copy: Checkout) -> None:
    copy.edit("methods/vae.py", "import math\n", "import math\n\nEXTRA = 1\n")
    assert planned_cells(copy, "suite.yaml") == ["vae"] * 4


def test_a_metric_edit_refits_nothing(copy: Checkout) -> None:
    copy.edit("anomark/statistics/ranking.py", "import numpy as np\n", "import numpy as np\n\nEXTRA = 1\n")
    rules = planned(copy, "suite.yaml")
    assert "fit_and_score" not in rules and rules.count("evaluate_dataset") == 2 and "build_report" in rules


def test_a_seed_trains_that_seed_alone(copy: Checkout) -> None:
    suite = tiny(copy, seeds="[0, 1, 2]")
    assert planned_cells(copy, suite) == ["random_score", "random_score", "vae", "vae"]


def test_a_variant_of_a_dataset_runs_beside_it_and_stays_in_its_section(copy: Checkout) -> None:
    keep = {"constant", "nearest_train"}
    suite = tiny(copy, keep, datasets="[beats, beats-train-50]")
    assert planned_cells(copy, suite) == sorted(keep), "the cells of beats are there"
    done = copy.snakemake("--configfile", suite)
    assert done.returncode == 0, done.stdout
    metrics = pd.read_csv(copy.path / "results/tiny/metrics.csv")
    auroc = metrics[(metrics.metric == "auroc") & (metrics.method == "nearest_train")].set_index("dataset").value
    assert set(auroc.index) == {"beats", "beats-train-50"} and auroc["beats-train-50"] > 0.8
    tables = copy.path / "reports/tiny/tables"
    assert pd.read_csv(tables / "sensitivity.csv").variant.tolist() == ["beats", "beats-train-50"]
    assert all("train-50" not in (tables / f"{name}.csv").read_text() for name in ("table2", "leaderboard", "ranks"))


def test_a_deleted_cell_comes_back(copy: Checkout) -> None:
    (folder,) = (copy.path / "results/cells/beats/nearest_train").iterdir()
    before = copy.cells()
    scores = (folder / "scores.npz").read_bytes()
    shutil.rmtree(folder)
    assert copy.snakemake("--configfile", "suite.yaml").returncode == 0
    after = copy.cells()
    assert [name for name in after if before[name] != after[name]] == [f"beats/nearest_train/{folder.name}"]
    assert (folder / "scores.npz").read_bytes() == scores


def test_copied_cells_are_found_by_their_keys(finished: Checkout, checkout: Callable[[], Checkout]) -> None:
    """A fresh clone with the cells of another computes what its keys don't find: here one edited method."""
    fresh = checkout()
    suite = tiny(fresh)
    shutil.copytree(finished.path / "results/cells", fresh.path / "results/cells")
    fresh.edit("methods/random_score.py", ".random()", ".random() + 1")
    before = fresh.cells()
    done = fresh.snakemake("--configfile", suite)
    assert done.returncode == 0, done.stdout
    after = fresh.cells()
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[1] for name in after.keys() - before.keys()} == {"random_score"}
    assert (fresh.path / "reports/tiny/index.html").exists()


def test_one_core_or_two_give_the_same_bytes(finished: Checkout, checkout: Callable[[], Checkout]) -> None:
    """Same seed, same bits: scores and stored models, with --cores 1 and --cores 2."""
    other = checkout()
    done = other.snakemake("--configfile", tiny(other), cores=1)
    assert done.returncode == 0, done.stdout
    assert other.cells().keys() == finished.cells().keys()
    for name in other.cells():
        for file in sorted((other.path / "results/cells" / name).iterdir()):
            if file.name not in ("fit.json", "SHA256SUMS"):  # which hold how long it took
                assert file.read_bytes() == (finished.path / "results/cells" / name / file.name).read_bytes(), file


def test_fit_and_score_need_no_labels(checkout: Callable[[], Checkout]) -> None:
    """All cells are computed after the labels were taken away; only `evaluate` asks for them again."""
    copy = checkout()
    suite = tiny(copy)
    assert copy.snakemake("--configfile", suite, "--until", "prepare_data").returncode == 0
    shutil.rmtree(copy.path / "results/labels")
    plan = (
        "from anomark.suite.plan import Plan; from anomark.suite.config import load; print(*Plan(load({!r})).outputs)"
    )
    cells = subprocess.run(
        [sys.executable, "-c", plan.format(suite)], cwd=copy.path, capture_output=True, text=True, check=True
    ).stdout.split()
    done = copy.snakemake("--configfile", suite, "--", *cells)
    assert done.returncode == 0, done.stdout
    assert len(copy.cells()) == 12
    assert not (copy.path / "results/labels").exists()
    records = [FitRecord.load(path) for path in (copy.path / "results/cells").glob("*/*/*/fit.json")]
    assert {record.status for record in records} == {"done"}


def test_why_names_what_changed(copy: Checkout) -> None:
    done = copy.anomark("why", "beats", "vae", "--suite", "suite.yaml")
    assert done.stdout.count("nothing would run") == 2, done.stderr
    copy.suite((copy.path / "suite.yaml").read_text() + "params: {vae: {width: 4}}\n", "other.yaml")
    assert "params: width 16 -> 4" in copy.anomark("why", "beats", "vae", "--suite", "other.yaml").stdout
    copy.edit("methods/vae.py", "import math\n", "import math\n\nEXTRA = 1\n")
    assert "sources: methods/vae.py" in copy.anomark("why", "beats", "vae", "--suite", "suite.yaml").stdout


def test_run_evaluate_report_and_gc(copy: Checkout) -> None:
    before = copy.cells()
    done = copy.anomark("run", "beats", "constant", "--suite", "suite.yaml")
    assert done.stdout.startswith("done: results/cells/beats/constant/0-"), done.stderr
    assert copy.cells() == before, "the stored cell is told of, and not run again"
    done = copy.anomark("run", "beats", "random_score", "--seed", "7", "--suite", "suite.yaml")
    assert done.returncode == 0 and "done" in done.stdout, done.stderr
    assert copy.anomark("evaluate", "--suite", "suite.yaml").returncode == 0
    assert "| beats" in copy.anomark("report", "--suite", "suite.yaml", "--format", "md").stdout.lower()
    dropped = copy.anomark("gc", "--suite", "suite.yaml")
    assert "dropped 1 of 13 cells" in dropped.stdout, dropped.stdout + dropped.stderr
    assert len(copy.cells()) == 12


BAD = {
    "bad_raises": "raise RuntimeError('broken on purpose')",
    "bad_sleep": "import time; time.sleep(600)",
    "bad_memory": "return [np.ones(10**7) for _ in range(10**4)]",
}


def test_bad_methods_are_outcomes_and_the_run_goes_on(checkout: Callable[[], Checkout]) -> None:
    copy = checkout()
    for name, body in BAD.items():
        (copy.path / f"methods/{name}.py").write_text(
            f'"""Planted."""\nimport numpy as np\n\nDETERMINISTIC = True\n\n\nclass Method:\n'
            f"    def __init__(self, spec, seed, device): pass\n    def fit(self, X, X_valid=None): pass\n"
            f"    def decision_function(self, X):\n        {body}\n"
            f"    def state_dict(self): return {{}}\n    def load_state_dict(self, state): pass\n"
        )
    suite = tiny(copy, keep={"constant", "nearest_train"}, datasets="[beats]")
    (copy.path / suite).write_text((copy.path / suite).read_text() + "limits: {seconds: 8, memory_gb: 0.5}\n")
    done = copy.snakemake("--configfile", suite)
    assert done.returncode == 1
    coverage = pd.read_csv(copy.path / "results/tiny/coverage.csv", keep_default_na=False).set_index("method")
    expected = {
        "bad_raises": ("failed", "broken on purpose"),
        "bad_sleep": ("timeout", "limit of 8 s"),
        "bad_memory": ("oom", "limit is 0.5"),
    }
    for name, (status, words) in expected.items():
        assert coverage.status[name] == status and words in coverage.reason[name], coverage.loc[name]
        assert words in done.stdout, "the run names each bad outcome with its reason"
    assert (coverage.status[["constant", "nearest_train", "oracle"]] == "done").all()
    page = (copy.path / "reports/tiny/index.html").read_text()
    assert "broken on purpose" in page
    metrics = pd.read_csv(copy.path / "results/tiny/metrics.csv")
    assert set(metrics.method) == {"constant", "nearest_train", "oracle"}
    # and the same command says so again, without computing the other cells again
    before = copy.cells()
    assert copy.snakemake("--configfile", suite).returncode == 1
    assert copy.cells() == before
    assert "dropped 3 of 5" in copy.anomark("gc", "--bad").stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seds: [0]", ("bad.yaml: ", "'seds'", "did you mean 'seeds'")),
        ("datasets: [mvtec-botle]", ("mvtec-botle", "did you mean 'mvtec-bottle'")),
        ("exclude: [var]", ("unknown method 'var'",)),
        ("datasets: [mvtec-bottle]\ndata_root: nowhere", ("nowhere", "no such folder", "mvtec-bottle")),
    ],
)
def test_a_bad_suite_ends_in_one_sentence_before_anything_runs(
    finished: Checkout, text: str, words: tuple[str, ...]
) -> None:
    suite = finished.suite(text + "\n", "bad.yaml")
    done = finished.snakemake("--configfile", suite, env={"ANOMARK_DATA": ""})
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert all(word in done.stdout for word in words), done.stdout
    assert "rule " not in done.stdout


def test_real_data_give_the_known_figures(checkout: Callable[[], Checkout], data_root: Path) -> None:
    """ECG200: 1-NN .913, kNN .901, PCA .873, measured apart from this project: the loader and the harness are right."""
    copy = checkout()
    suite = tiny(copy, keep={"nearest_train", "knn", "pca"}, datasets="[ucr-ECG200]")
    done = copy.snakemake("--configfile", suite, env={"ANOMARK_DATA": str(data_root)})
    assert done.returncode == 0, done.stdout
    metrics = pd.read_csv(copy.path / "results/tiny/metrics.csv")
    auroc = metrics[metrics.metric == "auroc"].groupby("method").value.mean()
    for method, known in (("nearest_train", 0.913), ("knn", 0.901), ("pca", 0.873), ("oracle", 1.0)):
        assert auroc[method] == pytest.approx(known, abs=0.005), method


def test_snakemake_lint_is_clean(finished: Checkout) -> None:
    done = finished.snakemake("--lint")
    assert done.returncode == 0, done.stdout


def test_snakemake_report_builds(finished: Checkout) -> None:
    done = finished.snakemake("--configfile", "suite.yaml", "--report", "report.zip")
    assert done.returncode == 0, done.stdout
    with zipfile.ZipFile(finished.path / "report.zip") as archive:
        names = {Path(name).name for name in archive.namelist()}
    assert names >= {"index.html", "headline.html", "table1.html", "leaderboard.html"}
    figures = {path.name for path in (finished.path / "reports" / "tiny" / "figures").glob("*.svg")}
    assert figures and names >= figures
