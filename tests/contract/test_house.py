"""Imports point one way, and what must be light stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from anomark import modality
from anomark.suite import registry
from anomark.suite.dropins import FOLDERS, ROOT

#: Who must not know whom.
FORBIDDEN = {
    "methods": (
        "anomark.stages",
        "anomark.report",
        "anomark.cli.app",
        "anomark.suite.registry",
        "anomark.suite.plan",
        "anomark_metrics",
    ),
    "datasets": (
        "anomark.stages",
        "anomark.report",
        "anomark.cli.app",
        "anomark.suite.registry",
        "anomark.suite.plan",
        "anomark.nn",
    ),
    "anomark/nn": (
        "anomark.stages",
        "anomark.report",
        "anomark.cli.app",
        "anomark.suite.registry",
        "anomark.suite.plan",
    ),
    "anomark/diffusion": (
        "anomark.stages",
        "anomark.report",
        "anomark.cli.app",
        "anomark.suite.registry",
        "anomark.suite.plan",
    ),
    "anomark/signal": (
        "anomark.stages",
        "anomark.report",
        "anomark.cli.app",
        "anomark.suite.registry",
        "anomark.suite.plan",
    ),
    "metrics": (
        "anomark.stages",
        "anomark.report",
        "anomark.suite.registry",
        "anomark.nn",
        "anomark.suite.plan",
    ),
    "anomark/report": ("anomark.stages", "anomark.suite.registry", "anomark.nn", "anomark.suite.plan"),
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_point_one_way(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        for name in imports(path):
            assert not name.startswith(FORBIDDEN[folder]), f"{path.name} imports {name}"


def test_stages_know_no_particular_method() -> None:
    for path in (ROOT / "anomark" / "stages").glob("*.py"):
        assert not any(n.startswith(tuple(FOLDERS)) for n in imports(path)), path


def test_no_code_but_its_own_names_a_modality() -> None:
    """What differs between modalities stands in their files, so that a new one takes no second edit."""
    named = re.compile(r"""["'](image|series|audio)["']""")
    for path in (ROOT / "anomark").rglob("*"):
        if path.suffix in (".py", ".j2") and path.parent != modality.FOLDER:
            found = [line for line in path.read_text(encoding="utf-8").splitlines() if named.search(line)]
            assert not found, f"{path} names a modality: {found[0].strip()}"


def test_dropin_folders_are_not_packages_and_inits_are_empty() -> None:
    assert not (ROOT / "methods/__init__.py").exists() and not (ROOT / "datasets/__init__.py").exists()
    for path in (ROOT / "anomark").rglob("__init__.py"):
        if path.parent != ROOT / "anomark":
            assert path.read_text() == "", f"{path} re-exports: that puts its modules into every method's closure"


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (
            "from anomark.cli.app import app; app(['list', 'methods'], standalone_mode=False)",
            {"torch", "pyod", "pandas"},
        ),
        (
            "from anomark.suite.config import load; from anomark.suite.plan import Plan; Plan(load('smoke'))",
            {"torch", "sklearn"},
        ),
        ("import anomark.stages.evaluate", {"torch"}),
        ("import anomark.stages.report", {"torch"}),
        ("import anomark.stages.cell", {"torch", "sklearn", "pandas"}),
    ],
    ids=["list", "plan", "evaluate", "report", "supervisor"],
)
def test_light_commands_import_nothing_heavy(code: str, absent: set[str]) -> None:
    script = f"import sys\n{code}\nprint('LOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert not loaded & absent


def test_every_method_is_documented() -> None:
    for method in registry.methods().values():
        assert ast.get_docstring(ast.parse(method.path.read_text())), f"{method.path} has no docstring"
        assert method.control or method.paper, f"{method.path} names no PAPER"
