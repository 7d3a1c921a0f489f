"""A key changes with what a result depends on, and with nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anomark.seeds import seed_of
from anomark.suite import keys as provenance
from anomark.suite.config import load
from anomark.suite.dropins import ROOT
from anomark.suite.plan import Plan


@pytest.fixture
def method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A method file with one import inside a checkout of its own."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    (tmp_path / "methods").mkdir()
    (tmp_path / "anomark/nn").mkdir(parents=True)
    (tmp_path / "anomark/nn/block.py").write_text("import numpy\n\ndef f(x):\n    return x\n")
    path = tmp_path / "methods/mine.py"
    path.write_text(
        '"""Doc."""\nfrom anomark.nn import block\nLABEL = "Mine"\n\ndef g(x):\n    """Doc."""\n    return block.f(x)\n'
    )
    return path


def key(path: Path) -> object:
    provenance._scan.cache_clear()
    return provenance.closure([path])


def test_closure_follows_imports(method: Path) -> None:
    sources, versions = provenance.closure([method])
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


def test_a_block_enters_the_key_of_its_users(method: Path, tmp_path: Path) -> None:
    before = key(method)
    (tmp_path / "anomark/nn/block.py").write_text("import numpy\n\ndef f(x):\n    return -x\n")
    assert key(method) != before


def test_fingerprints_are_of_content(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    file = tmp_path / "raw/a.csv"
    file.write_text("1")
    prints = provenance.Fingerprints(tmp_path / "cache.json")
    first = prints.of(tmp_path, [file])
    prints.save()
    os.utime(file, (1, 1))
    again = provenance.Fingerprints(tmp_path / "cache.json")
    assert again.of(tmp_path, [file]) == first, "a copy with another time is the same data"
    file.write_text("2")
    os.utime(file, (2, 2))
    assert again.of(tmp_path, [file]) != first


def test_cell_keys_are_distinct_and_stable() -> None:
    plan, again = Plan(load("default")), Plan(load("default"))
    keys = [cell.key for cell in plan.cells]
    assert len(set(keys)) == len(keys)
    assert keys == [cell.key for cell in again.cells]


def test_limits_and_costs_are_not_part_of_a_key() -> None:
    suite = load("default")
    other = suite.model_copy(update={"limits": suite.limits.model_copy(update={"seconds": 1.0}), "core_seconds": {}})
    assert [c.key for c in Plan(suite).cells] == [c.key for c in Plan(other).cells]


def test_a_cell_depends_on_its_method_not_on_the_others() -> None:
    (cell,) = [c for c in Plan(load("smoke")).cells if c.method == "vae" and c.dataset == "beats"]
    assert "methods/vae.py" in cell.parts["sources"]
    assert not any(name.startswith("methods/") and name != "methods/vae.py" for name in cell.parts["sources"])
    assert not any(name.startswith(("metrics/", "anomark/report", "anomark/plan")) for name in cell.parts["sources"])
    assert all((ROOT / name).is_file() for name in cell.parts["sources"])
    assert "torch" in cell.parts["versions"]


def test_seeds_are_independent_of_the_order_of_axes() -> None:
    assert seed_of(dataset="a", method="b", repetition=1) == seed_of(repetition=1, method="b", dataset="a")
    assert len({seed_of(dataset=d, method=m, repetition=r) for d in "ab" for m in "ab" for r in (0, 1)}) == 8
