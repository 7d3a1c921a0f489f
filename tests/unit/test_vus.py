"""VUS against its definition: one buffer, one threshold, one anomaly at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anomark.statistics.events import events
from anomark_metrics.vus import range_auc, vus
from tests import metric_references as reference


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 14), st.sampled_from(["distinct", "tied", "constant"]))
def test_every_buffer_equals_the_definition(seed: int, buffer: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 40))
    labels = np.zeros(n, np.uint8)
    for first in rng.integers(n, size=rng.integers(1, 5)):
        labels[first : first + rng.integers(1, 5)] = 1
    scores = rng.normal(size=n) + labels * rng.choice([0, 1, 9, -9])
    scores = {"distinct": scores, "tied": np.round(scores), "constant": np.zeros(n)}[kind]
    roc, pr = range_auc(labels, scores, np.array([buffer]))
    expected = (np.nan, np.nan) if labels.all() else reference.range_auc(labels, scores, buffer)
    np.testing.assert_allclose((roc[0], pr[0]), expected, atol=1e-9)


def test_the_volume_is_the_mean_over_buffers() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros(300, np.uint8)
    labels[50:60] = labels[80:85] = labels[290:] = 1
    scores = rng.normal(size=300) + labels
    slices = [reference.range_auc(labels, scores, buffer) for buffer in range(41)]
    np.testing.assert_allclose(vus(labels, scores, 40), np.mean(slices, axis=0), atol=1e-9)


def test_events() -> None:
    first, stop = events(np.array([1, 1, 0, 0, 1, 0, 1], np.uint8))
    assert first.tolist() == [0, 4, 6] and stop.tolist() == [2, 5, 7]
    assert all(len(e) == 0 for e in events(np.zeros(4)))
