"""The inputs of people who tried the suite with data of their own, where the folder of these cases is at hand."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomark.contracts import Prepared
from anomark.data import arrange
from anomark.modality import load
from anomark.suite import config, registry
from anomark.suite.dropins import ROOT
from anomark.suite.plan import Plan

MAKER = next((p for p in (ROOT.parent / "shared", ROOT / "shared") if (p / "cases/make_cases.py").exists()), None)
pytestmark = pytest.mark.skipif(MAKER is None, reason="the folder of cases is not at hand")


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, f"{MAKER}/cases/make_cases.py", str(root)], check=True, cwd=root)
    return root


def prepared(cases: Path, family: str, item: str, **params: Any) -> Prepared:
    known = registry.families()[family]
    module = importlib.import_module(known.module)
    found: Prepared = module.prepare(cases, **{**known.defaults, "item": item, **params})
    arrange.check(found, load(known.modality), known.level, item)
    return found


@pytest.mark.parametrize(
    "item", ["tif", "bmp", "same_stem_mask", "mask_of_ones", "rgba", "palette", "with space", "dollar$(touch pwned)"]
)
def test_folders_of_images(cases: Path, item: str) -> None:
    found = prepared(cases, "folder", item, size=64)
    assert found.train.shape == (12, 3, 64, 64) and found.test.shape == (12, 3, 64, 64)
    assert found.labels is not None and found.labels.sum() == 6
    assert found.masks is not None and (found.masks.sum(axis=(1, 2)) == 100 * found.labels).all()
    if item in ("rgba", "palette"):
        assert any("converted to RGB: 24 of" in note for note in found.notes)


@pytest.mark.parametrize("item", ["gaps", "true_false", "minus_one", "semicolons", "is_anomaly"])
def test_tables(cases: Path, item: str) -> None:
    found = prepared(cases, "table", item)
    assert found.test.shape == (300, 2) and np.flatnonzero(found.labels).tolist() == list(range(150, 170))
    assert any("7 missing values" in note for note in found.notes) == (item == "gaps")
    assert any("-1 is an anomaly" in note for note in found.notes) == (item == "minus_one")


def test_a_table_of_devices_is_a_dataset_for_each(cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOMARK_DATA", str(cases))
    change = {"datasets": ["table-devices"], "dataset_params": {"table-devices": {"entity": "device"}}, "include": []}
    suite = config.load("smoke").model_copy(update=change | {"choose": False})
    data = Plan(suite, results=str(cases / "results")).data
    assert [*data] == ["table-devices@d0", "table-devices@d1", "table-devices@d2"]
    for one in data.values():
        found = prepared(cases, "table", **one.params)
        assert found.test.shape == (100, 1) and found.labels is not None and found.labels.sum() in (6, 7)


def test_a_table_without_labels(cases: Path) -> None:
    found = prepared(cases, "table", "unlabelled")
    assert found.labels is None and found.test.shape == (300, 2)
