"""The labels of one dataset, and what scores are worth against them; only the stage `evaluate` sees labels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from anomark.contracts import Array
from anomark.evaluation.merge import merge_windows
from anomark.records import Meta
from anomark.seeds import seed_of
from anomark.statistics.bootstrap import bootstrap_auroc, mean_over_seeds
from anomark.statistics.context import PIXEL, Context
from anomark.statistics.ranking import random_band
from anomark.suite import registry
from anomark.suite.metric_files import Compute
from anomark.suite_records import MetricInfo

#: Share of a map whose mean is the other reading of it.
LARGEST = 0.05


def measure(labels: Array, scores: Array, context: Context) -> Iterator[dict[str, Any]]:
    """What every metric that fits says of the scores: rows of metric, value, level and reason.

    A metric that raises, or gives something else than its file declares, has the value NaN and a reason; the others go
    on.
    """
    for base, group in groupby(registry.metrics().values(), key=lambda metric: metric.base):
        outputs = fitting(group, context)
        if not outputs:
            continue
        reason = ""
        try:
            values = compute(registry.load_metric(base), outputs, _read_only(labels), _read_only(scores), context)
        except Exception as error:  # whatever a metric does, it is the outcome of that metric alone
            values, reason = dict.fromkeys(outputs, float("nan")), f"{type(error).__name__}: {error}"
        for name, value in values.items():
            yield {"metric": name, "value": value, "level": context.level, "reason": reason}


def fitting(metrics: Iterable[MetricInfo], context: Context) -> list[str]:
    """The ids of those that apply to the level and have in the context what they need."""
    return [
        metric.id
        for metric in metrics
        if (context.level in metric.levels if metric.levels else context.level != PIXEL)
        and all(getattr(context, need) is not None for need in metric.needs)
    ]


def compute(
    function: Compute, outputs: Sequence[str], labels: Array, scores: Array, context: Context
) -> dict[str, float]:
    """The numbers of one metric's file by id, of which `outputs` are those that it has to give.

    Raises:
        TypeError: it gives others.
    """
    given = function(labels, scores, context)
    values = given if isinstance(given, dict) else {outputs[0]: given}
    if values.keys() != set(outputs):
        raise TypeError(f"it gives {', '.join(values) or 'nothing'}, expected {', '.join(outputs)}")
    return {name: float(values[name]) for name in outputs}


def _read_only(values: Array) -> Array:
    """The same array, so that a metric that writes into it fails instead of spoiling it for the next one."""
    view = values.view()
    view.setflags(write=False)
    return view


def largest_mean(maps: Array) -> Array:
    """Mean of the largest LARGEST of each map: (N, ...) to float32 (N,)."""
    flat = maps.reshape(len(maps), -1)
    count = max(1, round(LARGEST * flat.shape[1]))
    mean: Array = np.partition(flat, -count, axis=1)[:, -count:].mean(axis=1)
    return mean


class Measured:
    """The labels of one dataset, and what scores are worth against them.

    Where nobody knows the labels, `labelled` is false, zeros stand for them, and no metric must be asked for.
    """

    def __init__(self, meta: Meta, truth: Mapping[str, Array], steps: int) -> None:
        """From what the file of labels holds, and the number of test rows or of steps of the test series."""
        self.meta, self.masks, self.groups = meta, truth.get("masks"), truth.get("groups")
        self.names, self.times = truth.get("names"), truth.get("times")
        self.events: Sequence[dict[str, Any]] = json.loads(str(truth["recipe"]))["events"] if "recipe" in truth else ()
        self.labelled, left_out = "labels" in truth, truth.get("left_out")
        labels = truth["labels"] if self.labelled else np.zeros(steps, np.uint8)
        self.steps, self.scored = len(labels), np.ones(len(labels), dtype=bool) if left_out is None else ~left_out
        self.all_labels = labels
        self.labels = labels[self.scored]  # steps where the owner's data is in doubt count for nobody
        self.level, self.window = meta.level, meta.window or 1
        self.starts = None if meta.test_starts is None else np.asarray(meta.test_starts)

    def merge(self, values: Array) -> Array:
        """Scores of what carries a label: that of a point is the mean of the windows that cover it."""
        if self.starts is None:
            return values.astype(np.float64)
        return merge_windows(values, self.starts, self.window, self.steps)[self.scored]

    def _merge_held_out(self, values: Array) -> Array:
        """Scores (M,) of held-out normals, as `merge` makes them: a threshold for points needs points."""
        if self.starts is None:
            return values
        starts, length = np.asarray(self.meta.train_starts)[np.asarray(self.meta.valid)], self.window
        merged = merge_windows(values, starts, length, starts.max() + length)
        return merged[np.isfinite(merged)]

    def of_rows(self, rows: Array, values: Array) -> tuple[Array, Array]:
        """Labels and scores of what some test rows cover: `values` (N,) are theirs."""
        if self.starts is None:
            return self.labels[rows], values
        merged = merge_windows(values, self.starts[rows], self.window, self.steps)[self.scored]
        covered = np.isfinite(merged)
        return self.labels[covered], merged[covered]

    def metrics(self, scores: Array, maps: Array | None, valid: Array | None) -> Iterator[dict[str, Any]]:
        """The rows of `measure` at the level of the labels, then those of maps against masks.

        `scores` are merged; `maps`, and `valid` of held-out normals, are as stored.
        """
        series = self.starts is not None
        context = Context(
            self.level,
            window=self.window if series else None,
            held_out=self._merge_held_out(valid) if valid is not None else None,
            pointwise=self.merge(maps) if series and maps is not None else None,
            largest=self.merge(largest_mean(maps)) if maps is not None else None,
        )
        yield from measure(self.labels, scores, context)
        if maps is not None and self.masks is not None:
            yield from measure(self.masks, maps, Context(PIXEL))

    def replicates(self, scores: dict[str, list[Array]]) -> dict[str, Array]:
        """AUROC of each method, mean over its seeds, on replicates of the test set: float32 (B,) by method.

        Units are rows, recordings where the dataset names them, or blocks of two windows of a series: points share
        windows, and with them noise, up to one window apart on either side.
        """
        if not scores:
            return {}
        dataset = self.meta.dataset
        block = 2 * self.window if self.starts is not None else None
        rows = np.array([row for by_seed in scores.values() for row in by_seed])
        seed = seed_of(bootstrap="units", dataset=dataset)
        values = bootstrap_auroc(self.labels, rows, seed, groups=self.groups, block=block)
        by_method = np.split(values, np.cumsum([len(by_seed) for by_seed in scores.values()])[:-1])
        return {
            method: mean_over_seeds(v, seed_of(bootstrap="seeds", dataset=dataset, method=method)).astype(np.float32)
            for method, v in zip(scores, by_method, strict=True)
        }

    def random_band(self, labels: Array) -> tuple[float, float]:
        """95% band of a random score on some of the labels."""
        return random_band(labels, self.window)
