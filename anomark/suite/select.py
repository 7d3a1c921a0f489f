"""Which datasets and methods a suite means by the names and patterns in its config, and which reference results."""

from __future__ import annotations

import fnmatch
import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anomark import modality
from anomark.contracts import UNPRINTABLE, AnomarkError, DataError, nearest
from anomark.data import rawfiles
from anomark.records import Cell, Data
from anomark.reference import rows
from anomark.suite import registry
from anomark.suite.backbones import FOLDERS as NETWORKS
from anomark.suite.config import Suite, of_modality
from anomark.suite.registry import Dataset, Family, Method
from anomark.suite_records import Setting

#: What stands between the id of a dataset and the name of one of its members, which has at most so many bytes.
MEMBER, LONGEST_MEMBER = "@", 60


def datasets(suite: Suite) -> list[Dataset]:
    """The datasets of a suite, in the order of its config.

    A pattern such as `textures-*` meets every dataset that its family lists. Where a family takes any item, a pattern
    that begins with the family's id meets the items that are in the data folder: `folder-*`, `ucr-anomaly-1*`. No
    pattern meets a variant. A variant whose data is drawn anew for each seed gives one dataset for each, and so does a
    table of several series for each of its entities, of which `table-pumps@north*` meets some.

    Raises:
        AnomarkError: a name is unknown, or a pattern meets nothing.
    """
    known, root = registry.datasets(), suite.data_folder()
    chosen: dict[str, Dataset] = {}
    for name in suite.datasets:
        if found := _named_members(suite, name):
            chosen |= {d.id: d for d in found}
            continue
        names = [name]
        if any(c in name for c in "*?["):
            families = [f for f in registry.families().values() if f.open and name.startswith(f"{f.id}-")]
            names = fnmatch.filter(known, name)
            names += [d for f in families if root for d in fnmatch.filter(in_folder(f, root), name)]
            if not names:
                raise AnomarkError(_met_nothing(name, families, root))
        whole = (d for n in names for d in _members(suite, registry.find_dataset(n)))
        chosen |= {d.id: d for dataset in whole for d in dataset.draws(suite.seeds)}
    return list(chosen.values())


def parameters(suite: Suite, dataset: Dataset) -> dict[str, Any]:
    """What a dataset's `prepare` is called with: its family's DEFAULTS under what the suite and the dataset say."""
    family, given = dataset.family, suite.dataset_params
    common = {k: v for k, v in suite.preprocessing.items() if k in family.defaults}
    own = given.get(family.id, {}) | given.get(dataset.base, {}) | given.get(dataset.id, {})
    item = {} if dataset.item is None else {"item": dataset.item}
    return family.defaults | common | own | item | dataset.overrides


def _members(suite: Suite, dataset: Dataset) -> list[Dataset]:
    """One dataset for each entity of a file of several series, else the dataset itself.

    So is one that can't be read: preparing it says why.
    """
    params = parameters(suite, dataset)
    root = suite.data_folder() or (Path() if params.get("path") else None)
    if not params.get("entity") or params.get("only") or root is None:
        return [dataset]
    try:
        names = importlib.import_module(dataset.family.module).entities(root, **params)
    except DataError:
        return [dataset]
    found: dict[str, Dataset] = {}
    for name in names:
        # What can't stand in an id becomes a low line there, and of two equal ids the second one gets a number.
        word = re.sub(rf"[/\\*?\[\]{{}}{UNPRINTABLE}]", "_", name).encode()[:LONGEST_MEMBER].decode(errors="ignore")
        same = sum(key == word or key.startswith(f"{word}~") for key in found)
        word += f"~{same + 1}" * bool(same)
        id_, own = f"{dataset.id}{MEMBER}{word}", dataset.overrides | {"only": name}
        found[word] = replace(dataset, id=id_, base=dataset.id, member=word, overrides=own)
    return [*found.values()] or [dataset]


def _named_members(suite: Suite, name: str) -> list[Dataset]:
    """The members that a name such as `table-pumps@north` or `table-pumps@*` means; none where it means none.

    Raises:
        AnomarkError: the file of several series holds no such one.
    """
    stem, mark, _ = name.partition(MEMBER)
    if not mark or any(c in stem for c in "*?["):
        return []
    found = _members(suite, registry.find_dataset(stem))
    if len(found) == 1 and not found[0].member:
        return []
    chosen = [d for d in found if fnmatch.fnmatchcase(d.id, name)]
    if not chosen:
        raise AnomarkError(f"unknown dataset {name!r}; {nearest(name, [d.id for d in found])}")
    return chosen


