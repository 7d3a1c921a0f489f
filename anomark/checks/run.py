"""Runs the contract that a file has to keep: what `anomark check <file>` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from anomark.checks import datasets, methods, metrics, modalities, papers, sections
from anomark.checks.files import Finding
from anomark.contracts import AnomarkError
from anomark.suite.literals import binds, parse

#: The folder of a file, what a file that lies elsewhere must define instead, and its checks.
KINDS: tuple[tuple[str, str, Callable[[Path], Iterator[Finding]]], ...] = (
    ("methods", "Method", methods.check),
    ("datasets", "prepare", datasets.check),
    ("metrics", "compute", metrics.check),
    ("modalities", "synthetic", modalities.check),
    ("sections", "build", sections.check),
)


def check_file(path: Path) -> Iterator[Finding]:
    """Run every check on one drop-in file, or on the folder of a paper, wherever it lies.

    Yields:
        (name of the check, None or what is wrong).

    Raises:
        AnomarkError: there is no such file, or it can't be told what it should be.
    """
    path = path.resolve()
    if path.name == "paper.yaml" or (path / "paper.yaml").is_file():
        yield from papers.check(path.parent if path.name == "paper.yaml" else path)
        return
    if not path.is_file():
        raise AnomarkError(f"{path}: no such file, and no folder with a paper.yaml; name the file to check")
    kind = next((check for folder, _, check in KINDS if folder == path.parent.name), None)
    if kind is None:
        tree = parse(path)
        kind = next((check for _, name, check in KINDS if binds(tree, name)), None)
    if kind is None:
        raise AnomarkError(
            f"{path}: it is not clear what to check; the file defines none of {', '.join(k[1] for k in KINDS)}, and "
            f"lies in no folder named {', '.join(k[0] for k in KINDS)}"
        )
    yield from kind(path)
