"""The contract of a metric's file as executable checks.

A metric is tried on made-up labels and scores of every kind that it applies to: rows in any order, steps of a series,
and masks with maps. A check raises an AssertionError with one sentence where the promise is broken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from anomark import modality
from anomark.checks.files import Finding, findings, load, of_file
from anomark.contracts import Array
from anomark.evaluation.measure import compute, fitting
from anomark.statistics.context import PIXEL, Context
from anomark.suite.metric_files import Compute, read_metric
from anomark.suite_records import MetricInfo

POINT = "point"
#: How far float32 scores, or another order of rows, may move a value, relative to the larger of it and 1.
TOLERANCE = 1e-6


class Subject:
    """The metrics of one file, on made-up labels (1 anomalous) and noisy scores of one level."""

    def __init__(self, metrics: Sequence[MetricInfo], function: Compute, level: str) -> None:
        self.metrics = {metric.id: metric for metric in metrics}
        self.function, self.level = function, level
        rng = np.random.default_rng(0)
        if level == PIXEL:
            self.labels: Array = np.zeros((6, 16, 16), bool)
            self.labels[0, 2:5, 3:9] = self.labels[2, 8:10, 8:10] = self.labels[2, 1:6, 12:15] = True
        elif level == POINT:
            self.labels = np.zeros(400, np.uint8)
            self.labels[60:90] = self.labels[200:212] = self.labels[330:331] = 1
        else:
            self.labels = (np.arange(60) % 4 == 0).astype(np.uint8)
        noise = rng.normal(size=self.labels.shape)
        self.scores = (noise + self.labels).astype(np.float32).astype(np.float64)
        self.context = Context(
            level,
            window=20 if level == POINT else None,
            held_out=None if level == PIXEL else rng.normal(size=99).astype(np.float32).astype(np.float64),
        )

    @property
    def name(self) -> str:
        return f"{next(iter(self.metrics.values())).base} at the level {self.level}"

    def values(
        self, scores: Array | None = None, labels: Array | None = None, **context: Array | None
    ) -> dict[str, float]:
        """The numbers of the file, of the noisy scores where no others are given; it gets copies of all arrays."""
        labels = (self.labels if labels is None else labels).copy()
        scores = (self.scores if scores is None else scores).copy()
        known = {"held_out": self.context.held_out} | self.of_maps(scores) | context
        arrays = {name: array if array is None else array.copy() for name, array in known.items()}
        return self.numbers(labels, scores, replace(self.context, **arrays))  # type: ignore[arg-type]

    def of_maps(self, scores: Array) -> dict[str, Array | None]:
        """What the context holds of maps that say the same as the scores."""
        pointwise, largest = self.level == POINT, self.level != PIXEL
        return {"pointwise": scores.copy() if pointwise else None, "largest": scores.copy() if largest else None}

    def numbers(self, labels: Array, scores: Array, context: Context) -> dict[str, float]:
        """The numbers that the file has to give in this context."""
        return compute(self.function, fitting(self.metrics.values(), context), labels, scores, context)

    def extremes(self) -> tuple[dict[str, float], dict[str, float]]:
        """The values of scores that are the labels, and of those turned round; held-out normals score as normals."""
        if self.context.held_out is None:
            return self.values(self.labels.astype(float)), self.values(-self.labels.astype(float))
        normal = np.zeros_like(self.context.held_out)
        perfect = self.values(self.labels.astype(float), held_out=normal)
        return perfect, self.values(-self.labels.astype(float), held_out=normal)


def it_gives_the_numbers_that_it_declares(s: Subject) -> None:
    """One finite number for each of its OUTPUTS, without held-out normals only for those that need none."""
    for name, value in s.values().items():
        assert math.isfinite(value), f"{name} is {value} for labels of both classes and finite scores"
    without = replace(s.context, held_out=None, pointwise=None, largest=None)
    if fitting(s.metrics.values(), without):
        s.values(held_out=None, pointwise=None, largest=None)


def values_lie_in_its_range(s: Subject) -> None:
    """Whatever the scores are: noisy, perfect, turned round, or all the same."""
    for scores in (s.scores, s.labels.astype(float), -s.labels.astype(float), np.zeros(s.labels.shape)):
        for name, value in s.values(scores).items():
            low, high = s.metrics[name].range
            inside = (low is None or value >= low) and (high is None or value <= high)
            assert inside, f"{name} is {value}, outside of its RANGE ({low}, {high})"


def perfect_beats_reversed(s: Subject) -> None:
    """Scores that are the labels are nowhere worse than those turned round, and somewhere better."""
    perfect, turned = s.extremes()
    for name, metric in s.metrics.items():
        assert name not in perfect or not metric.better(turned[name], perfect[name]), (
            f"{name} is {perfect[name]} for perfect scores and {turned[name]} for reversed ones: "
            "HIGHER_IS_BETTER says the opposite"
        )
    assert any(perfect[name] != turned[name] for name in perfect), "perfect and reversed scores have the same values"


def perfect_scores_reach_the_best_value(s: Subject) -> None:
    """Scores that are the labels have the best value of the range, where it is bounded on that side."""
    for name, value in s.extremes()[0].items():
        low, high = s.metrics[name].range
        best = high if s.metrics[name].higher_is_better else low
        reached = best is None or math.isclose(value, best, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        assert reached, f"{name} is {value} for perfect scores, but the best value of its RANGE is {best}"


def ties_are_legal(s: Subject) -> None:
    """Scores of few distinct values, or of a single one, have a number."""
    for scores in (np.round(s.scores), np.zeros(s.labels.shape)):
        for name, value in s.values(scores).items():
            assert math.isfinite(value), f"{name} is {value} for scores with ties"


def one_class_missing_gives_nan(s: Subject) -> None:
    """Where all labels are normal, or all are anomalous, there is nothing to tell apart."""
    for labels, what in ((np.zeros_like(s.labels), "normal"), (np.ones_like(s.labels), "anomalous")):
        for name, value in s.values(labels=labels).items():
            assert math.isnan(value), f"{name} is {value} where every label is {what}, expected NaN"


def the_order_of_rows_does_not_matter(s: Subject) -> None:
    """Rows, or images, in another order have the same value, with ties and without; steps of a series may not."""
    if s.level == POINT:
        return
    order = np.random.default_rng(1).permutation(len(s.labels))
    for scores in (s.scores, np.round(s.scores)):
        _same(s.values(scores), s.values(scores[order], s.labels[order]), "in another order of rows")


def float32_and_float64_agree(s: Subject) -> None:
    """Methods score in either of them."""
    held_out = s.context.held_out
    narrow = s.values(s.scores.astype(np.float32), held_out=None if held_out is None else held_out.astype(np.float32))
    _same(s.values(), narrow, "for the same scores as float32")


def equal_inputs_give_equal_values(s: Subject) -> None:
    """A metric draws nothing at random and keeps nothing from one call to the next."""
    first, second = s.values(), s.values()
    assert first == second, f"two calls with the same scores give {first} and {second}"


def inputs_are_left_alone(s: Subject) -> None:
    """Other metrics read the same arrays."""
    context = replace(s.context, **s.of_maps(s.scores))  # type: ignore[arg-type]
    given = (s.labels, s.scores, context.held_out, context.pointwise, context.largest)
    inputs = [array for array in given if array is not None]
    before = [array.copy() for array in inputs]
    s.numbers(s.labels, s.scores, context)
    changed = not all(np.array_equal(a, b) for a, b in zip(before, inputs, strict=True))
    for array, original in zip(inputs, before, strict=True):
        array[...] = original
    assert not changed, "it changes its input in place"


def _same(values: dict[str, float], others: dict[str, float], what: str) -> None:
    for name, value in values.items():
        close = math.isclose(value, others[name], rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        assert close, f"{name} is {value}, and {others[name]} {what}"


CHECKS: tuple[Callable[[Subject], None], ...] = (
    it_gives_the_numbers_that_it_declares,
    values_lie_in_its_range,
    perfect_beats_reversed,
    perfect_scores_reach_the_best_value,
    ties_are_legal,
    one_class_missing_gives_nan,
    the_order_of_rows_does_not_matter,
    float32_and_float64_agree,
    equal_inputs_give_equal_values,
    inputs_are_left_alone,
)


def levels_of(metrics: Sequence[MetricInfo]) -> tuple[str, ...]:
    """The levels to try a file at: its own, or one of rows and the one of steps where it names none."""
    levels = {level: None for metric in metrics for level in metric.levels}
    rows = [level for level in modality.levels() if level != POINT]
    return tuple(levels) or (rows[0], POINT)


def _read(path: Path) -> tuple[list[MetricInfo], Compute]:
    return read_metric(path), load(path, "metrics").compute


def _checks(read: tuple[list[MetricInfo], Compute]) -> Iterator[Finding]:
    """Run every check at every kind of level that the metrics apply to."""
    metrics, function = read
    for level in levels_of(metrics):
        subject = Subject(metrics, function, level)
        yield from findings(CHECKS, subject, f"{subject.name}: ")


check = partial(of_file, _read, _checks)
