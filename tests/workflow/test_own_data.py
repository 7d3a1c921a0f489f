"""A user's own images and own table go through the whole suite; absent and refused data are outcomes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from anomark.suite import registry
from tests.conftest import Checkout

pytestmark = pytest.mark.workflow

KEPT = {"constant", "nearest_train", "median_distance"}


def own_data(root: Path) -> None:
    """Grey images, some with a white spot, and a sine with a burst of noise."""
    rng = np.random.default_rng(0)
    for part, kind, count in (("train", "good", 12), ("test", "good", 6), ("test", "spot", 6)):
        folder = root / "folder/screws" / part / kind
        folder.mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(90, 110, size=(24, 24), dtype=np.uint8)
            if kind == "spot":
                pixels[8:14, 8:14] = 250
            Image.fromarray(pixels).save(folder / f"{i:03}.png")
    steps = np.arange(800)
    label = (steps >= 600) & (steps < 620)
    flow = np.sin(steps / 6) + np.where(label, rng.normal(0, 2, size=800), 0)
    (root / "table").mkdir()
    pd.DataFrame({"flow": flow, "label": label.astype(int)}).to_csv(root / "table/pump.csv", index=False)


def test_own_images_and_an_own_table_run_from_one_entry_each(checkout: Callable[[], Checkout], tmp_path: Path) -> None:
    copy = checkout()
    own_data(tmp_path)
    suite = copy.suite(
        f"""
suite: mine
data_root: {tmp_path}
datasets: [folder-screws, table-pump, nab-nyc_taxi]
seeds: [0]
preprocessing: {{size: 16}}
dataset_params: {{table-pump: {{window: 40}}}}
exclude: [{", ".join(sorted(set(registry.methods()) - KEPT))}]
"""
    )
    env = {"ANOMARK_DATA": ""}
    done = copy.snakemake("--configfile", suite, env=env)
    assert done.returncode == 0, done.stdout
    assert "not available: nab-nyc_taxi (nab.zip or" in done.stdout
    metrics = pd.read_csv(copy.path / "results/mine/metrics.csv")
    auroc = metrics[metrics.metric == "auroc"].set_index(["dataset", "method"]).value
    assert auroc["folder-screws", "nearest_train"] == 1.0
    assert auroc["table-pump", "nearest_train"] > 0.9
    page = (copy.path / "reports/mine/index.html").read_text()
    assert "screws" in page and "pump" in page and "nab-nyc_taxi (nab.zip" in page
    assert "nothing to be done" in copy.snakemake("--configfile", suite, env=env).stdout.lower()


def test_a_refused_dataset_is_an_outcome_and_the_run_goes_on(checkout: Callable[[], Checkout], tmp_path: Path) -> None:
    copy = checkout()
    own_data(tmp_path)
    table = pd.read_csv(tmp_path / "table/pump.csv")
    table.assign(label=0).to_csv(tmp_path / "table/quiet.csv", index=False)
    suite = copy.suite(
        f"""
suite: mine
data_root: {tmp_path}
datasets: [table-quiet, table-pump]
seeds: [0]
dataset_params: {{table: {{window: 40}}}}
exclude: [{", ".join(sorted(set(registry.methods()) - KEPT))}]
"""
    )
    env = {"ANOMARK_DATA": ""}
    done = copy.snakemake("--configfile", suite, env=env)
    assert done.returncode == 1
    said = [line for line in done.stdout.splitlines() if line.startswith("refused: table-quiet: ")]
    assert len(said) == 1 and "undefined: one class" in said[0], done.stdout
    coverage = pd.read_csv(copy.path / "results/mine/coverage.csv").set_index(["dataset", "method"])
    assert set(coverage.loc["table-quiet"].index) == KEPT and (coverage.loc["table-quiet"].status == "refused").all()
    assert (coverage.loc["table-pump"].status == "done").all()
    reason = coverage.reason["table-quiet", "constant"]
    assert "quiet.csv" in reason and "undefined: one class" in reason
    page = (copy.path / "reports/mine/index.html").read_text()
    assert f"refused: {reason}" in page
    assert "table-quiet" not in (copy.path / "results/mine/metrics.csv").read_text()
    before = copy.cells()
    again = copy.snakemake("--configfile", suite, env=env)
    assert again.returncode == 1 and "refused: table-quiet: " in again.stdout and copy.cells() == before
    table.to_csv(tmp_path / "table/quiet.csv", index=False)
    assert copy.snakemake("--configfile", suite, env=env).returncode == 0, "the mended file has another key"


#: Names that a shell would run, split or expand. A slash can't stand in a file's name.
HOSTILE = (
    "with space $(touch pwned)",
    "`touch pwned`;touch pwned|touch pwned&&touch pwned",
    "quote'\";touch pwned;'\"",
    "-größe-测试",
)


def test_a_name_is_data_and_never_a_command(checkout: Callable[[], Checkout], tmp_path: Path) -> None:
    copy = checkout()
    own_data(tmp_path)
    for name in HOSTILE:
        shutil.copytree(tmp_path / "folder/screws", tmp_path / "folder" / name)
    overlay = {
        "suite": "hostile",
        "data_root": str(tmp_path),
        "datasets": [f"folder-{name}" for name in HOSTILE],
        "seeds": [0],
        "papers": [],
        "preprocessing": {"size": 16},
        "exclude": sorted(set(registry.methods()) - {"median_distance"}),
    }
    suite = copy.suite(yaml.safe_dump(overlay, allow_unicode=True))
    done = copy.snakemake("--configfile", suite, env={"ANOMARK_DATA": ""})
    assert done.returncode == 0, done.stdout
    metrics = pd.read_csv(copy.path / "results/hostile/metrics.csv")
    assert set(metrics["dataset"]) == set(overlay["datasets"])
    assert not list(copy.path.rglob("pwned*")) and not list(tmp_path.rglob("pwned*")), "a name was run as a command"
