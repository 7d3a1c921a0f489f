"""Series: a half-hourly load with daily and weekly periods, generated here. Anomalies are in the test part alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from anomark.contracts import Array, DataError, Prepared
from anomark.data.series import prepare_series
from anomark.data.training_set import count_of, describe
from anomark.seeds import seed_of

NAME = "Seeded series with daily and weekly periods"
LABEL = "Series"
MODALITY = "series"
LEVEL = "point"
LICENCE = "MIT"
SOURCE = ""
CITATION = ""
DEFAULTS = {"seed": 0, "stride_divisor": 8, "train_share": 1.0, "contamination": 0.0}

DAY = 48  # steps
WEEK = 7 * DAY
WEEKS = 12  # of training, and as many of testing


def prepare(raw: Path, *, seed: int, stride_divisor: int, train_share: float, contamination: float) -> Prepared:
    """Twelve weeks to train on and twelve to test on, with one anomaly in each test week, in windows of one day.

    The seed fixes every value; `raw` is not used. A share of the training part is its first steps; contamination is a
    share of its steps, in anomalies of the same kinds, at most one a week.
    """
    rng = np.random.default_rng(seed)
    values = _load(2 * WEEKS * WEEK, rng)
    train, test = values[: WEEKS * WEEK], values[WEEKS * WEEK :]
    labels = np.zeros(len(test), dtype=np.uint8)
    kinds = rng.permutation(list(ANOMALIES) * (WEEKS // len(ANOMALIES)))
    for week, kind in enumerate(kinds):
        # From the second to the fourth day on, so that no two anomalies of at most 72 steps touch one window.
        start = week * WEEK + int(rng.integers(DAY, 4 * DAY))
        stop = ANOMALIES[kind](test, start, rng)
        labels[start:stop] = 1
    train = train[: count_of(len(train), train_share)].copy()
    _contaminate(train, contamination, seed)
    return prepare_series(
        train[:, None],
        test[:, None],
        labels,
        window=DAY,
        stride_divisor=stride_divisor,
        source="series",
        normal_class="undisturbed load",
        choices=("L = one day", f"anomalies: {', '.join(ANOMALIES)}", *describe(train_share, contamination)),
    )


def _contaminate(train: Array, share: float, seed: int) -> None:
    """Put anomalies into weeks of the training part, in a seeded order, until `share` of its steps are anomalous."""
    rng = np.random.default_rng(seed_of(dataset="series", seed=seed, purpose="contamination"))
    left = count_of(len(train), share)
    kinds = rng.permutation(list(ANOMALIES) * (WEEKS // len(ANOMALIES)))
    for week, kind in zip(rng.permutation(len(train) // WEEK), kinds, strict=False):
        if not left:
            return
        start, pure = week * WEEK + int(rng.integers(DAY, 4 * DAY)), train.copy()
        end = min(ANOMALIES[kind](train, start, rng), start + left)
        train[end:] = pure[end:]  # the last anomaly ends where the share is reached
        left -= end - start
    if left:
        raise DataError(f"series: {share:.0%} of {len(train)} training steps is more than one anomaly a week; lower it")


def _load(steps: int, rng: np.random.Generator) -> Array:
    """Two daily peaks, quieter weekends, days of unequal height, slow drift and autocorrelated noise."""
    t = np.arange(steps)
    hour = 2 * np.pi * t / DAY
    day_shape = -np.cos(hour) - 0.45 * np.cos(2 * hour - 0.8) + 0.15 * np.sin(3 * hour)
    weekend = (t // DAY) % 7 >= 5
    height = np.repeat(rng.normal(1.0, 0.06, size=steps // DAY), DAY)
    noise = lfilter([1.0], [1.0, -0.7], rng.normal(0, 0.11, size=steps))
    drift = lfilter([1.0], [1.0, -0.998], rng.normal(0, 0.012, size=steps))
    return height * day_shape * np.where(weekend, 0.65, 1.0) - 0.3 * weekend + drift + noise


# Anomalies. Each changes `series` in place from `start` on and returns the first step that is normal again. Generators
# of synthetic anomalies for model selection live elsewhere and share nothing with these.


def spike(series: Array, start: int, rng: np.random.Generator) -> int:
    """One to three steps far off."""
    stop = start + int(rng.integers(1, 4))
    series[start:stop] += rng.choice([-1.0, 1.0]) * rng.uniform(1.2, 2.2)
    return stop


def level_shift(series: Array, start: int, rng: np.random.Generator) -> int:
    """Half a day to a day and a half at another level."""
    stop = start + int(rng.integers(DAY // 2, 3 * DAY // 2 + 1))
    series[start:stop] += rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 0.9)
    return stop


def missing_period(series: Array, start: int, rng: np.random.Generator) -> int:
    """A day without its cycle: the level is right, the peaks are missing."""
    stop = start + DAY
    level = series[start:stop].mean()
    series[start:stop] = level + 0.15 * (series[start:stop] - level) + rng.normal(0, 0.1, size=DAY)
    return stop


def phase_shift(series: Array, start: int, rng: np.random.Generator) -> int:
    """A day to a day and a half that runs two to four hours late."""
    stop = start + int(rng.integers(DAY, 3 * DAY // 2 + 1))
    delay = int(rng.integers(4, 9))
    series[start:stop] = series[start - delay : stop - delay].copy()
    return stop


ANOMALIES: dict[str, Callable[[Array, int, np.random.Generator], int]] = {
    "spike": spike,
    "level_shift": level_shift,
    "missing_period": missing_period,
    "phase_shift": phase_shift,
}
