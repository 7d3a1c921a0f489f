"""What scores are worth against the labels of one dataset; only `evaluate` has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from anomark.contracts import Array
from anomark.evaluation.merge import merge_windows
from anomark.metrics.affiliation import affiliation
from anomark.metrics.nab import PROFILES, nab_score
from anomark.metrics.point_adjust import point_adjusted_f1
from anomark.metrics.range_based import range_based
from anomark.metrics.region import aupro
from anomark.metrics.vus import vus
from anomark.seeds import seed_of
from anomark.statistics.bootstrap import bootstrap_auroc, mean_over_seeds
from anomark.statistics.events import best_f1
from anomark.statistics.false_alarms import alarms, conformal_threshold
from anomark.statistics.ranking import auroc, average_precision, best_threshold, random_band


class Measured:
    """The labels of one dataset, and what scores are worth against them."""

    def __init__(
        self,
        meta: dict[str, Any],
        labels: Array,
        masks: Array | None,
        groups: Array | None,
        left_out: Array | None = None,
        events: Sequence[dict[str, Any]] = (),
    ) -> None:
        self.meta, self.masks, self.groups, self.events = meta, masks, groups, events
        self.steps, self.scored = len(labels), np.ones(len(labels), dtype=bool) if left_out is None else ~left_out
        self.all_labels = labels
        self.labels = labels[self.scored]  # steps where the owner's data is in doubt count for nobody
        self.level = meta["level"]
        self.starts = None if meta["test_starts"] is None else np.asarray(meta["test_starts"])

    def merge(self, values: Array) -> Array:
        """Scores of what carries a label: a point's is the mean of the windows that cover it (SPEC section 6)."""
        if self.starts is None:
            return values.astype(np.float64)
        return merge_windows(values, self.starts, self.meta["window"], self.steps)[self.scored]

    def _merge_held_out(self, values: Array) -> Array:
        """Scores (M,) of held-out normals, as `merge` makes them: a threshold for points needs points."""
        if self.starts is None:
            return values
        starts, length = np.asarray(self.meta["train_starts"])[self.meta["valid"]], self.meta["window"]
        merged = merge_windows(values, starts, length, starts.max() + length)
        return merged[np.isfinite(merged)]

    def of_rows(self, rows: Array, values: Array) -> tuple[Array, Array]:
        """Labels and scores of what some test rows cover: `values` (N,) are theirs."""
        if self.starts is None:
            return self.labels[rows], values
        merged = merge_windows(values, self.starts[rows], self.meta["window"], self.steps)[self.scored]
        covered = np.isfinite(merged)
        return self.labels[covered], merged[covered]

    def metrics(self, scores: Array, maps: Array | None, valid: Array | None) -> Iterator[dict[str, Any]]:
        """Rows of metric, value, level. `scores` are merged; `maps`, and `valid` of held-out normals, are as stored."""
        f1, threshold = best_threshold(self.labels, scores)
        yield {"metric": "auroc", "value": auroc(self.labels, scores), "level": self.level}
        yield {"metric": "ap", "value": average_precision(self.labels, scores), "level": self.level}
        yield {"metric": "f1_max", "value": f1, "level": self.level}
        thresholds = {"oracle": threshold}
        if valid is not None:
            thresholds["held_out"] = conformal_threshold(self._merge_held_out(valid))
        for chosen, threshold in thresholds.items():
            rate, recall = alarms(self.labels, scores, threshold)
            yield {"metric": f"false_alarm_rate_{chosen}", "value": rate, "level": self.level}
            yield {"metric": f"recall_{chosen}", "value": recall, "level": self.level}
        if self.starts is not None:
            for metric, value in self._readings(scores).items():
                yield {"metric": metric, "value": value, "level": "point"}
        if maps is None:
            return
        if self.masks is not None:
            yield {"metric": "pixel_auroc", "value": auroc(self.masks.ravel(), maps.ravel()), "level": "pixel"}
            yield {"metric": "aupro", "value": aupro(self.masks, maps), "level": "pixel"}
        if self.starts is not None:
            # The other reading of a series: each step's own error, merged by overlap (sensitivity, not headline).
            yield {"metric": "point_auroc_pointwise", "value": auroc(self.labels, self.merge(maps)), "level": "point"}

    def _readings(self, scores: Array) -> dict[str, float]:
        """The same scores of a series under the other protocols in use."""
        vus_roc, vus_pr = vus(self.labels, scores, self.meta["window"])
        return {
            "vus_roc": vus_roc,
            "vus_pr": vus_pr,
            "range_f1": best_f1(range_based, self.labels, scores),
            "affiliation_f1": best_f1(affiliation, self.labels, scores),
            "point_adjusted_f1": point_adjusted_f1(self.labels, scores),
            **{f"nab_{profile}": nab_score(self.labels, scores, profile) for profile in PROFILES},
        }

    def replicates(self, scores: dict[str, list[Array]]) -> dict[str, Array]:
        """AUROC of each method, mean over its seeds, on replicates of the test set: float32 (B,) by method.

        Units are rows, recordings where the dataset names them, or blocks of two windows of a series: points share
        windows, and with them noise, up to one window apart on either side.
        """
        if not scores:
            return {}
        dataset = self.meta["dataset"]
        block = 2 * self.meta["window"] if self.starts is not None else None
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
        return random_band(labels, self.meta["window"] if self.level == "point" else 1)
