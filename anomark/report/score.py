"""One metric of one method on one dataset, over its seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import stdtrit

#: From this many seeds on a Student t interval is printed; below it, the range.
SEEDS_FOR_INTERVAL = 3
#: What stands in the place of a number where nobody knows the labels.
NO_LABELS = "no labels"


@dataclass(frozen=True)
class Score:
    """One metric of one method on one dataset: a number for every seed that has one, or why there is none.

    reference
        The commit that computed it, where it is one of the reference results and not of this run; else empty.
    """

    status: str
    reason: str = ""
    by_seed: dict[int, float] = field(default_factory=dict)
    seeds: int = 1
    deterministic: bool = False
    reference: str = ""

    def __bool__(self) -> bool:
        return bool(self.by_seed)

    @cached_property
    def values(self) -> Any:
        return np.array([self.by_seed[seed] for seed in sorted(self.by_seed)], dtype=float)

    @property
    def mean(self) -> float | None:
        return float(self.values.mean()) if self else None

    @property
    def low(self) -> float | None:
        return float(self.values.min()) if self else None

    @property
    def high(self) -> float | None:
        return float(self.values.max()) if self else None

    @property
    def ci95(self) -> float | None:
        """Half width of the 95% Student t interval of the mean over seeds; None below three seeds."""
        n = len(self.values)
        if n < SEEDS_FOR_INTERVAL or self.deterministic:
            return None
        return float(stdtrit(n - 1, 0.975) * self.values.std(ddof=1) / np.sqrt(n))

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of the line beside a mark: the interval, else the range, of one number the number itself."""
        mean, half = self.mean or 0.0, self.ci95
        if half is not None:
            return mean - half, mean + half
        return self.low or mean, self.high or mean


def average(scores: Iterable[Score]) -> Score:
    """The mean over datasets, taken seed by seed; a deterministic score stands for every seed.

    It has a number only where every dataset has one: a mean over fewer datasets would compare unlike with unlike.
    """
    scores = list(scores)
    missing = [score for score in scores if not score]
    if not scores or missing:
        reason = f"{len(missing)} of {len(scores)} datasets have no number"
        absent = bool(scores) and all(score.status == "not in suite" for score in scores)
        return Score("not in suite" if absent else "incomplete", reason)
    seeded = [set(score.by_seed) for score in scores if not score.deterministic]
    common = set.intersection(*seeded) if seeded else {0}
    if not common:
        return Score("incomplete", "no seed is done on every dataset")
    by_seed = {
        seed: float(np.mean([score.by_seed[seed] if not score.deterministic else score.mean for score in scores]))
        for seed in common
    }
    seeds = max(score.seeds for score in scores)
    return Score("done", "", by_seed, seeds, deterministic=not seeded, reference=_commit(scores))


def over_draws(scores: Iterable[Score]) -> Score:
    """One number a draw of a dataset that is drawn anew for each seed, or the first score that has none."""
    scores = list(scores)
    missing = [score for score in scores if not score]
    if missing:
        return missing[0]
    by_seed = {seed: value for score in scores for seed, value in score.by_seed.items()}
    return Score("done", "", by_seed, len(scores), reference=_commit(scores))


def _commit(scores: Iterable[Score]) -> str:
    return next((score.reference for score in scores if score.reference), "")
