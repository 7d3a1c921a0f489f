"""Finds methods, datasets and metrics by file name and reads what they say of themselves without importing them.

A drop-in file describes itself in literals at its top level (`anomark.suite.literals`), so that listing the benchmark
imports neither torch nor the file.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from anomark import modality
from anomark.contracts import UNPRINTABLE, AnomarkError, nearest
from anomark.suite.literals import (
    LONGEST_ID,
    REPEATED,
    Kind,
    binds,
    called,
    check_files,
    check_id,
    check_label,
    dropin_files,
    parse,
    read_literals,
)
from anomark.suite.metric_files import Compute, read_metric
from anomark.suite_records import MetricInfo

METHOD_LITERALS: dict[str, Kind] = {
    **dict.fromkeys(("NAME", "LABEL", "PAPER", "PUBLISHED", "DIFFERS", "FAMILY"), str),
    **dict.fromkeys(("MODALITIES", "NEEDS", "SUITES"), tuple),
    **dict.fromkeys(("VARIANTS", "DEFAULTS", "SWEEP"), dict),
    **dict.fromkeys(("USES_VALID", "TRANSDUCTIVE", "FULL_RESOLUTION"), bool),
    "DETERMINISTIC": bool | tuple,
}
#: What a variant may say of itself, where its file says otherwise, beside the parameters that it switches.
VARIANT_LITERALS = (
    *("LABEL", "DIFFERS", "FAMILY", "MODALITIES", "NEEDS", "SUITES", "DETERMINISTIC"),
    *("FULL_RESOLUTION", "TRANSDUCTIVE"),
)
DATASET_LITERALS: dict[str, type] = {
    **dict.fromkeys(("NAME", "LABEL", "MODALITY", "LEVEL", "LICENCE", "SOURCE", "CITATION"), str),
    **dict.fromkeys(("ITEMS", "VARIANTS", "DEFAULTS"), dict),
    "FILES": tuple,
}
#: What a dataset's variant may say beside the parameters that it switches: its label, and the parameter that takes the
#: seed of each repetition.
SAID_OF_VARIANT = ("LABEL", "SEEDED")
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
        What kind of detector it is. Three words mean something to the report: the strongest "classical" method of a
        dataset is a yardstick, a "control" is not ranked, and "chance" is a control whose scores know nothing, so that
        its numbers show which metrics flatter. Any other word only describes.
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
    modalities: tuple[str, ...]
    paper: str = ""
    published: str = ""
    differs: str = ""
    family: str = ""
    defaults: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    uses_valid: bool = False
    deterministic: bool | tuple[str, ...] = False
    transductive: bool = False
    full_resolution: bool = False
    sweep: dict[str, Any] = field(default_factory=dict)

    @property
    def control(self) -> bool:
        """Whether it is a control: it tests the harness, is the bar that a method should clear, and is not ranked."""
        return self.family in ("control", "chance")

    @property
    def kind(self) -> str:
        return "control" if self.control else "method"

    @property
    def track(self) -> str:
        """Rankings never mix the two: with a pretrained network at score time, or from scratch."""
        return "pretrained" if self.needs else "from scratch"

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
    licence: str = ""
    source: str = ""
    citation: str = ""
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    files: tuple[tuple[str, ...], ...] = ()

    @property
    def open(self) -> bool:
        """Whether any item name is accepted (`ITEMS = {"*": {}}`)."""
        return "*" in self.items

    @property
    def module(self) -> str:
        return f"anomark_datasets.{self.path.stem}"

    @property
    def datasets(self) -> list[Dataset]:
        """The datasets that can be named without looking at data, without variants."""
        if not self.items:
            return [Dataset(self.id, self, None)]
        return [Dataset(f"{self.id}-{item}", self, item, own) for item, own in self.items.items() if item != "*"]


@dataclass(frozen=True)
class Dataset:
    """One dataset of a family, with the parameters its item fixes.

    `protocol` names what a variant changes. A variant has the test rows of the dataset `base` under another protocol:
    it stands in the report's section on protocols alone. Each of several series in one file is a `member` of `base`.

    A protocol may draw its data anew for each seed of a suite. `seeded` is then the parameter that takes the seed, and
    the suite has one dataset for each of its seeds: a draw, whose `seed` is the only one of its cells, and which knows
    the variant by `draw_of`.
    """

    id: str
    family: Family
    item: str | None
    overrides: dict[str, Any] = field(default_factory=dict)
    base: str = ""
    protocol: str = ""
    member: str = ""
    seeded: str = ""
    seed: int | None = None
    draw_of: str = ""

    def draws(self, seeds: Sequence[int]) -> list[Dataset]:
        """One dataset for each seed where the data is drawn by it, else the dataset itself."""
        if not self.seeded:
            return [self]
        drawn = replace(self, seeded="", draw_of=self.id)
        return [
            replace(
                drawn,
                id=f"{self.id}-{seed}",
                protocol=f"{self.protocol}, draw {seed}",
                overrides=self.overrides | {self.seeded: seed},
                seed=seed,
            )
            for seed in seeds
        ]

    @property
    def label(self) -> str:
        label = " ".join(filter(None, [self.family.label, self.item, self.member]))
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
                overrides=self.overrides | {k: value for k, value in changes.items() if k not in SAID_OF_VARIANT},
                base=self.id,
                protocol=changes.get("LABEL", name.replace("-", " ")),
                seeded=changes.get("SEEDED", ""),
            )
            for name, changes in self.family.variants.items()
        ]


def section_files() -> list[Path]:
    """The files of the report's sections, in the report's order."""
    return dropin_files("anomark/report/sections")


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
    variants, name = meta.pop("VARIANTS", {}), meta.get("NAME", stem)
    own = {"name": name, "label": name, "modalities": modalities} | _fields(meta)
    rows = [Method(id=stem, base=stem, path=path, **own)]
    for variant, changes in variants.items():
        if not isinstance(changes, dict):
            raise AnomarkError(f"{path}: VARIANTS[{variant!r}] is {changes!r}, expected a dict of parameters")
        check_id(path, "a variant", variant)
        says = {key: tuple(v) if isinstance(v, list) else v for key, v in changes.items() if key in VARIANT_LITERALS}
        for key, value in says.items():
            if not isinstance(value, METHOD_LITERALS[key]):
                raise AnomarkError(
                    f"{path}: VARIANTS[{variant!r}] says {key} = {value!r}, expected a {called(METHOD_LITERALS[key])}"
                )
        check_label(path, says.get("LABEL", ""))
        label = f"{own['label']} {variant.removeprefix(f'{stem}-').replace('-', ' ')}"
        overrides = {key: value for key, value in changes.items() if key not in VARIANT_LITERALS}
        fields = own | {"label": label} | _fields(says)
        rows.append(Method(id=variant, base=stem, path=path, overrides=overrides, **fields))
    for key, named in ((key, getattr(row, key.lower())) for row in rows for key in ("MODALITIES", "DETERMINISTIC")):
        if unknown := [m for m in named if m not in modality.ids()] if isinstance(named, tuple) else []:
            raise AnomarkError(f"{path}: {key} names {unknown[0]!r}; {nearest(str(unknown[0]), modality.ids())}")
    return rows


def _fields(literals: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says, by the names of the fields that hold it."""
    return {name.lower(): value for name, value in literals.items()}


