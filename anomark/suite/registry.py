"""Finds methods, datasets and metrics by file name and reads what they say of themselves without importing them.

A drop-in file describes itself in literals at its top level. They are read from its syntax tree, so that listing
the benchmark imports neither torch nor the file.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from anomark import modality
from anomark.contracts import AnomarkError, Array, nearest
from anomark.records import MetricInfo
from anomark.statistics.context import PIXEL, Context
from anomark.suite.dropins import ROOT

METHOD_LITERALS = {
    "NAME": str,
    "LABEL": str,
    "PAPER": str,
    "PUBLISHED": str,
    "DIFFERS": str,
    "FAMILY": str,
    "MODALITIES": tuple,
    "VARIANTS": dict,
    "DEFAULTS": dict,
    "NEEDS": tuple,
    "SUITES": tuple,
    "USES_VALID": bool,
    "DETERMINISTIC": bool,
    "TRANSDUCTIVE": bool,
    "FULL_RESOLUTION": bool,
    "SWEEP": dict,
}
DATASET_LITERALS = {
    "NAME": str,
    "LABEL": str,
    "MODALITY": str,
    "LEVEL": str,
    "LICENCE": str,
    "SOURCE": str,
    "CITATION": str,
    "ITEMS": dict,
    "VARIANTS": dict,
    "DEFAULTS": dict,
    "FILES": tuple,
}
METRIC_LITERALS = {
    "NAME": str,
    "LABEL": str,
    "LEVELS": tuple,
    "RANGE": tuple,
    "HIGHER_IS_BETTER": bool,
    "SOURCE": str,
    "NEEDS": tuple,
    "NOTE": str,
    "FLATTERING": bool,
    "OUTPUTS": dict,
}
#: What a metric's file may say of one of its numbers, where that differs from what it says of all.
OUTPUT_LITERALS = ("LABEL", "RANGE", "HIGHER_IS_BETTER", "NEEDS", "FLATTERING")
#: The function `compute` of a metric's file: labels, scores, context -> the number, or its OUTPUTS by id.
Compute = Callable[[Array, Array, Context], float | dict[str, float]]
#: Variants of every dataset whose DEFAULTS have both parameters.
TRAINING_SETS: dict[str, dict[str, Any]] = {
    "contaminated-1": {"LABEL": "1% contaminated", "contamination": 0.01},
    "contaminated-5": {"LABEL": "5% contaminated", "contamination": 0.05},
    "contaminated-10": {"LABEL": "10% contaminated", "contamination": 0.1},
    "train-10": {"LABEL": "10% of training", "train_share": 0.1},
    "train-25": {"LABEL": "25% of training", "train_share": 0.25},
    "train-50": {"LABEL": "50% of training", "train_share": 0.5},
}


@dataclass(frozen=True)
class Method:
    """One row of the tables: a method file, or one of its variants.

    published, differs
        What the method is as its paper has it, and where this file departs from that and why. For a variant `differs`
        says what it changes.
    family
        What kind of detector it is. "classical" and "control" mean something to the report: the strongest classical
        method of a dataset is a yardstick, and controls are not ranked. Any other word only describes.
    overrides
        What the variant changes, over the file's DEFAULTS and the suite's parameters.
    full_resolution
        Whether it takes images at the size that they are prepared in; all others get them reduced to the suite's
        `resolution`.
    sweep
        Parameters that a stored model can be scored again with, and the values to try: what the method's
        `sweep(X, settings)` is given. Empty where it has none.
    """

    id: str
    base: str
    path: Path
    label: str
    name: str
    paper: str
    published: str
    differs: str
    family: str
    modalities: tuple[str, ...]
    defaults: dict[str, Any]
    overrides: dict[str, Any]
    needs: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    uses_valid: bool = False
    deterministic: bool = False
    transductive: bool = False
    full_resolution: bool = False
    sweep: dict[str, Any] = field(default_factory=dict)

    @property
    def control(self) -> bool:
        """Whether it is a control: it tests the harness, is the bar that a method should clear, and is not ranked."""
        return self.family == "control"

    @property
    def track(self) -> str:
        """Rankings never mix the two: with a pretrained network at score time, or from scratch."""
        return "pretrained" if "features" in self.needs else "from scratch"

    def belongs_to(self, suite: str) -> bool:
        """Whether the suite has it without naming it."""
        return not self.suites or suite in self.suites


@dataclass(frozen=True)
class Family:
    """A file of `datasets/`: one dataset, or one per item."""

    id: str
    path: Path
    label: str
    name: str
    modality: str
    level: str
    licence: str
    source: str
    citation: str
    items: dict[str, dict[str, Any]]
    variants: dict[str, dict[str, Any]]
    defaults: dict[str, Any]
    files: tuple[tuple[str, ...], ...]

    @property
    def open(self) -> bool:
        """Whether any item name is accepted (`ITEMS = {"*": {}}`)."""
        return "*" in self.items

    @property
    def module(self) -> str:
        return f"anomark_datasets.{self.path.stem}"

    @property
    def datasets(self) -> list[Dataset]:
        """Those that can be named without looking at data, variants aside."""
        if not self.items:
            return [Dataset(self.id, self, None)]
        return [Dataset(f"{self.id}-{item}", self, item, own) for item, own in self.items.items() if item != "*"]


@dataclass(frozen=True)
class Dataset:
    """One dataset of a family, with the parameters its item fixes.

    `protocol` names what a variant changes. A variant has the test rows of the dataset `base` under another protocol:
    it stands in the report's section on protocols and in no other table.
    """

    id: str
    family: Family
    item: str | None
    overrides: dict[str, Any] = field(default_factory=dict)
    base: str = ""
    protocol: str = ""

    @property
    def label(self) -> str:
        label = self.family.label if self.item is None else f"{self.family.label} {self.item}"
        return f"{label}, {self.protocol}" if self.protocol else label

    @property
    def variants(self) -> list[Dataset]:
        """The same dataset under its family's other protocols; none of a variant."""
        if self.protocol:
            return []
        return [
            Dataset(
                id=f"{self.id}-{name}",
                family=self.family,
                item=self.item,
                overrides=self.overrides | {key: value for key, value in changes.items() if key != "LABEL"},
                base=self.id,
                protocol=changes.get("LABEL", name.replace("-", " ")),
            )
            for name, changes in self.family.variants.items()
        ]


