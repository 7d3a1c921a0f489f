"""Samples that tests of several methods share, float32; the same shape and seed give the same values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomark.contracts import DataError, Prepared
from anomark.records import Cell, Data, Parts
from anomark.suite_records import Jobs, Limits


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def uniform(*shape: int, seed: int = 0) -> np.ndarray:
    """Uniform in [-1, 1], the range of images."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def waves(n: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """(n, *shape): a wave along the last axis at a phase of each row's own, with noise, in [-1, 1]."""
    rng = np.random.default_rng(seed)
    wave = np.sin(np.linspace(0, 9, shape[-1]) + rng.uniform(0, 6, (n, *[1] * len(shape))))
    return (0.5 * wave + 0.2 * rng.normal(size=(n, *shape))).clip(-1, 1).astype(np.float32)


def planned_data(root: Path, **change: Any) -> Data:
    """A dataset `mine` as a plan has it, stored below `root`."""
    known: dict[str, Any] = {"dataset": "mine", "base": "mine", "modality": "series", "level": "window", "module": ""}
    places = {"raw": None, "folder": str(root / "data"), "labels": str(root / "labels/mine.npz")}
    return Data(**known | places | change)


def planned_cell(root: Path, method: str, base: str = "", **change: Any) -> Cell:
    """A cell on `mine` as a plan has it, below `root`; `change` is of the cell or of the parts of its key."""
    parts: dict[str, Any] = {"data": "k", "params": {}, "uses_valid": False, "resolution": None, "device": "cpu"}
    parts |= {"threads": 1, "sources": {}, "versions": {}}
    parts |= {name: change.pop(name) for name in [*change] if name in parts and name != "data"}
    known: dict[str, Any] = {"dataset": "mine", "method": method, "base": base or method, "seed": 0, "key": "0" * 16}
    places = {"data": str(root / "data"), "features": None, "folder": str(root / f"results/cells/mine/{method}/0-0")}
    return Cell(**known | places | {"core_seconds": 1.0, "parts": Parts(**parts)} | change)


def planned_jobs(**change: Any) -> Jobs:
    """A plan.json that holds nothing but what is given."""
    empty: dict[str, Any] = {
        "data": {},
        "cells": {},
        "sweeps": {},
        "features": {},
        "not_applicable": (),
        "methods": (),
    }
    return Jobs(**empty | {"limits": Limits()} | change)


def prepared(module: Any, root: Path, item: str, **params: Any) -> Prepared:
    """An item of a family of datasets with its defaults, as the loader gives it."""
    return module.prepare(root, **{**module.DEFAULTS, "item": item, **module.ITEMS.get(item, {}), **params})


def refusal(module: Any, root: Path, item: str, **params: Any) -> str:
    """The sentence with which a loader refuses its input."""
    with pytest.raises(DataError) as error:
        prepared(module, root, item, **params)
    return str(error.value)
