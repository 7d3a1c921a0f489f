"""A modality is one file, which says all that the rest of the code asks of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from anomark import modality
from anomark.checks import modalities as checks
from anomark.checks.run import check_file
from anomark.contracts import AnomarkError, Spec
from anomark.suite.dropins import ROOT
from anomark.suite.registry import datasets, methods


@pytest.mark.parametrize("name", modality.ids())
def test_every_modality_keeps_its_contract(name: str) -> None:
    assert [problem for problem in check_file(modality.path_of(name)) if problem[1]] == []


def test_every_dataset_and_method_names_modalities_that_have_a_file() -> None:
    for dataset in datasets().values():
        assert dataset.family.level in modality.load(dataset.family.modality).LEVELS
    for method in methods().values():
        assert set(method.modalities) <= set(modality.ids())


GOOD = """
NOUN, LABEL, ORDER = "graphs", "Graphs", 9
LEVELS = {"graph": 3}
SAMPLES = (((1, 12), (0.0, 1.0)),)
RESIZABLE = False
SCALOGRAM = None
PICTURES = {}

def check(prepared):
    return None

def flip(X, row, rng):
    changed = X[row].copy()
    changed[0, 3] = 1 - changed[0, 3]
    return changed

def synthetic():
    return (flip,)
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    folder = tmp_path / "modalities"
    folder.mkdir(exist_ok=True)
    (folder / "graph.py").write_text(text)
    return [problem for _, problem in checks.check(folder / "graph.py") if problem]


def test_a_file_elsewhere_is_checked_too(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("RESIZABLE = False", "", "RESIZABLE"),
        ("RESIZABLE = False", "RESIZABLE = 0", "RESIZABLE is a int"),
        ("def check(", "def examine(", "check"),
        ('LEVELS = {"graph": 3}', "LEVELS = {}", "LEVELS is empty"),
        ('LEVELS = {"graph": 3}', 'LEVELS = {"graph": 7}', "7"),
        ('LEVELS = {"graph": 3}', 'LEVELS = {"graph": 4}', "axes"),
        ('LEVELS = {"graph": 3}', 'LEVELS = {"graph": 3, "node": 2}', "node"),
        ("SCALOGRAM = None", 'SCALOGRAM = {"scales": 3}', "SCALOGRAM"),
        ("PICTURES = {}", 'PICTURES = {"node": ("gallery",)}', "node"),
        ("PICTURES = {}", 'PICTURES = {"graph": ("galery",)}', "did you mean 'gallery'"),
        ("return None", 'return "graphs need edges"', "graphs need edges"),
        ("1 - changed[0, 3]", "changed[0, 3]", "flip leaves"),
        ("X[row].copy()", "X[row]", "flip"),
        ("    return changed\n", "    return changed[:, 1:]\n", "flip makes"),
        ("changed[0, 3] = 1", "changed[0, 3] = __import__('random').random()", "one seed"),
    ],
)
def test_a_broken_file_is_told_what_is_wrong(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new))
    assert found and any(words in problem for problem in found), found
    assert all("\n" not in problem for problem in found)


def test_an_unknown_modality_is_one_sentence() -> None:
    with pytest.raises(AnomarkError, match="unknown modality 'imge'; did you mean 'image'"):
        modality.load("imge")


def test_a_picture_is_told_from_a_signal_by_its_shape() -> None:
    assert Spec("image", (1, 8, 8)).planar and not Spec("series", (1, 8)).planar


def test_reading_the_modalities_imports_nothing_heavy() -> None:
    code = (
        "import sys, anomark.modality as m; m.levels(); print({'torch', 'pandas', 'scipy', 'pywt'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