def read_literals(path: Path, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Top-level literals of a drop-in file whose names are in `kinds`, with their types checked."""
    tree = parse(path)
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            name, value = node.target.id, node.value
        else:
            continue
        if name not in kinds:
            continue
        where = f"{path}, line {node.lineno}"
        try:
            literal = ast.literal_eval(value)
        except ValueError:
            raise AnomarkError(
                f"{where}: {name} is an expression, expected a literal (text, numbers, tuples, dicts): "
                "it is read without running the file, so write its value out"
            ) from None
        if kinds[name] is tuple and isinstance(literal, list):
            literal = tuple(literal)
        if not isinstance(literal, kinds[name]):
            hint = f", as in ({literal!r},)" if kinds[name] is tuple and isinstance(literal, str) else ""
            raise AnomarkError(
                f"{where}: {name} is a {type(literal).__name__}, expected a {kinds[name].__name__}{hint}"
            )
        found[name] = literal
    return found


def parse(path: Path) -> ast.Module:
    """The syntax tree of a drop-in file, or one sentence where Python can't read it."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise AnomarkError(f"{path}, line {error.lineno}: not valid Python ({error.msg}); mend or remove it") from None


def binds(tree: ast.Module, name: str) -> bool:
    """Whether a file defines, imports or assigns `name` at its top level."""
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return True
        if isinstance(node, (ast.Import, ast.ImportFrom)) and any((a.asname or a.name) == name for a in node.names):
            return True
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return True
    return False


def section_files() -> list[Path]:
    """The files of the report's sections, in the report's order."""
    return _dropins("anomark/report/sections")


def _dropins(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / folder).glob("*.py") if not p.name.startswith(("_", ".")))


def read_method(path: Path) -> list[Method]:
    """The method of one file and its variants; the id is the file's name.

    Raises:
        AnomarkError: a literal is malformed, an unknown modality is named, or nothing is called `Method`.
    """
    meta = read_literals(path, METHOD_LITERALS)
    if not binds(parse(path), "Method"):
        raise AnomarkError(
            f"{path}: nothing in it is called Method; define `class Method` or import one under that name"
        )
    stem = path.stem
    modalities = meta.get("MODALITIES", modality.ids())
    if unknown := [m for m in modalities if m not in modality.ids()]:
        raise AnomarkError(f"{path}: MODALITIES names {unknown[0]!r}; {nearest(str(unknown[0]), modality.ids())}")
    name = meta.get("NAME", stem)
    common: dict[str, Any] = {
        "base": stem,
        "path": path,
        "name": name,
        "paper": meta.get("PAPER", ""),
        "published": meta.get("PUBLISHED", ""),
        "differs": meta.get("DIFFERS", ""),
        "family": meta.get("FAMILY", ""),
        "modalities": tuple(modalities),
        "defaults": meta.get("DEFAULTS", {}),
        "needs": meta.get("NEEDS", ()),
        "suites": meta.get("SUITES", ()),
        "uses_valid": meta.get("USES_VALID", False),
        "deterministic": meta.get("DETERMINISTIC", False),
        "transductive": meta.get("TRANSDUCTIVE", False),
        "full_resolution": meta.get("FULL_RESOLUTION", False),
        "sweep": meta.get("SWEEP", {}),
    }
    label = meta.get("LABEL", name)
    rows = [Method(id=stem, label=label, overrides={}, **common)]
    for variant, overrides in meta.get("VARIANTS", {}).items():
        if not isinstance(overrides, dict):
            raise AnomarkError(f"{path}: VARIANTS[{variant!r}] is {overrides!r}, expected a dict of parameters")
        overrides = dict(overrides)
        # Beside the parameters that it switches, a variant may say some things of itself that its file says otherwise.
        fields = {
            key.lower(): tuple(v) if isinstance(v := overrides.pop(key), list) else v
            for key in ("NEEDS", "SUITES", "DETERMINISTIC", "MODALITIES", "FAMILY", "DIFFERS")
            if key in overrides
        }
        suffix = variant.removeprefix(f"{stem}-").replace("-", " ")
        variant_label = overrides.pop("LABEL", f"{label} {suffix}")
        rows.append(Method(id=variant, label=variant_label, overrides=overrides, **(common | fields)))
    return rows


