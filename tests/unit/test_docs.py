"""README, CONTRIBUTING, CHANGELOG and CITATION say what is so."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import typer
import yaml

from anomark.checks import run as check
from anomark.cli.app import app
from anomark.detectors.perceptual import backbones
from anomark.docs import catalogue
from anomark.files import read_yaml
from anomark.outcomes import Outcome
from anomark.report.results import load_results
from anomark.report.tables import EXPECTED
from anomark.suite import config, registry
from anomark.suite.dropins import ROOT
from anomark.suite.metric_files import METRIC_LITERALS
from anomark.suite.papers import read_paper
from tests.report_fixture import write_evaluation

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
READING = (ROOT / "docs/reading.md").read_text(encoding="utf-8")


#: Files that git knows, without those that somebody has dropped in; empty outside of a checkout.
TRACKED = {
    ROOT / name
    for name in subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT).stdout.splitlines()
}


def blocks(text: str, language: str) -> list[str]:
    """Contents of the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def examples() -> dict[str, str]:
    """{file name in the first line: block} of CONTRIBUTING.md; a CSV file has no such line itself."""
    found = {}
    for language in ("python", "yaml", "csv"):
        for block in blocks(CONTRIBUTING, language):
            first, _, rest = block.partition("\n")
            if "/" in first:
                found[first.removeprefix("# ")] = rest if language == "csv" else block
    return found


EXAMPLES = examples()


def table(text: str, header: str) -> dict[str, list[str]]:
    """{first cell without backticks: cells} of the table whose header row begins so."""
    assert f"\n{header}" in text, f"there is no table that begins {header!r}"
    rows = {}
    for line in text.partition(f"\n{header}")[2].splitlines()[2:]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows[cells[0].strip("`")] = cells
    return rows


def commands() -> list[list[str]]:
    """Every command line of both files, without leading NAME=value."""
    lines = [line for text in (README, CONTRIBUTING) for block in blocks(text, "sh") for line in block.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines if line]
    return [[w for i, w in enumerate(line) if i or "=" not in w] for line in words]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_exists(command: list[str]) -> None:
    program, *rest = command
    match program.removeprefix(".venv/bin/"):
        case "make":
            targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
            assert set(rest) <= set(targets)
        case "anomark":
            known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
            assert rest[0] in known
            deeper = getattr(known[rest[0]], "commands", {})
            called = deeper[rest[1]] if deeper else known[rest[0]]
            options = {option for parameter in called.params for option in parameter.opts}
            assert {word for word in rest[1:] if word.startswith("-")} <= options
        case "snakemake":
            assert {word for word in rest if word.startswith("-")} <= {"--cores", "--configfile", "--config", "-n"}
            assert all((ROOT / word).is_file() for word in rest if word.endswith(".yaml"))
        case "pre-commit":
            assert (ROOT / ".pre-commit-config.yaml").is_file() and rest == ["install"]
        case other:
            pytest.fail(f"{other} is no program of this project")


def test_there_are_commands_to_check() -> None:
    assert {c[0] for c in commands()} >= {"make", ".venv/bin/snakemake", ".venv/bin/anomark"}


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_files_that_are_linked_exist(text: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("https://")]
    assert links and all((ROOT / link).exists() for link in links)


def test_the_suite_table_is_complete() -> None:
    assert set(table(README, "| suite |")) == set(config.suites())


def tracked(path: Path) -> bool:
    return path in TRACKED or not TRACKED


def test_generated_pages_are_what_the_files_say() -> None:
    """A file that somebody dropped in is in the pages or is not, as they like: it needs no second edit."""
    by_tracked, by_all = catalogue.pages(tracked), catalogue.pages()
    for name, text in by_all.items():
        assert (ROOT / name).read_text(encoding="utf-8") in (text, by_tracked[name]), f"{name}: run `anomark docs`"


def test_every_word_that_stands_for_a_number_is_explained() -> None:
    assert set(table(READING, "| word |")) == {*Outcome, *EXPECTED} - {"done"}


def test_every_literal_is_explained() -> None:
    described = set(re.findall(r"`([A-Z_]+)`", CONTRIBUTING))
    assert described >= set(registry.METHOD_LITERALS) | set(METRIC_LITERALS) | {"FILES", "ITEMS", "DEFAULTS"}


def write_example(name: str, folder: Path) -> Path:
    """An example as a file below `folder`, at the path that its first line gives."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(EXAMPLES[name], encoding="utf-8")
    return path


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", [n for n in EXAMPLES if n.endswith(".py") and "backbones" not in n])
def test_examples_keep_the_contract(name: str, tmp_path: Path) -> None:
    results = dict(check.check_file(write_example(name, tmp_path)))
    assert len(results) > 1 and not {check_: problem for check_, problem in results.items() if problem}


def test_the_example_of_a_paper_can_be_read(tmp_path: Path) -> None:
    write_example("papers/smith2024/table1.csv", tmp_path)
    path = write_example("papers/smith2024/paper.yaml", tmp_path).parent
    results = dict(check.check_file(path))
    assert "the dataset beats is known" in results and not any(results.values()), results
    paper = read_paper(path)
    assert len(paper.numbers) == 4 and paper.numbers["beats", "knn"].value == pytest.approx(0.8)


def test_the_example_of_a_section_is_built_from_results(tmp_path: Path) -> None:
    suite, evaluation = write_evaluation(tmp_path)
    section = imported(write_example("anomark/report/sections/95_slowest.py", tmp_path)).build(
        load_results(suite, evaluation)
    )
    assert section is not None and "took longest to fit" in section.lead and section.parts[0].rows


def test_the_example_of_a_backbone_is_found_by_its_mark(tmp_path: Path) -> None:
    module = imported(write_example("anomark/detectors/backbones/five_stages.py", tmp_path))
    module.draw(tmp_path / "weights.safetensors")
    network = module.Network.load(tmp_path / "weights.safetensors")
    assert [len(network.strides), module.MARK in network.state_dict()] == [3, True]
    assert not any(module.MARK in backbone.Network().state_dict() for backbone in backbones())


def test_readme_shows_the_same_short_method() -> None:
    (block,) = blocks(README, "python")
    assert block == EXAMPLES["methods/hbos.py"] and len(block.splitlines()) < 15


def test_the_example_suite_is_valid() -> None:
    (text,) = [block for block in blocks(CONTRIBUTING, "yaml") if not block.startswith("# papers/")]
    overlay = yaml.safe_load(text)
    merged = config.merge(read_yaml(config.suites()["default"]), overlay)
    suite = config.validate(merged, "CONTRIBUTING.md")
    assert suite.suite == "tones" and suite.core_seconds == config.load().core_seconds
    for method in [*suite.exclude, *suite.params]:
        registry.find_method(method)


def test_there_is_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0" and citation["license"] == project["license"]
    assert str(citation["version"]) == project["version"]
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text()
