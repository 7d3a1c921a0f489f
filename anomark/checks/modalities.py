"""The contract of a modality's file as executable checks.

A check returns None or raises an error with one sentence. `anomark/modality.py` says what the members of a file mean.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from anomark.checks.files import findings, load, of_file
from anomark.contracts import Array, Prepared, nearest
from anomark.data import arrange
from anomark.data.synthetic import synthetic_anomalies
from anomark.modality import Modality, Sample, complete

#: Training rows, and as many test rows of each class, of a made-up dataset.
ROWS = 8
#: Numbers of axes of a sample that methods can take: a row of numbers, a signal (C, L), a picture (C, H, W).
AXES = (1, 2, 3)


def rows_of(sample: Sample, rows: int = ROWS, seed: int = 0) -> Array:
    """Made-up normal samples (rows, *shape): random walks, in the value range where there is one."""
    shape, value_range = sample[:2]
    walks = 0.3 * np.random.default_rng(seed).normal(size=(rows, *shape)).cumsum(-1)
    low, high = value_range or (-np.inf, np.inf)
    return walks.clip(low, high).astype(np.float32)


def members_have_the_right_types(rules: Modality) -> None:
    """The literals are of the types that `Modality` names."""
    kinds = {"NOUN": str, "LABEL": str, "ORDER": int, "LEVELS": dict, "SAMPLES": tuple, "RESIZABLE": bool}
    for name, kind in (kinds | {"PICTURES": dict}).items():
        value = getattr(rules, name)
        assert isinstance(value, kind), f"{name} is a {type(value).__name__}, expected a {kind.__name__}"
    assert rules.LEVELS, "LEVELS is empty, expected one level at least"
    for level, axes in rules.LEVELS.items():
        assert axes - (level != "point") in AXES, f"LEVELS[{level!r}] is {axes}, expected 2, 3 or 4 axes"
    assert len(rules.SAMPLES) > 0, "SAMPLES is empty, so no method could be checked on this modality"
    if unknown := rules.PICTURES.keys() - rules.LEVELS.keys():
        raise AssertionError(f"PICTURES names the level {min(unknown)!r}, which LEVELS does not have")


def scalograms_are_of_signals(rules: Modality) -> None:
    """Where there are settings for scalograms, they are complete, and samples are signals (C, L) of enough steps."""
    if rules.SCALOGRAM is None:
        return
    wanted = {"shortest", "scales", "decimation"}
    assert rules.SCALOGRAM.keys() == wanted, f"SCALOGRAM has the keys {sorted(rules.SCALOGRAM)}, not {sorted(wanted)}"
    for shape, *_ in rules.SAMPLES:
        assert len(shape) == 2, f"SCALOGRAM is given, but the sample {shape} is no signal (C, L)"
        assert shape[-1] >= rules.SCALOGRAM["shortest"], f"the sample {shape} is too short for a scalogram"


def samples_fit_the_levels(rules: Modality) -> None:
    """A dataset that is made of each sample is accepted at one level at least, and each level accepts a sample."""
    accepted = set()
    for sample in rules.SAMPLES:
        levels = [level for level, axes in rules.LEVELS.items() if axes == len(sample[0]) + (level != "point")]
        assert levels, f"the sample {sample[0]} has a number of axes that no level has"
        for level in levels:
            arrange.check(_dataset(sample, level), rules, level, f"a dataset of {sample[0]} at level {level}")
        accepted |= set(levels)
    if untested := rules.LEVELS.keys() - accepted:
        raise AssertionError(f"no sample has the number of axes of the level {min(untested)!r}")


def pictures_are_known(rules: Modality) -> None:
    """Every picture is a drawing of the report or a function of the file."""
    from anomark.report.render.examples import DRAWINGS

    for name in (name for names in rules.PICTURES.values() for name in names):
        known = name in DRAWINGS or callable(getattr(rules, name, None))
        assert known, f"PICTURES names {name!r}, which is no function of the file; {nearest(name, DRAWINGS)}"


def _dataset(sample: Sample, level: str) -> Prepared:
    train, test = rows_of(sample), rows_of(sample, 2 * ROWS, seed=1)
    if level != "point":
        labels = np.repeat(np.array([0, 1], np.uint8), ROWS)
        return Prepared(train, test, labels, value_range=sample[1], rate=sample[2] if len(sample) > 2 else None)
    train, test = (np.concatenate([*part], axis=-1).T for part in (train, test))  # windows, one after the other: (T, C)
    labels = (np.arange(len(test)) >= len(test) // 2).astype(np.uint8)
    return Prepared(train, test, labels, window=sample[0][-1], stride=1, value_range=sample[1])


def synthetic_anomalies_are_anomalies(rules: Modality) -> None:
    """Each generator changes its row and nothing else; shape, type and range stay, and a seed fixes the outcome."""
    for sample in rules.SAMPLES:
        X = rows_of(sample)
        for change in rules.synthetic():
            name, before = getattr(change, "__name__", str(change)), X.copy()
            changed = change(X, 0, np.random.default_rng(0))
            assert changed.shape == X[0].shape, f"{name} makes {changed.shape} of a sample {X[0].shape}"
            assert (changed != X[0]).any(), f"{name} leaves a sample of {sample[0]} as it is"
            assert np.array_equal(X, before), f"{name} changes the samples that it is given"
        if rules.synthetic():
            anomalies = synthetic_anomalies(X, rules.synthetic(), seed=3)
            assert np.isfinite(anomalies).all(), "a synthetic anomaly holds NaN or infinite values"
            assert np.array_equal(anomalies, synthetic_anomalies(X, rules.synthetic(), seed=3)), (
                "two calls with one seed give different synthetic anomalies: draw from the generator that is given"
            )


CHECKS: tuple[Callable[[Modality], None], ...] = (
    members_have_the_right_types,
    scalograms_are_of_signals,
    samples_fit_the_levels,
    pictures_are_known,
    synthetic_anomalies_are_anomalies,
)


def _read(path: Path) -> Modality:
    return complete(load(path, "modalities"), path)


check = partial(of_file, _read, partial(findings, CHECKS))