@lru_cache(maxsize=1)
def methods() -> dict[str, Method]:
    """Every method and variant in `methods/`, by id, in the order of their files."""
    found: dict[str, Method] = {}
    for path in _dropins("methods"):
        for method in read_method(path):
            if method.id in found:
                raise AnomarkError(
                    f"{path}: the id {method.id!r} is taken by {found[method.id].path}; rename one of them"
                )
            found[method.id] = method
    return found


def read_family(path: Path) -> Family:
    """The dataset family of one file; its id is the file's name with hyphens."""
    meta = read_literals(path, DATASET_LITERALS)
    if not binds(parse(path), "prepare"):
        raise AnomarkError(f"{path}: it defines no function prepare(raw, ...) -> Prepared")
    known = modality.ids()
    for key in ("MODALITY", "LEVEL"):
        if key not in meta:
            raise AnomarkError(f"{path}: it does not say its {key}, one of {', '.join(known)}")
        if meta[key] not in known:
            raise AnomarkError(f"{path}: {key} is {meta[key]!r}; {nearest(meta[key], known)}")
        known = tuple(modality.load(meta["MODALITY"]).LEVELS)
    items, variants, defaults = (meta.get(key, {}) for key in ("ITEMS", "VARIANTS", "DEFAULTS"))
    if {"contamination", "train_share"} <= defaults.keys():
        variants = TRAINING_SETS | variants
    for variant, changes in variants.items():
        if not isinstance(changes, dict) or not changes.keys() <= {"LABEL", *defaults}:
            raise AnomarkError(f"{path}: VARIANTS[{variant!r}] is {changes!r}, expected a dict of keys of DEFAULTS")
        if taken := [item for item in items if item.endswith(f"-{variant}")]:
            raise AnomarkError(
                f"{path}: the item {taken[0]!r} ends as the variant {variant!r} does; rename one of them"
            )
    name = meta.get("NAME", path.stem)
    return Family(
        id=path.stem.replace("_", "-"),
        path=path,
        label=meta.get("LABEL", name),
        name=name,
        modality=meta["MODALITY"],
        level=meta["LEVEL"],
        licence=meta.get("LICENCE", ""),
        source=meta.get("SOURCE", ""),
        citation=meta.get("CITATION", ""),
        items=items,
        variants=variants,
        defaults=defaults,
        files=meta.get("FILES", ()),
    )


@lru_cache(maxsize=1)
def families() -> dict[str, Family]:
    """Every dataset family in `datasets/`, by id."""
    return {family.id: family for family in map(read_family, _dropins("datasets"))}


def read_metric(path: Path) -> list[MetricInfo]:
    """The metric of one file, whose id is the file's name, or one metric for each of its OUTPUTS.

    Raises:
        AnomarkError: a literal is missing or malformed, or nothing is called `compute`.
    """
    meta = read_literals(path, METRIC_LITERALS)
    tree = parse(path)
    if not binds(tree, "compute"):
        raise AnomarkError(f"{path}: it defines no function compute(labels, scores, context) -> float or dict")
    outputs = meta.get("OUTPUTS", {path.stem: {}})
    found = []
    for output, own in outputs.items():
        if not isinstance(own, dict) or not own.keys() <= set(OUTPUT_LITERALS):
            allowed = ", ".join(OUTPUT_LITERALS)
            raise AnomarkError(f"{path}: OUTPUTS[{output!r}] is {own!r}, expected a dict of {allowed}")
        says = meta | own
        for literal, example in (("RANGE", "(0.0, 1.0), or (0.0, None) without an upper bound"), _DIRECTION):
            if literal not in says:
                raise AnomarkError(f"{path}: it does not say its {literal}, such as {literal} = {example}")
        label = says.get("LABEL", says.get("NAME", output))
        found.append(
            MetricInfo(
                id=output,
                base=path.stem,
                name=meta.get("NAME", label),
                label=label if len(outputs) == 1 or "LABEL" in own else f"{label} {output}",
                what=first_sentence(tree),
                levels=_levels(path, says.get("LEVELS", ())),
                range=_range(path, says["RANGE"]),
                higher_is_better=says["HIGHER_IS_BETTER"],
                source=meta.get("SOURCE", ""),
                needs=_needs(path, says.get("NEEDS", ())),
                note=meta.get("NOTE", ""),
                flattering=says.get("FLATTERING", False),
            )
        )
    return found


