"""A key changes with what a result depends on, and with nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from anomark import modality
from anomark.seeds import seed_of
from anomark.suite import keys
from anomark.suite.config import load
from anomark.suite.dropins import ROOT
from anomark.suite.plan import Plan
from tests.conftest import Checkout


@pytest.fixture
def method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A method file with one import inside a checkout of its own."""
    monkeypatch.setattr(keys, "ROOT", tmp_path)
    (tmp_path / "methods").mkdir()
    (tmp_path / "anomark/nn").mkdir(parents=True)
    (tmp_path / "anomark/nn/block.py").write_text("import numpy\n\ndef f(x):\n    return x\n")
    path = tmp_path / "methods/mine.py"
    path.write_text(
        '"""Doc."""\nfrom anomark.nn import block\nLABEL = "Mine"\n\ndef g(x):\n    """Doc."""\n    return block.f(x)\n'
    )
    return path


def key(path: Path) -> object:
    keys._scan.cache_clear()
    return keys.closure([path])


def test_closure_follows_imports(method: Path) -> None:
    sources, versions = keys.closure([method])
    assert set(sources) == {"methods/mine.py", "anomark/nn/block.py"}
    assert set(versions) == {"numpy"}


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("return block.f(x)", "return  block.f( x )  # a comment", True),
        ('"""Doc."""', '"""Another text."""', True),
        ('    """Doc."""\n', "", True),
        ('LABEL = "Mine"', 'LABEL = "Yours"', True),
        ("return block.f(x)", "return block.f(x) + 1", False),
        ("def g(x)", "def h(x)", False),
    ],
)
def test_only_code_counts(method: Path, old: str, new: str, same: bool) -> None:
    before = key(method)
    assert old in method.read_text()
    method.write_text(method.read_text().replace(old, new))
    assert (key(method) == before) is same


def test_a_literal_that_the_code_reads_is_code(method: Path) -> None:
    method.write_text(method.read_text().replace("block.f(x)", "block.f(x, LABEL)"))
    before = key(method)
    method.write_text(method.read_text().replace('"Mine"', '"Yours"'))
    assert key(method) != before


def test_what_only_a_type_checker_imports_is_not_followed(method: Path) -> None:
    method.write_text(
        method.read_text().replace("import block\n", "import block\nif TYPE_CHECKING:\n    import torch\n")
    )
    assert set(keys.closure([method])[1]) == {"numpy"}


def test_a_block_enters_the_key_of_its_users(method: Path, tmp_path: Path) -> None:
    before = key(method)
    (tmp_path / "anomark/nn/block.py").write_text("import numpy\n\ndef f(x):\n    return -x\n")
    assert key(method) != before


