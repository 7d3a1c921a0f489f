"""Imports go one way, rooms stay small, nothing is named that can be dropped in, and what must be light stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from anomark import modality
from anomark.cli.listing import LISTS
from anomark.docs.architecture import PURPOSE, arrows, modules
from anomark.suite import registry
from anomark.suite.dropins import FOLDERS, ROOT

ANOMARK = ROOT / "anomark"
SOURCES = sorted(ANOMARK.rglob("*.py"))
#: Methods whose ids are words of the language; they must not stand in quotes, others nowhere.
WORDS = {"constant", "untrained"}


def allowed() -> dict[str, set[str]]:
    """Folder -> folders that it may import from: the table among the house rules of CONTRIBUTING.md."""
    _, _, rules = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("| folder | may import from |")
    found = {}
    for line in rules.lstrip("\n").splitlines()[1:]:
        if not line.startswith("|"):
            break
        folders, others = (set(re.findall(r"`([^`]+)`", cell)) for cell in line.strip("|").split("|"))
        found |= dict.fromkeys(folders, others)
    return found


def test_a_folder_imports_from_those_that_it_may_alone() -> None:
    rules = allowed()
    assert rules.keys() == arrows().keys(), "the table of CONTRIBUTING.md has not the folders that there are"
    strange = {f"{folder} -> {other}" for folder, others in arrows().items() for other in others - rules[folder]}
    assert not strange


def test_the_rules_hold_no_circle() -> None:
    tuple(TopologicalSorter(allowed()).static_order())


def test_every_folder_says_what_it_is_for() -> None:
    assert {folder: bool(files) for folder, files in modules().items()} == dict.fromkeys(PURPOSE, True)


def test_dropin_folders_are_not_packages_and_inits_are_empty() -> None:
    assert not [folder for folder in FOLDERS.values() if (ROOT / folder / "__init__.py").exists()]
    for path in SOURCES:
        if path.name == "__init__.py" and path.parent != ANOMARK:
            assert path.read_text() == "", f"{path} re-exports: that puts its modules into every method's closure"


def test_no_module_is_long_and_no_folder_full() -> None:
    long = {str(path): lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > 400}
    folders = {path.parent for path in SOURCES} - {path.parent for path in registry.section_files()}  # dropped in
    full = {str(folder): n for folder in folders if (n := sum(p.is_file() for p in folder.iterdir())) > 15}
    assert not long and not full


def test_no_method_is_named() -> None:
    ids = "|".join(re.escape(id) for id in registry.methods().keys() - WORDS)
    named = re.compile(rf"(?<![\w-])(?:{ids})(?![\w-])|[\"'](?:{'|'.join(WORDS)})[\"']")
    assert not [f"{path}: {m[0]}" for path in SOURCES for m in named.finditer(path.read_text())]


def test_no_modality_is_named_but_in_its_file() -> None:
    quoted = re.compile(rf"[\"'](?:{'|'.join(modality.ids())})[\"']")
    elsewhere = [path for path in [*SOURCES, *ANOMARK.rglob("*.j2")] if path.parent != modality.FOLDER]
    assert not [f"{path}: {m[0]}" for path in elsewhere for m in quoted.finditer(path.read_text())]


@pytest.mark.parametrize("what", LISTS)
def test_listing_imports_nothing_heavy(what: str) -> None:
    code = f"from anomark.cli.app import app; app(['list', {what!r}], standalone_mode=False)"
    assert not loaded(code) & {"torch", "pyod", "sklearn", "scipy", "pandas", "matplotlib"}


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (
            "from anomark.suite.config import load; from anomark.suite.plan import Plan; Plan(load('smoke'))",
            {"torch", "sklearn"},
        ),
        ("import anomark; anomark.load", {"torch", "numpy", "sklearn", "pandas"}),
        ("import anomark.stages.evaluate", {"torch"}),
        ("import anomark.stages.report", {"torch"}),
        ("import anomark.stages.cell", {"torch", "sklearn", "pandas"}),
    ],
    ids=["plan", "load", "evaluate", "report", "supervisor"],
)
def test_light_commands_import_nothing_heavy(code: str, absent: set[str]) -> None:
    assert not loaded(code) & absent


def loaded(code: str) -> set[str]:
    """The modules that are imported once a piece of code has run in a process of its own."""
    script = f"import sys\n{code}\nprint('LOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.rpartition("LOADED")[2].split())


def test_the_package_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "anomark", "list", "methods"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert {line.split()[0] for line in done.stdout.splitlines()[1:]} == registry.methods().keys()


def test_every_method_is_documented() -> None:
    for method in registry.methods().values():
        assert ast.get_docstring(ast.parse(method.path.read_text())), f"{method.path} has no docstring"
        assert method.control or method.paper, f"{method.path} names no PAPER"