@cache
def methods() -> dict[str, Method]:
    """Every method and variant in `methods/`, by id, in the order of their files."""
    found: dict[str, Method] = {}
    for path in dropin_files("methods"):
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
        raise AnomarkError(f"{path}: it defines no function prepare(raw, ...) -> Prepared; add one")
    known = modality.ids()
    for key in ("MODALITY", "LEVEL"):
        if key not in meta:
            raise AnomarkError(f"{path}: it does not say its {key}; add a line {key} = one of {', '.join(known)}")
        if meta[key] not in known:
            raise AnomarkError(f"{path}: {key} is {meta[key]!r}; {nearest(meta[key], known)}")
        known = tuple(modality.load(meta["MODALITY"]).LEVELS)
    items, variants, defaults = (meta.get(key, {}) for key in ("ITEMS", "VARIANTS", "DEFAULTS"))
    if {"contamination", "train_share"} <= defaults.keys():
        variants = TRAINING_SETS | variants
    for item, own in items.items():
        if not isinstance(own, dict):
            raise AnomarkError(f"{path}: ITEMS[{item!r}] is {own!r}, expected a dict of parameters")
        if item != "*":
            check_id(path, "an item", item)
    check_files(path, meta.get("FILES", ()), {"item", *defaults, *(key for own in items.values() for key in own)})
    for variant, changes in variants.items():
        check_id(path, "a variant", variant)
        if not isinstance(changes, dict) or not changes.keys() <= {*SAID_OF_VARIANT, *defaults}:
            raise AnomarkError(f"{path}: VARIANTS[{variant!r}] is {changes!r}, expected a dict of keys of DEFAULTS")
        check_label(path, changes.get("LABEL", ""))
        if (seeded := changes.get("SEEDED", "")) not in ("", *defaults):
            near = nearest(str(seeded), defaults)
            raise AnomarkError(f"{path}: SEEDED of VARIANTS[{variant!r}] is {seeded!r}, no key of DEFAULTS; {near}")
        if taken := [item for item in items if item.endswith(f"-{variant}")]:
            raise AnomarkError(
                f"{path}: the item {taken[0]!r} ends as the variant {variant!r} does; rename one of them"
            )
    name = meta.get("NAME", path.stem)
    says = {"name": name, "label": name} | _fields(meta) | {"variants": variants}
    return Family(id=path.stem.replace("_", "-"), path=path, **says)


@cache
def families() -> dict[str, Family]:
    """Every dataset family in `datasets/`, by id."""
    return {family.id: family for family in map(read_family, dropin_files("datasets"))}


@cache
def metrics() -> dict[str, MetricInfo]:
    """Every number that a file of `metrics/` gives, by id, in the order of their files."""
    found: dict[str, MetricInfo] = {}
    for path in dropin_files("metrics"):
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
    """Every dataset that can be named without looking at data, by id. Variants are not among them."""
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
    stem, _, seed = name.rpartition("-")
    if stem in variants and variants[stem].seeded and re.fullmatch(r"[0-9]{1,9}", seed):
        return variants[stem].draws([int(seed)])[0]
    for family in families().values():
        item = name.removeprefix(f"{family.id}-")
        if family.open and item != name:
            # It becomes the name of a folder, a part of a pattern of files, and a word of a Snakemake rule.
            plain = re.fullmatch(rf"[^/\\*?\[\]{{}}{UNPRINTABLE}]+", item) and item[0] != "."
            if not plain or len(item.encode()) > LONGEST_ID or REPEATED.search(item):
                raise AnomarkError(
                    f"{name!r}: {item!r} can't name an item of {family.id}: a name has at most {LONGEST_ID} bytes, "
                    "does not begin with a dot, repeats nothing twenty times, and holds no line break, no control "
                    "character and none of / \\ * ? [ ] { }; rename its files"
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
