"""Runs the contract that a file has to keep: what `anomark check <file>` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from anomark.checks import datasets, methods, metrics, modalities, papers, sections
from anomark.contracts import AnomarkError
from anomark.suite.literals import binds, parse

Check = Callable[[Path], Iterator[tuple[str, str | None]]]
#: The checks of a file by the name of its folder, and by what a file that lies elsewhere must define.
FOLDERS: dict[str, Check] = {
    "methods": methods.check,
    "datasets": datasets.check,
    "metrics": metrics.check,
    "modalities": modalities.check,
    "sections": sections.check,
}
DEFINES: dict[str, Check] = {
    "Method": methods.check,
    "prepare": datasets.check,
    "compute": metrics.check,
    "synthetic": modalities.check,
    "build": sections.check,
}


def check_file(path: Path) -> Iterator[tuple[str, str | None]]:
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
    if check := FOLDERS.get(path.parent.name):
        yield from check(path)
        return
    tree = parse(path)
    for name, check in DEFINES.items():
        if binds(tree, name):
            yield from check(path)
            return
    raise AnomarkError(
        f"{path}: it is not clear what to check; the file defines none of {', '.join(DEFINES)}, and lies in no folder "
        f"named {', '.join(FOLDERS)}"
    )
