"""Every detector class of PyOD is a method as it stands, or says in one sentence why it is none here."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Iterator

import numpy as np
import pyod.models
import pytest
from pyod.models.base import BaseDetector
from sklearn.neighbors import LocalOutlierFactor

from anomark.contracts import AnomarkError, Spec
from anomark.detectors.adapter import adapt
from tests.samples import noise

#: Classes whose modules ask for a library at their top, so that they can't be named without it.
ABSENT = {"combination", "feature_bagging", "suod", "xgbod"}


def classes() -> Iterator[type]:
    for found in sorted(pkgutil.iter_modules(pyod.models.__path__), key=lambda found: found.name):
        try:
            module = importlib.import_module(f"pyod.models.{found.name}")
        except ImportError:
            assert found.name in ABSENT
            continue
        for _, cls in inspect.getmembers(module, inspect.isclass):
            own = cls.__module__ == module.__name__ and not cls.__name__.startswith("Base")
            if own and issubclass(cls, BaseDetector) and not inspect.isabstract(cls):
                yield cls


RUN: list[str] = []


@pytest.mark.parametrize("cls", sorted(set(classes()), key=str), ids=lambda cls: cls.__name__)
def test_a_class_runs_or_says_why_not(cls: type) -> None:
    test = np.concatenate([noise(30, 6, seed=1), noise(6, 6, seed=2) + 6])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            method = adapt(cls)(Spec("tabular", (6,)), 0, "cpu")
            method.fit(noise(60, 6))
            scores = method.decision_function(test)
        except AnomarkError as sentence:
            assert cls.__name__ in str(sentence) and "\n" not in str(sentence)
            return
    assert scores.shape == (36,) and scores.dtype == np.float32 and np.isfinite(scores).all()
    RUN.append(cls.__name__)


def test_most_classes_run_as_they_come() -> None:
    assert len(RUN) >= 35, RUN


def test_sklearns_local_outlier_factor_scores_new_rows() -> None:
    method = adapt(LocalOutlierFactor)(Spec("tabular", (6,)), 0, "cpu")
    method.fit(noise(60, 6))
    scores = method.decision_function(np.concatenate([noise(30, 6, seed=1), noise(6, 6, seed=2) + 6]))
    assert scores[30:].min() > scores[:30].max()
