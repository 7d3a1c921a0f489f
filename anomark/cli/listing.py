"""`anomark list`: what the benchmark knows, read from its files without importing them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from anomark.cli.shared import plain_errors, print_columns
from anomark.contracts import AnomarkError, nearest

Columns = tuple[tuple[str, ...], list[tuple[str, ...]]]


def _methods() -> Columns:
    from anomark.suite import registry

    rows: list[tuple[str, ...]] = [
        (m.id, m.label, ",".join(m.modalities), "control" if m.control else m.track, m.paper)
        for m in registry.methods().values()
    ]
    return ("id", "label", "modalities", "track", "paper"), rows


def _datasets() -> Columns:
    from anomark.suite import registry

    rows: list[tuple[str, ...]] = [
        (
            d.id,
            d.family.modality,
            d.family.level,
            d.family.licence,
            "data folder" if d.family.files else "embedded",
            f"also {', '.join(f'-{name}' for name in d.family.variants)}" if d.family.variants else "",
        )
        for d in registry.datasets().values()
    ]
    rows += [
        (f"{f.id}-*", f.modality, f.level, f.licence, "data folder", "any item of the data folder")
        for f in registry.families().values()
        if f.open
    ]
    return ("id", "modality", "level", "licence", "needs", ""), rows


def _suites() -> Columns:
    from anomark.suite.config import load, suites

    rows: list[tuple[str, ...]] = []
    for name, path in suites().items():
        suite = load(name)
        rows.append(
            (name, f"{len(suite.datasets)} datasets", f"{len(suite.seeds)} seeds", suite.device, _first_comment(path))
        )
    return ("suite", "datasets", "seeds", "device", ""), rows


def _papers() -> Columns:
    from anomark.suite.papers import papers

    rows: list[tuple[str, ...]] = [
        (paper.id, f"{len(paper.tables)} tables", f"{len(paper.claims)} claims", paper.citation)
        for paper in papers().values()
    ]
    return ("id", "tables", "claims", "citation"), rows


def _metrics() -> Columns:
    from anomark.suite import registry

    rows: list[tuple[str, ...]] = [
        (m.id, m.label, ",".join(m.levels) or "all labels", "higher" if m.higher_is_better else "lower", m.source)
        for m in registry.metrics().values()
    ]
    return ("id", "label", "levels", "better is", "source"), rows


def _modalities() -> Columns:
    from anomark import modality

    rows: list[tuple[str, ...]] = [
        (name, modality.load(name).LABEL, ",".join(modality.load(name).LEVELS)) for name in modality.ids()
    ]
    return ("id", "label", "levels"), rows


def _sections() -> Columns:
    from anomark.suite import registry
    from anomark.suite.literals import first_sentence, parse

    rows: list[tuple[str, ...]] = [(path.stem, first_sentence(parse(path))) for path in registry.section_files()]
    return ("file", "what it shows"), rows


#: What can be listed.
LISTS: dict[str, Callable[[], Columns]] = {
    "methods": _methods,
    "datasets": _datasets,
    "metrics": _metrics,
    "modalities": _modalities,
    "papers": _papers,
    "sections": _sections,
    "suites": _suites,
}


@plain_errors
def list_(what: Annotated[str, typer.Argument(help=", ".join(LISTS))]) -> None:
    """List what the benchmark knows, without importing any of it."""
    if what not in LISTS:
        raise AnomarkError(f"{what!r} can't be listed; {nearest(what, LISTS)}")
    print_columns(*LISTS[what]())


def _first_comment(path: Path) -> str:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
