"""Pages that list what the benchmark has, written from the literals and docstrings of its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from anomark import modality
from anomark.docs.architecture import architecture
from anomark.docs.markdown import bullets, chapter, code, link, page, settings, table
from anomark.suite import papers, registry
from anomark.suite.config import SCHEMAS
from anomark.suite.dropins import ROOT
from anomark.suite.literals import first_sentence, parse
from anomark.suite.paper_tables import Part
from anomark.suite.papers import Paper
from anomark.suite.registry import Family, Method
from anomark.suite_records import MetricInfo

Keep = Callable[[Path], bool]


def pages(keep: Keep = lambda path: True) -> dict[str, str]:
    """Every generated page.

    Args:
        keep: which files to list; all by default.

    Returns:
        {path relative to the checkout: text}.
    """
    return {
        "config/README.md": _suites(),
        "docs/methods.md": _methods([m for m in registry.methods().values() if keep(m.path)]),
        "docs/datasets.md": _datasets([f for f in registry.families().values() if keep(f.path)]),
        "docs/metrics.md": _metrics([m for m in registry.metrics().values() if keep(_metric_file(m))]),
        "docs/papers.md": _papers([p for i, p in papers.papers().items() if keep(papers.PAPERS / i / "paper.yaml")]),
        "docs/modalities.md": _modalities([m for m in modality.ids() if keep(modality.path_of(m))], keep),
        "docs/sections.md": _sections([s for s in registry.section_files() if keep(s)]),
        "ARCHITECTURE.md": architecture(keep),
    }


# -- methods ---------------------------------------------------------------------------------------------------------


def _methods(methods: list[Method]) -> str:
    bases = [method for method in methods if method.id == method.base]
    variants = {base.id: [m for m in methods if m.base == base.id != m.id] for base in bases}
    rows = [(f"[`{m.id}`](#{m.id})", m.label, m.family or "–", ", ".join(m.modalities), m.paper or "–") for m in bases]
    return page(
        "Methods",
        "A method is one file in `methods/`. A variant is a method with one switch turned; it has a row of its own in "
        "the tables and none in the rankings. Controls are not competitors: they test the harness, they are the bar "
        "that a method should clear, and they are not ranked.",
        table(("id", "label", "family", "modalities", "paper"), rows),
        *(_method(base, variants[base.id]) for base in bases),
        (ROOT / "methods/NOT_BUILT.md").read_text(encoding="utf-8").strip(),
    )


def _method(method: Method, variants: list[Method]) -> str:
    facts = {
        "Full name": "" if method.name in (method.id, method.label) else method.name,
        "Paper": method.paper,
        "As published": method.published,
        "What differs, and why": method.differs,
        "Track": f"{method.track}." if method.needs else "",
        "Suites": code(method.suites),
        "Parameters": settings(method.defaults),
    }
    says = {
        f"The same score comes out of every seed{_where(method)}, so it runs once.": bool(method.deterministic),
        "A score depends on the other test rows (transductive).": method.transductive,
        "It takes images at the size that they are prepared in.": method.full_resolution,
        "It wants held-out normal samples.": method.uses_valid,
    }
    points = [sentence for sentence, applies in says.items() if applies]
    points += [f"Variant `{v.id}` ({v.label}): {_switch(v)}" for v in variants]
    return chapter(method.id, method.path, facts, *points)


def _where(method: Method) -> str:
    """The modalities that alone are meant by a file's DETERMINISTIC, if it names them."""
    named = method.deterministic if isinstance(method.deterministic, tuple) else ()
    return f" on data of the modality {' and '.join(named)}" if named else ""


def _switch(variant: Method) -> str:
    """What a variant changes: in its own words where it has some, and the values that it sets."""
    words = f"{variant.differs} " if variant.differs else ""
    only = f" Only in the suites {code(variant.suites)}." if variant.suites else ""
    return f"{words}It sets {settings(variant.overrides)}.{only}" if variant.overrides else f"{words}{only}".strip()


# -- datasets --------------------------------------------------------------------------------------------------------


def _datasets(families: list[Family]) -> str:
    rows = []
    for f in families:
        count = "any in the data folder" if f.open else str(len(f.datasets))
        needs = "data folder" if f.files else "nothing"
        rows.append((f"[`{_pattern(f)}`](#{f.id})", f.label, f.modality, f.level, count, needs, f.licence))
    return page(
        "Datasets",
        "A dataset family is one file in `datasets/`. Level is what one label stands for. Embedded datasets need "
        "nothing; the others are read from the data folder that `ANOMARK_DATA` names.",
        table(("id", "label", "modality", "level", "datasets", "needs", "licence"), rows),
        *map(_family, families),
    )


def _pattern(family: Family) -> str:
    return f"{family.id}-*" if family.items else family.id


def _family(family: Family) -> str:
    layouts = [" with ".join(f"`{pattern}`" for pattern in patterns) for patterns in family.files]
    facts = {
        "Full name": family.name,
        "Licence": family.licence,
        "From": link(family.source),
        "Cite": family.citation,
        "Files in the data folder": ", or ".join(layouts),
        "Datasets": code(d.id for d in family.datasets) if family.items and not family.open else "",
        "Variants": "; ".join(f"`-{name}` ({says.get('LABEL', name)})" for name, says in family.variants.items()),
        "Parameters": settings(family.defaults),
    }
    return chapter(family.id, family.path, facts)


