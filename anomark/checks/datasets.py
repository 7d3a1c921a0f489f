"""The contract of a dataset's file as executable checks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np

from anomark import modality
from anomark.checks.files import Finding, load, of_file, sentence
from anomark.contracts import DataError
from anomark.data import arrange
from anomark.data.rawfiles import items
from anomark.suite import registry
from anomark.suite.registry import Dataset, Family


def _read(path: Path) -> tuple[Family, ModuleType]:
    return registry.read_family(path), load(path, "datasets")


def _checks(read: tuple[Family, ModuleType]) -> Iterator[Finding]:
    """Prepare every dataset and variant of a file twice, and look at what comes out.

    Where the owner's files are not in the data folder (`ANOMARK_DATA`), a dataset is left out.
    """
    family, module = read
    root = Path(os.environ.get("ANOMARK_DATA") or "data")
    for dataset in (variant for base in _datasets(family, root) for variant in (base, *base.variants)):
        name = dataset.id
        params = family.defaults | ({"item": dataset.item} if dataset.item else {}) | dataset.overrides
        try:
            first = module.prepare(root, **params)
            arrange.check(first, modality.load(family.modality), family.level, name)
        except DataError as error:
            # Embedded data has no excuse; of the owners' data a part may be absent, or unusable and refused for it.
            left_out = (f"{name}: left out, {error}", None)
            yield left_out if family.files else (f"{name}: it keeps the contract", str(error))
            continue
        except Exception as error:
            yield f"{name}: it keeps the contract", sentence(error)
            continue
        yield f"{name}: it keeps the contract", None
        second = module.prepare(root, **params)
        same = all(np.array_equal(getattr(first, part), getattr(second, part)) for part in ("train", "test", "labels"))
        yield f"{name}: preparing twice gives the same bytes", None if same else "two calls give different arrays"


def _datasets(family: Family, root: Path) -> list[Dataset]:
    """Those that the file lists, and of a family that takes any item those in the data folder."""
    found = items(root, family.files, **family.items["*"]) if family.open else []
    return [*family.datasets, *(Dataset(f"{family.id}-{item}", family, item, family.items["*"]) for item in found)]


check = partial(of_file, _read, _checks)
