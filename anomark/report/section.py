"""What a section of the report is, and how the sections of the report are found.

A section is one file `anomark/report/sections/<nn>_<name>.py` with a function `build`. The files are read in the order
of their numbers, and a new file makes a new section: it stands on the page, its tables lie in `tables/` and its figures
in `figures/`, and nothing else has to be edited.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from matplotlib.figure import Figure

from anomark.report.results import Results
from anomark.report.table import Table

SECTIONS = Path(__file__).parent / "sections"


@dataclass(frozen=True)
class Drawing:
    """One figure that a section wants drawn.

    name
        The stem of its files; no two drawings of a report share one.
    draw
        Called once, under the report's matplotlib style. It returns the figure, its caption and its text alternative.
        The protocol of the numbers is appended to a caption that doesn't state it.
    dataset
        The dataset that it belongs to, or "" where it shows several.
    kind
        How much of the page's width it takes: "overview" a third of a wide screen, with its caption folded away; "half"
        leaves room for a neighbour on a wide screen; "wide" is never shrunk below the size at which its letters can be
        read, and scrolls on a phone instead.
    live
        Makes a Bokeh plot as JSON, which the page shows in the figure's place where scripts run.
    """

    name: str
    draw: Callable[[], tuple[Figure, str, str]]
    dataset: str = ""
    kind: Literal["", "overview", "half", "wide"] = ""
    live: Callable[[], str] | None = None


@dataclass(frozen=True)
class Text:
    """One paragraph; **bold** marks what matters. A paragraph with `warning` is set off at its edge."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Facts:
    """Names with their values. With a `summary` they are folded away below it."""

    rows: list[tuple[str, str]]
    summary: str = ""


Part = Table | Drawing | Text | Facts


@dataclass(frozen=True)
class Section:
    """One section of the report: what it says in one sentence, then the pictures, then the tables.

    id
        Its anchor on the page; no two sections share one.
    lead
        One sentence for the reader that is made from the numbers; **bold** marks what matters. It may be empty.
    group
        Sections of one group that follow each other stand together below this heading, each with its own title.
    dataset, modality
        What the page's filter hides it by; "" is shown under every filter.
    """

    id: str
    title: str
    lead: str
    parts: Sequence[Part]
    group: str = ""
    dataset: str = ""
    modality: str = ""


def build_sections(results: Results) -> list[Section]:
    """The sections that have something to say about these results, in the order of their files."""
    sections: list[Section] = []
    for module in _modules():
        built = module.build(results)
        sections += built if isinstance(built, list) else [built] if built else []
    return sections


def _modules() -> Iterator[ModuleType]:
    for path in sorted(SECTIONS.glob("[0-9]*_*.py")):
        spec = importlib.util.spec_from_file_location(f"anomark.report.sections.{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