def in_folder(family: Family, root: Path) -> list[str]:
    """Ids of the datasets of an open family whose files are in the data folder."""
    return [f"{family.id}-{item}" for item in rawfiles.items(root, family.files, **family.items["*"])]


def is_here(dataset: Dataset, root: Path) -> bool:
    """Whether the files of a dataset are in the data folder."""
    try:
        rawfiles.locate(root, dataset.family.files, **({"item": dataset.item} | dataset.overrides))
    except DataError:
        return False
    return True


def _met_nothing(pattern: str, families: list[Family], root: Path | None) -> str:
    if not families:
        return f"no dataset matches {pattern!r} (`anomark list datasets` lists all)"
    if root is None:
        return f"no dataset matches {pattern!r}: no data folder is named; set data_root in the config or ANOMARK_DATA"
    files = " or ".join(
        " and ".join(pattern.replace("{item}", "<item>") for pattern in patterns)
        for family in families
        for patterns in family.files
    )
    return f"no dataset matches {pattern!r}: {root} holds no such item; an item is read from {files}"


def methods(suite: Suite) -> list[Method]:
    """The methods of a suite, in the order of their ids.

    Raises:
        AnomarkError: a name is unknown, or no method is left.
    """
    costly = [name for name in _names(suite.core_seconds) if name != "other"]
    named = (*suite.only, *suite.include, *suite.exclude, *suite.params, *suite.highlight, *costly)
    for name in (*named, *suite.method_seeds):
        registry.find_method(name)
    for name in suite.sweep.methods:
        if not (method := registry.find_method(name)).sweep:
            raise AnomarkError(
                f"sweep: {method.path} has no SWEEP, the settings to try on a stored model; leave {name} out"
            )
    chosen = [
        m
        for m in registry.methods().values()
        if m.id not in suite.exclude
        and (m.id in suite.include or m.id in suite.only or (not suite.only and m.belongs_to(suite.suite)))
    ]
    if not chosen:
        raise AnomarkError(f"the suite {suite.suite!r} has no method left; see `exclude` in its config")
    return chosen


def budget(suite: Suite, method: Method, modality_id: str) -> dict[str, Any]:
    """The suite's budget for data of a modality, as far as a method has parameters of these names."""
    values = of_modality(suite.budget, modality_id)
    return {name: value for name, value in values.items() if name in method.defaults}


def settings(
    suite: Suite, cells: Iterable[Cell], data: Mapping[str, Data], networks: Mapping[str, str]
) -> dict[str, Setting]:
    """By `<dataset>/<method>`, what the results of cells share with those that may stand in one table with them.

    Args:
        networks: the names of the frozen networks that methods look through, by the key of the suite that chooses them.
    """
    found = {}
    for cell in cells:
        method = registry.find_method(cell.method)
        shrinks = modality.load(data[cell.dataset].modality).RESIZABLE and not method.full_resolution
        found[f"{cell.dataset}/{cell.method}"] = Setting(
            data=cell.parts.data,
            f=next((networks[need] for need in method.needs), ""),
            resolution=_side(suite) if shrinks else "",
            budget=Setting.budget_text(budget(suite, method, data[cell.dataset].modality)),
        )
    return found


