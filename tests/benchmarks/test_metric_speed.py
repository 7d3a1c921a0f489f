"""Speed of the metrics beside the usual way to compute them, both sides in one run; see test_speed.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from anomark.statistics.bootstrap import bootstrap_auroc
from anomark.statistics.ranking import auroc
from anomark_metrics.aupro import aupro
from anomark_metrics.vus import vus

WINDOW = 48


@pytest.fixture(scope="module")
def pixels() -> tuple[np.ndarray, np.ndarray]:
    """100 masks of 256 × 256 with three square defects each, and maps that find them a little."""
    rng = np.random.default_rng(0)
    masks = np.zeros((100, 256, 256), bool)
    for mask in masks:
        for y, x in rng.integers(0, 236, (3, 2)):
            mask[y : y + 20, x : x + 20] = True
    return masks, (rng.random(masks.shape) + 0.3 * masks).astype(np.float32)


@pytest.fixture(scope="module")
def series() -> tuple[np.ndarray, np.ndarray]:
    """A series as long as NAB's nyc_taxi, with five anomalies as long as its own."""
    labels = np.zeros(10_320, int)
    for first in range(500, 10_000, 2000):
        labels[first : first + 207] = 1
    return labels, np.random.default_rng(0).normal(size=len(labels)) + labels


def test_aupro(benchmark: BenchmarkFixture, pixels: tuple[np.ndarray, np.ndarray]) -> None:
    benchmark.group = "aupro"
    benchmark(aupro, *pixels)


def test_aupro_by_ordering_all_pixels(benchmark: BenchmarkFixture, pixels: tuple[np.ndarray, np.ndarray]) -> None:
    """The usual way: order all pixels by score, add up false positives and overlaps along it, cut at the limit."""
    benchmark.group = "aupro"

    def ordered(masks: np.ndarray, maps: np.ndarray) -> float:
        regions, count = np.zeros(masks.shape, int), 0
        for index, mask in enumerate(masks):
            region, found = ndimage.label(mask, np.ones((3, 3)))
            regions[index] = np.where(mask, region + count, 0)
            count += found
        order = np.argsort(-maps.ravel())
        region = regions.ravel()[order]
        weight = np.concatenate([[0], 1 / np.bincount(region)[1:]])
        fpr, pro = np.cumsum(region == 0) / (region == 0).sum(), np.cumsum(weight[region]) / count
        within = fpr <= 0.3
        return float(np.trapezoid(pro[within], fpr[within]) / 0.3)

    np.testing.assert_allclose(benchmark(ordered, *pixels), aupro(*pixels), atol=1e-5)


def test_aupro_anomalib(benchmark: BenchmarkFixture, pixels: tuple[np.ndarray, np.ndarray]) -> None:
    anomalib = pytest.importorskip("anomalib.metrics.aupro", reason="anomalib is not installed", exc_type=ImportError)
    benchmark.group = "aupro"
    masks, maps = torch.from_numpy(pixels[0].astype(np.int32)), torch.from_numpy(pixels[1])

    def measure() -> float:
        metric = anomalib._AUPRO(fpr_limit=0.3)
        metric.update(maps, masks)
        return float(metric.compute())

    # It adds up millions of float32 numbers.
    np.testing.assert_allclose(benchmark(measure), aupro(*pixels), atol=1e-5)


def test_pixel_auroc(benchmark: BenchmarkFixture, pixels: tuple[np.ndarray, np.ndarray]) -> None:
    benchmark.group = "pixel auroc"
    benchmark(auroc, pixels[0][:20].ravel(), pixels[1][:20].ravel())


def test_pixel_auroc_sklearn(benchmark: BenchmarkFixture, pixels: tuple[np.ndarray, np.ndarray]) -> None:
    benchmark.group = "pixel auroc"
    benchmark(roc_auc_score, pixels[0][:20].ravel(), pixels[1][:20].ravel())


def test_vus(benchmark: BenchmarkFixture, series: tuple[np.ndarray, np.ndarray]) -> None:
    benchmark.group = "vus"
    benchmark(vus, *series, WINDOW)


def test_vus_package(benchmark: BenchmarkFixture, series: tuple[np.ndarray, np.ndarray]) -> None:
    package = pytest.importorskip("vus.metrics", reason="vus, the authors' package, is not installed")
    benchmark.group = "vus"
    found = benchmark(package.get_metrics, series[1], series[0], metric="vus", slidingWindow=WINDOW)
    np.testing.assert_allclose((found["VUS_ROC"], found["VUS_PR"]), vus(*series, WINDOW), atol=1e-9)


def test_bootstrap(benchmark: BenchmarkFixture, series: tuple[np.ndarray, np.ndarray]) -> None:
    benchmark.group = "bootstrap, 100 replicates"
    benchmark(bootstrap_auroc, *series, seed=0, replicates=100, block=2 * WINDOW)


def test_bootstrap_sklearn(benchmark: BenchmarkFixture, series: tuple[np.ndarray, np.ndarray]) -> None:
    benchmark.group = "bootstrap, 100 replicates"
    labels, scores = series
    draws = np.random.default_rng(0).integers(len(labels), size=(100, len(labels)))
    benchmark(lambda: [roc_auc_score(labels[rows], scores[rows]) for rows in draws])
