"""Metrics against their definitions where scores, labels and masks are real: NYC taxi, and MVTec's transistors."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from anomark.contracts import Spec
from anomark.data.windows import Windows, window_starts
from anomark.evaluation.merge import merge_windows
from anomark.statistics.ranking import auroc, average_precision, f1_max
from anomark_metrics.affiliation_f1 import affiliation
from anomark_metrics.aupro import aupro
from anomark_metrics.vus import range_auc, vus
from tests import metric_references as reference

Scores = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def taxi(data_root: Path) -> Scores:
    """Labels and scores of the test part: the distance of each window to the nearest training one, merged to points."""
    if not (data_root / "nab.zip").is_file():
        pytest.skip("the data folder has no nab.zip")
    nab = importlib.import_module("anomark_datasets.nab")
    p = nab.prepare(data_root, **(nab.DEFAULTS | {"item": "nyc_taxi"} | nab.ITEMS["nyc_taxi"]))
    parts = [(series, window_starts(len(series), p.window, p.stride)) for series in (p.train, p.test)]
    train, test = (np.asarray(Windows(series, starts, p.window)).reshape(len(starts), -1) for series, starts in parts)
    return p.labels, merge_windows(cdist(test, train).min(axis=1), parts[1][1], p.window, len(p.test))


@pytest.fixture(scope="module")
def transistors(data_root: Path) -> tuple[np.ndarray, Scores]:
    """Image labels, masks and maps at 32 × 32: the squared difference to the nearest training image."""
    if not (data_root / "mvtec" / "transistor").is_dir():
        pytest.skip("the data folder has no mvtec/transistor")
    p = importlib.import_module("anomark_datasets.mvtec").prepare(data_root, item="transistor", size=32)
    control = importlib.import_module("anomark_methods.nearest_train").Method(Spec("image", (3, 32, 32)), 0, "cpu")
    control.fit(p.train)
    return p.labels, (p.masks, control.localize(p.test))


def test_rankings_of_images(transistors: tuple[np.ndarray, Scores]) -> None:
    labels, (_, maps) = transistors
    scores = maps.max(axis=(1, 2))
    for metric, by_definition in (
        (auroc, reference.auroc),
        (average_precision, reference.average_precision),
        (f1_max, reference.f1_max),
    ):
        assert metric(labels, scores) == pytest.approx(by_definition(labels, scores), abs=1e-9)


def test_rankings_of_points_and_pixels(taxi: Scores, transistors: tuple[np.ndarray, Scores]) -> None:
    assert auroc(*taxi) == pytest.approx(reference.auroc(*taxi), abs=1e-9)
    masks, maps = (array.ravel() for array in transistors[1])
    assert auroc(masks, maps) == pytest.approx(roc_auc_score(masks, maps), abs=1e-9)


@pytest.mark.parametrize("limit", [0.05, 0.3])
def test_aupro(transistors: tuple[np.ndarray, Scores], limit: float) -> None:
    masks, maps = transistors[1]
    # To 300 values, for the definition takes them one by one: real scores, and tied as quantised maps are.
    levels = np.quantile(maps, np.linspace(0, 1, 300))
    tied = levels[np.searchsorted(levels, maps).clip(max=299)]
    assert aupro(masks, tied, limit) == pytest.approx(reference.aupro(masks, tied, limit), abs=1e-9)


def test_vus(taxi: Scores) -> None:
    roc, pr = range_auc(*taxi, np.arange(49))
    expected = np.array([reference.range_auc(*taxi, buffer) for buffer in range(49)])
    np.testing.assert_allclose(np.stack([roc, pr], axis=1), expected, atol=1e-9)
    np.testing.assert_allclose(vus(*taxi, 48), expected.mean(axis=0), atol=1e-9)


@pytest.mark.parametrize("share", [0.01, 0.1])
def test_affiliation(taxi: Scores, share: float) -> None:
    labels, scores = taxi
    called = scores >= np.quantile(scores, 1 - share)
    assert affiliation(labels, called)[:2] == pytest.approx(reference.affiliation(labels, called), abs=1e-9)