def beside(
    suite: Suite, known: rows.Rows, cells: list[Cell], data: Mapping[str, Data], networks: Mapping[str, str]
) -> tuple[list[Cell], list[rows.Row], list[str]]:
    """What of a suite's reference results stands beside its cells.

    Args:
        networks: as in `settings`.

    Returns:
        The cells that remain to be computed, the reference's rows, and a sentence on each group of rows that are left
        out.
    """
    if suite.reference == "ignore":
        return cells, [], []
    asked = {(cell.dataset, cell.method) for cell in cells}
    spared = known.done & {cell.id for cell in cells} if suite.reference == "reuse" else set()
    # Where nothing looks through a network, its weights need not be here, so only its kind is known.
    named = [networks.get(need) or str(getattr(suite, need)) for need in NETWORKS]

    def here(row: rows.Row) -> Setting | None:
        """What the row would be computed under by this suite."""
        if row.dataset not in data or row.method in suite.exclude:
            return None
        there, values = row.setting, of_modality(suite.budget, data[row.dataset].modality)
        same_kind = [name for name in named if name.partition("-")[0] == there.f.partition("-")[0]]
        return Setting(
            data=data[row.dataset].key,
            f=next(iter(same_kind), suite.features) if there.f else "",
            resolution=_side(suite) if there.resolution else "",
            budget=Setting.budget_text({name: v for name, v in values.items() if name in there.budgeted}),
        )

    stand, left_out = rows.choose(known, asked, spared, here)
    return [cell for cell in cells if cell.id not in spared], stand, left_out


def _side(suite: Suite) -> str:
    """The side that images are reduced to, as tables have it."""
    return str(suite.resolution or "as prepared")


def check_parameters(suite: Suite, chosen: list[Dataset]) -> None:
    """Refuse parameters that no method or dataset has: a misspelt one would silently change nothing.

    Args:
        chosen: the datasets of the suite.

    Raises:
        AnomarkError: a parameter is unknown, or a dataset's is of another type than its default or out of range.
    """
    all_methods, families = registry.methods(), registry.families()
    _known("budget", "method", _names(suite.budget), (m.defaults for m in all_methods.values()))
    _known("preprocessing", "dataset", suite.preprocessing, (f.defaults for f in families.values()))
    for key, value in suite.preprocessing.items():
        for default in (f.defaults[key] for f in families.values() if key in f.defaults):
            _check_value("preprocessing", key, value, default)
    for name, params in suite.params.items():
        defaults = all_methods[name].defaults | all_methods[name].overrides
        for key in params:
            if defaults and key not in defaults:  # a class taken as it stands may have more than its file names
                raise AnomarkError(f"params: {name} has no parameter {key!r}; {nearest(key, defaults)}")
    families = families | {name: d.family for d in chosen for name in (d.id, d.base) if name}
    for name, params in suite.dataset_params.items():
        if name not in families:
            raise AnomarkError(f"dataset_params: no family or dataset {name!r}; {nearest(name, families)}")
        defaults = families[name].defaults
        for key, value in params.items():
            if key not in defaults:
                raise AnomarkError(f"dataset_params: {name} has no parameter {key!r}; {nearest(key, defaults)}")
            _check_value(f"dataset_params: {name}", key, value, defaults[key])


def _names(given: Mapping[str, Any]) -> list[str]:
    """The names in a key of a suite that may have numbers of its own for a modality."""
    return [name for key, value in given.items() for name in (value if isinstance(value, dict) else [key])]


def _known(section: str, kind: str, keys: Iterable[str], defaults: Iterable[Mapping[str, Any]]) -> None:
    known = {key for each in defaults for key in each}
    for key in keys:
        if key not in known:
            raise AnomarkError(f"{section}: no {kind} has a parameter {key!r}; {nearest(key, known)}")


def _check_value(where: str, key: str, value: Any, default: Any) -> None:
    """A dataset's parameter is of its default's type, and above 0 as sizes, lengths and rates are; a seed may be 0."""
    if type(value) is not type(default) and not (type(value) is int and type(default) is float):
        raise AnomarkError(f"{where}: {key} is {value!r}, expected one like {default!r}")
    if isinstance(default, int | float) and not (value > 0 or value == default == 0):
        raise AnomarkError(f"{where}: {key} is {value!r}, expected a number {'above' if default else 'from'} 0")


def wanted(dataset: Dataset, params: Mapping[str, Any]) -> str:
    """A dataset that is not here, the files it wants and where they come from, for messages."""
    ways = " or ".join(" and ".join(p.format(**params) for p in patterns) for patterns in dataset.family.files)
    return f"{dataset.id} ({ways}; from {dataset.family.source})"


def some(wanted: Iterable[str]) -> str:
    """The first of many things that are missing, and how many more there are."""
    first, rest = (everything := list(wanted))[:3], everything[3:]
    return "; ".join(first) + (f"; and {len(rest)} more (`anomark data list` shows all)" if rest else "")
