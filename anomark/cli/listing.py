"""`anomark list`: what the benchmark knows, read from its files without importing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from anomark.cli.shared import print_columns
from anomark.contracts import AnomarkError, nearest

#: The head of a list, then its rows.
Rows = Iterator[tuple[str, ...]]


def _methods() -> Rows:
    from anomark.suite import registry

    yield "id", "label", "modalities", "track", "paper"
    for m in registry.methods().values():
        yield m.id, m.label, ",".join(m.modalities), "control" if m.control else m.track, m.paper


def _datasets() -> Rows:
    from anomark.suite import registry

    yield "id", "modality", "level", "licence", "needs", ""
    for d in registry.datasets().values():
        f = d.family
        variants = f"also {', '.join(f'-{name}' for name in f.variants)}" if f.variants else ""
        yield d.id, f.modality, f.level, f.licence, "data folder" if f.files else "embedded", variants
    for f in registry.families().values():
        if f.open:
            yield f"{f.id}-*", f.modality, f.level, f.licence, "data folder", "any item of the data folder"


def _suites() -> Rows:
    from anomark.suite.config import load, suites

    yield "suite", "datasets", "seeds", "device", ""
    for name, path in suites().items():
        suite = load(name)
        about = _first_comment(path)
        yield name, f"{len(suite.datasets)} datasets", f"{len(suite.seeds)} seeds", suite.device, about


def _papers() -> Rows:
    from anomark.suite.papers import papers

    yield "id", "tables", "claims", "citation"
    for paper in papers().values():
        yield paper.id, f"{len(paper.tables)} tables", f"{len(paper.claims)} claims", paper.citation


def _metrics() -> Rows:
    from anomark.suite import registry

    yield "id", "label", "levels", "better is", "source"
    for m in registry.metrics().values():
        better = "higher" if m.higher_is_better else "lower"
        yield m.id, m.label, ",".join(m.levels) or "all labels", better, m.source


def _modalities() -> Rows:
    from anomark import modality

    yield "id", "label", "levels"
    for name in modality.ids():
        yield name, modality.load(name).LABEL, ",".join(modality.load(name).LEVELS)


def _sections() -> Rows:
    from anomark.suite import registry
    from anomark.suite.literals import first_sentence, parse

    yield "file", "what it shows"
    for path in registry.section_files():
        yield path.stem, first_sentence(parse(path))


#: What can be listed.
LISTS: dict[str, Callable[[], Rows]] = {
    "methods": _methods,
    "datasets": _datasets,
    "metrics": _metrics,
    "modalities": _modalities,
    "papers": _papers,
    "sections": _sections,
    "suites": _suites,
}


def list_(what: Annotated[str, typer.Argument(help=", ".join(LISTS))]) -> None:
    """List what the benchmark knows, without importing any of it."""
    if what not in LISTS:
        raise AnomarkError(f"{what!r} can't be listed; {nearest(what, LISTS)}")
    print_columns(LISTS[what]())


def _first_comment(path: Path) -> str:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