_DIRECTION = ("HIGHER_IS_BETTER", "True")


def first_sentence(tree: ast.Module) -> str:
    """The first sentence of a file's docstring, on one line and without its full stop; "" where it has none."""
    paragraph = " ".join((ast.get_docstring(tree) or "").partition("\n\n")[0].split())
    return re.split(r"\.\s+(?=[A-Z`])", paragraph)[0].removesuffix(".")


def _levels(path: Path, levels: tuple[Any, ...]) -> tuple[str, ...]:
    known = (*modality.levels(), PIXEL)
    if unknown := [level for level in levels if level not in known]:
        raise AnomarkError(f"{path}: LEVELS names {unknown[0]!r}; {nearest(str(unknown[0]), known)}")
    if PIXEL in levels and len(levels) > 1:
        raise AnomarkError(
            f"{path}: LEVELS names {PIXEL!r} beside other levels, expected it alone: there labels are masks and "
            "scores are maps, so give the pixels a file of their own"
        )
    return levels


def _range(path: Path, bounds: tuple[Any, ...]) -> tuple[float | None, float | None]:
    known = [bound for bound in bounds if bound is not None]
    numbers = all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in known)
    if len(bounds) != 2 or not numbers or (len(known) == 2 and known[0] >= known[1]):
        raise AnomarkError(
            f"{path}: RANGE is {bounds!r}, expected (lowest, highest) value, with None where there is no bound"
        )
    return bounds[0], bounds[1]


def _needs(path: Path, needs: tuple[Any, ...]) -> tuple[str, ...]:
    known = [field.name for field in fields(Context) if field.name != "level"]
    if unknown := [need for need in needs if need not in known]:
        raise AnomarkError(f"{path}: NEEDS names {unknown[0]!r}; {nearest(str(unknown[0]), known)}")
    return needs


@lru_cache(maxsize=1)
def metrics() -> dict[str, MetricInfo]:
    """Every number that a file of `metrics/` gives, by id, in the order of their files."""
    found: dict[str, MetricInfo] = {}
    for path in _dropins("metrics"):
        for metric in read_metric(path):
            if metric.id in found:
                raise AnomarkError(
                    f"{path}: the metric {metric.id!r} is given by metrics/{found[metric.id].base}.py as well; "
                    "rename one of them"
                )
            found[metric.id] = metric
    return found


def load_metric(base: str) -> Compute:
    """The function `compute` of metrics/<base>.py; this imports the file."""
    compute: Compute = importlib.import_module(f"anomark_metrics.{base}").compute
    return compute


def datasets() -> dict[str, Dataset]:
    """Every dataset that can be named without looking at data, by id; variants aside, so that no pattern meets them."""
    return {dataset.id: dataset for family in families().values() for dataset in family.datasets}


def find_dataset(name: str) -> Dataset:
    """The dataset or variant of that id.

    Raises:
        AnomarkError: there is none; the sentence suggests the nearest id.
    """
    known = datasets()
    if name in known:
        return known[name]
    variants = {variant.id: variant for dataset in known.values() for variant in dataset.variants}
    if name in variants:
        return variants[name]
    for family in families().values():
        item = name.removeprefix(f"{family.id}-")
        if family.open and item != name:
            if not re.fullmatch(r"\w[\w.+-]*", item):  # it becomes a folder's name, and a word of a command
                raise AnomarkError(
                    f"{name!r}: {item!r} can't name an item of {family.id}: a name begins with a letter or a digit and "
                    "holds letters, digits, '.', '_', '+' and '-' alone; rename its files"
                )
            return Dataset(name, family, item, family.items["*"])
    near = nearest(name, [*known, *variants])
    raise AnomarkError(f"unknown dataset {name!r}; {near} (`anomark list datasets` lists all)")


def find_method(name: str) -> Method:
    """The method or variant of that id.

    Raises:
        AnomarkError: there is none; the sentence suggests the nearest id.
    """
    known = methods()
    if name not in known:
        raise AnomarkError(f"unknown method {name!r}; {nearest(name, known)} (`anomark list methods` lists all)")
    return known[name]


def load_method(base: str) -> type:
    """The class `Method` of methods/<base>.py; this imports the file."""
    return importlib.import_module(f"anomark_methods.{base}").Method
