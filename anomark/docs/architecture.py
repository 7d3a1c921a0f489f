"""The page ARCHITECTURE.md: what lies in which folder, and which folder imports which, as the files say it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anomark.docs.markdown import bullets, page, table
from anomark.suite.dropins import FOLDERS, ROOT
from anomark.suite.keys import imports
from anomark.suite.literals import first_sentence, parse

#: What each folder is for. A folder that stands here and has no file, or the other way round, fails a test.
PURPOSE = {
    "methods": "One file is one method.",
    "datasets": "One file is one dataset family.",
    "metrics": "One file is one metric, or several that come out of one computation.",
    "anomark": "The vocabulary that everything shares: types, records, outcomes, files, seeds, modalities.",
    "anomark/modalities": "One file is one modality.",
    "anomark/nn": "Network blocks.",
    "anomark/diffusion": "Noise schedules and samplers.",
    "anomark/signal": "Transforms of signals.",
    "anomark/statistics": "Ranks, intervals, resampling and events; arrays in, numbers out.",
    "anomark/data": "What datasets share: fetching and reading files, windows, injected and synthetic anomalies.",
    "anomark/detectors": "What methods share: training, base classes, adapters, the frozen network f.",
    "anomark/reference": "Reference results, computed once: which rows stand beside a run's own, and their scores.",
    "anomark/suite": "What a suite means: its config, what it names, the cells it amounts to and their keys.",
    "anomark/runtime": "Running and supervising a cell, storing what comes out, showing progress.",
    "anomark/evaluation": "Turning scores and labels into numbers and examples.",
    "anomark/report": "From numbers to pages: results, tables, sections, drawings, formats.",
    "anomark/stages": "The entry points of the workflow's jobs. Each reads files and writes files.",
    "anomark/use": "A stored model applied to new samples: reading, scoring, tail probabilities, pictures, export.",
    "anomark/checks": "The contracts of the files that people add, as checks that can be run.",
    "anomark/docs": "The generated pages.",
    "anomark/start": "From a user's own files to a suite: what they are, and the file that runs them.",
    "anomark/cli": "The command line, one file a group of commands.",
}
#: The way of a dataset through the workflow.
STAGES = {
    "prepare": "turns the owner's files into arrays, and writes the labels to a folder of their own",
    "fit": "gives a method normal samples to learn from",
    "score": "asks the method for one number a test sample; higher means more anomalous",
    "evaluate": "opens the labels and computes the metrics",
    "report": "builds tables, figures and the page",
}


def architecture(keep: Callable[[Path], bool] = lambda path: True) -> str:
    """The page, of those files that are to be listed."""
    files = {folder: [path for path in found if keep(path)] for folder, found in modules().items()}
    return page(
        "Architecture",
        "A dataset passes through five stages, one way, from the owner's file to a number in a table.",
        bullets(f"**{name}** {what}." for name, what in STAGES.items()),
        "The Snakefile is the whole workflow on one page. A cell is one dataset, one method and one seed. Its fit and "
        "score run in a process of their own, whose result is stored under a key: a hash of everything that the result "
        "depends on.",
        "Loading torch and scikit-learn takes longer than most fits do. So a run of Snakemake starts one server that "
        "has them loaded (`anomark/runtime/forkserver.py`), and the processes of its cells are forked from that "
        "server. A cell that is run in another way starts Python anew, with the same result bit for bit.",
        "## Folders",
        *(_folder(folder, paths) for folder, paths in files.items() if folder.startswith("anomark") and paths),
        "The folders `methods/`, `datasets/` and `metrics/` hold the files that are listed in "
        "[docs/methods.md](docs/methods.md), [docs/datasets.md](docs/datasets.md) and "
        "[docs/metrics.md](docs/metrics.md).",
        "## Imports",
        "Imports go one way. A folder imports from these, and a test holds it to them:",
        table(
            ("folder", "imports from"),
            (
                (f"`{folder}`", ", ".join(f"`{other}`" for other in sorted(others)) or "nothing")
                for folder, others in arrows(keep).items()
            ),
        ),
    )


def _folder(folder: str, paths: list[Path]) -> str:
    rows = [
        (f"`{path.relative_to(ROOT / folder).as_posix()}`", first_sentence(parse(path)))
        for path in paths
        if path.name != "__init__.py"
    ]
    return f"### {folder}\n\n{PURPOSE[folder]}\n\n{table(('module', 'what it is'), rows)}"


def modules() -> dict[str, list[Path]]:
    """Every Python file of the project by its folder, in the order of `PURPOSE`; folders below those count to them."""
    found: dict[str, list[Path]] = {folder: [] for folder in PURPOSE}
    for top in ("anomark", *FOLDERS.values()):
        for path in sorted((ROOT / top).rglob("*.py")):
            found.setdefault(folder_of(path), []).append(path)
    return found


def folder_of(path: Path) -> str:
    """The folder that a file counts to: `anomark/report` for anomark/report/render/page.py."""
    parts = path.relative_to(ROOT).parts
    return "/".join(parts[: min(2 if parts[0] == "anomark" else 1, len(parts) - 1)])


def arrows(keep: Callable[[Path], bool] = lambda path: True) -> dict[str, set[str]]:
    """Folder -> the other folders that its files import from.

    A module at the top of `anomark/` is known by its file, such as `anomark/contracts.py`.
    """
    found: dict[str, set[str]] = {}
    for paths in modules().values():
        for path in filter(keep, paths):
            targets = {_node(other) for other in imports(parse(path))[0]}
            found.setdefault(_node(path), set()).update(targets - {_node(path)})
    found.pop("anomark/__init__.py", None)
    return {node: targets - {"anomark/__init__.py"} for node, targets in found.items()}


def _node(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.parent == ROOT / "anomark" else folder_of(path)