# -- metrics ---------------------------------------------------------------------------------------------------------


def _metric_file(metric: MetricInfo) -> Path:
    return ROOT / "metrics" / f"{metric.base}.py"


def _metrics(metrics: list[MetricInfo]) -> str:
    rows = []
    for m in metrics:
        levels = ", ".join(m.levels) or "every level of labels"
        low, high = ("unbounded" if bound is None else f"{bound:g}" for bound in m.range)
        better, flatters = "higher" if m.higher_is_better else "lower", "yes" if m.flattering else "no"
        rows.append((f"`{m.id}`", m.label, levels, f"{low} to {high}", better, flatters))
    by_file = {m.base: [other for other in metrics if other.base == m.base] for m in metrics}
    return page(
        "Metrics",
        "A metric is one file in `metrics/`; its id is the name in `metrics.csv`. A metric flatters where a random "
        "score does well in it: then the control's value stands beside it in the report.",
        table(("id", "label", "levels", "range", "better is", "flatters"), rows),
        *(_metric(base, own) for base, own in by_file.items()),
    )


def _metric(base: str, metrics: list[MetricInfo]) -> str:
    first = metrics[0]
    facts = {"Full name": first.name, "Gives": code(m.id for m in metrics), "Source": first.source, "Note": first.note}
    return chapter(base, _metric_file(first), facts)


# -- papers, modalities, sections ------------------------------------------------------------------------------------


def _papers(known: list[Paper]) -> str:
    rows = [(f"[`{p.id}`](#{p.id})", p.title, str(len(p.tables) + len(p.ablations)), str(len(p.claims))) for p in known]
    return page(
        "Papers",
        "A paper is one folder in `papers/`: `paper.yaml` and its tables as CSV files. A suite names the papers whose "
        "tables it reproduces, and the report has a chapter for each.",
        table(("id", "title", "tables", "claims audited"), rows),
        *map(_paper_part, known),
        "## Keys of paper.yaml",
        *(_paper_keys(where, part) for where, part in papers.SCHEMAS.items()),
    )


def _paper_keys(where: str, part: type[Part]) -> str:
    rows = [
        (f"`{name}`", "required" if field.is_required() else "optional", field.description or "")
        for name, field in part.model_fields.items()
        if name != "kind" and (where or name != "id")
    ]
    heading = f"Under `{where}`: {part.__doc__}" if where else "At the top:"
    return f"{heading}\n\n{table(('key', '', 'meaning'), rows)}"


def _paper_part(paper: Paper) -> str:
    points = [f"{t.title}: {t.caption}" + (f"; `{t.file}`" if t.file else "") for t in paper.tables]
    points += [f"{a.title}: {a.caption}; `{a.file}`" for a in paper.ablations]
    sd = f", or {paper.tolerance_sd:g} published standard deviations" if paper.tolerance_sd else ""
    points.append(f"A measured AUROC reproduces a published one that is at most {paper.tolerance:g} away{sd}.")
    read = f" Read it at {', '.join(map(link, paper.links))}." if paper.links else ""
    return f"## {paper.id}\n\n{paper.citation}{read}\n\n{paper.protocol}\n\n{bullets(points)}"


def _modalities(known: list[str], keep: Keep) -> str:
    parts = []
    for name in known:
        says = modality.load(name)
        families = [f for f in registry.families().values() if f.modality == name and keep(f.path)]
        shapes = code("x".join(map(str, shape)) for shape, *_ in says.SAMPLES)
        facts = {
            "Levels": code(says.LEVELS),
            "Shapes that `anomark check` tries methods on": shapes,
            "Datasets": code(map(_pattern, families)),
        }
        parts.append(chapter(name, modality.path_of(name), facts))
    return page(
        "Modalities",
        "A modality is a kind of data that methods are made for, and one file in `anomark/modalities/`.",
        *parts,
    )


def _sections(files: list[Path]) -> str:
    rows = [(f"`{path.name}`", first_sentence(parse(path))) for path in files]
    return page(
        "Sections of the report",
        "A section is one file in `anomark/report/sections/`. The report has them in the order of their numbers.",
        table(("file", "what it shows"), rows),
    )


# -- suites ----------------------------------------------------------------------------------------------------------


def _suites() -> str:
    rows = []
    for section, schema in SCHEMAS.items():
        prefix = f"{section}." if section else ""
        for name, info in schema.model_fields.items():
            default = "required" if info.is_required() else "see below" if name in SCHEMAS else f"`{info.default!r}`"
            rows.append((f"`{prefix}{name}`", _spelled(info.annotation), default, info.description or ""))
    return page(
        "Suites",
        "Every suite is a YAML overlay over `default.yaml`: "
        "`snakemake --cores all --configfile config/<suite>.yaml`, or a file of your own. These are its keys.",
        table(("key", "type", "default", "meaning"), rows),
    )


def _spelled(kind: Any) -> str:
    """A type as one writes it, without the bounds of its values, which the description says."""
    parts, origin = get_args(kind), get_origin(kind)
    if origin is Annotated:
        return _spelled(parts[0])
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin in (Union, UnionType):
        return " or ".join(map(_spelled, parts))
    if origin:
        return f"{origin.__name__}[{', '.join(map(_spelled, parts))}]"
    return "None" if kind is NoneType else str(getattr(kind, "__name__", kind))