def test_fingerprints_are_of_content(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    file = tmp_path / "raw/a.csv"
    file.write_text("1")
    prints = keys.Fingerprints(tmp_path / "cache.json")
    first = prints.of(tmp_path, [file])
    prints.save()
    os.utime(file, (1, 1))
    again = keys.Fingerprints(tmp_path / "cache.json")
    assert again.of(tmp_path, [file]) == first, "a copy with another time is the same data"
    file.write_text("2")
    os.utime(file, (2, 2))
    assert again.of(tmp_path, [file]) != first


def test_cell_keys_are_distinct_and_stable() -> None:
    plan, again = Plan(load("default")), Plan(load("default"))
    found = [cell.key for cell in plan.cells]
    assert len(set(found)) == len(found)
    assert found == [cell.key for cell in again.cells]


def test_limits_and_costs_are_not_part_of_a_key() -> None:
    suite = load("default")
    other = suite.model_copy(update={"limits": suite.limits.model_copy(update={"seconds": 1.0}), "core_seconds": {}})
    assert [c.key for c in Plan(suite).cells] == [c.key for c in Plan(other).cells]


def test_a_cell_depends_on_its_method_not_on_the_others() -> None:
    (cell,) = [c for c in Plan(load("smoke")).cells if c.method == "vae" and c.dataset == "beats"]
    assert "methods/vae.py" in cell.parts.sources
    assert not any(name.startswith("methods/") and name != "methods/vae.py" for name in cell.parts.sources)
    assert not any(name.startswith(("metrics/", "anomark/report", "anomark/plan")) for name in cell.parts.sources)
    assert all((ROOT / name).is_file() for name in cell.parts.sources)
    assert "torch" in cell.parts.versions


PRINT_KEYS = """
import json
from anomark.suite.config import load
from anomark.suite.plan import Plan
suite = load("default").model_copy(update={"datasets": ["textures-*", "series"]})
plan = Plan(suite)
found = {f"{cell.dataset}/{cell.method}/{cell.seed}": cell.key for cell in plan.cells}
print(json.dumps(found | {f"evaluation/{dataset}": plan.evaluation_key(dataset) for dataset in plan.data}))
"""


def planned_keys(copy: Checkout, evaluations: bool = False) -> dict[str, str]:
    """The key of every cell of a suite, or of every evaluation, in a copy of the checkout."""
    command, environment = [sys.executable, "-c", PRINT_KEYS], os.environ | {"PYTHONPATH": str(copy.path)}
    done = subprocess.run(command, cwd=copy.path, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return {name: key for name, key in found.items() if name.startswith("evaluation/") == evaluations}


def test_a_metric_moves_the_key_of_every_evaluation_and_of_no_cell(tmp_path: Path) -> None:
    copy = Checkout(tmp_path)
    cells, evaluations = planned_keys(copy), planned_keys(copy, evaluations=True)
    for edited in (False, True):
        if edited:
            copy.edit("metrics/mine.py", "return average_precision(labels, scores)", "return 0.5")
        else:
            shutil.copy(copy.path / "metrics/ap.py", copy.path / "metrics/mine.py")
        assert planned_keys(copy) == cells
        after = planned_keys(copy, evaluations=True)
        assert after.keys() == evaluations.keys() and not set(after.values()) & set(evaluations.values())
        evaluations = after


def test_what_moves_a_score_moves_every_key_and_what_runs_around_it_moves_none(tmp_path: Path) -> None:
    copy = Checkout(tmp_path)
    before = planned_keys(copy)
    copy.edit("anomark/runtime/supervisor.py", "_POLL = 0.1", "_POLL = 0.2")
    copy.edit("anomark/runtime/store.py", "[:300]", "[:200]")
    copy.edit("anomark/records.py", "    log: str = ", "    extra: int = 0\n    log: str = ")
    copy.edit("anomark/stages/prepare.py", "import sys\n", "import sys\n\nEXTRA = 1\n")
    copy.edit("anomark/runtime/fit_score.py", '"""', '"""Another first line. ')
    assert planned_keys(copy) == before
    copy.edit("anomark/runtime/fit_score.py", "repetition=cell.seed", "repetition=cell.seed + 1")
    after = planned_keys(copy)
    assert after.keys() == before.keys() and not set(after.values()) & set(before.values())


def test_an_item_that_is_added_changes_no_other(tmp_path: Path) -> None:
    copy = Checkout(tmp_path)
    before = planned_keys(copy)
    copy.edit(
        "datasets/textures.py", '    "brick": {', '    "bark": {"stream": 9, "foreign": "grass"},\n    "brick": {'
    )
    after = planned_keys(copy)
    assert any(name.startswith("textures-bark/") for name in after)
    assert {name: after[name] for name in before} == before


def test_seeds_are_independent_of_the_order_of_axes() -> None:
    assert seed_of(dataset="a", method="b", repetition=1) == seed_of(repetition=1, method="b", dataset="a")
    assert len({seed_of(dataset=d, method=m, repetition=r) for d in "ab" for m in "ab" for r in (0, 1)}) == 8


def test_a_cell_depends_on_the_file_of_its_modality_and_of_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {cell.id.rpartition("-")[0]: cell for cell in Plan(load("smoke")).cells}
    monkeypatch.setattr(modality, "path_of", lambda name: modality.FOLDER / f"{name.replace('image', 'audio')}.py")
    plan = Plan(load("smoke"))
    for cell in plan.cells:
        same = cell.key == before[cell.id.rpartition("-")[0]].key
        assert same is (plan.data[cell.dataset].modality != "image"), cell.id


@pytest.mark.parametrize(
    ("old", "new", "same"), [('"image": 4', '"image": 5', False), ("NOUN = ", 'NOUN = "seen " + ', True)]
)
def test_what_a_modality_says_for_the_report_is_in_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, same: bool
) -> None:
    monkeypatch.setattr(keys, "ROOT", tmp_path)
    path = tmp_path / "anomark/modalities/image.py"
    path.parent.mkdir(parents=True)
    path.write_text(modality.path_of("image").read_text())
    before = key(path)
    path.write_text(path.read_text().replace(old, new, 1))
    assert (key(path) == before) is same
