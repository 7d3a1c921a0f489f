"""Puts anomalies into a series that has no labels of its own, by a seeded recipe.

There are four kinds of fault of a road sensor. The amplitude of an event is the largest change that it makes, in median
absolute deviations (MAD) of its sensor's training part. Events below `SMALLEST` are drawn again, since nobody could see
them. The recipe is stored beside the labels.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from anomark.contracts import Array, DataError
from anomark.data.streamed import blocks, stored

SMALLEST = 3.0  # MAD
HOUR = 12  # steps of five minutes
#: Share of an event's steps that may lie where nothing is scored.
LARGEST_UNSCORED = 0.5
SENSORS = 4  # at most, per event
TRIES = 1000


def outage(values: Array, start: int, stop: int, mad: Array, rng: np.random.Generator) -> Array:
    """The sensor reports 0."""
    return np.zeros_like(values[start:stop])


def flatline(values: Array, start: int, stop: int, mad: Array, rng: np.random.Generator) -> Array:
    """The sensor repeats the last value before `start`."""
    return np.broadcast_to(values[start - 1], values[start:stop].shape)


def congestion(values: Array, start: int, stop: int, mad: Array, rng: np.random.Generator) -> Array:
    """Speed dips by 3 to 12 MAD and recovers, along a raised cosine."""
    dip = np.hanning(stop - start + 2)[1:-1, None]
    return np.maximum(values[start:stop] - rng.uniform(SMALLEST, 12) * mad * dip, 0)


def phase_shift(values: Array, start: int, stop: int, mad: Array, rng: np.random.Generator) -> Array:
    """The sensor reports what it saw 3 to 9 hours before."""
    shift = int(rng.integers(3 * HOUR, 9 * HOUR + 1))
    return values[start - shift : stop - shift]


#: Kind: how it changes the series, and its shortest and longest duration in steps.
KINDS: dict[str, tuple[Callable[..., Array], int, int]] = {
    "outage": (outage, HOUR // 2, 2 * HOUR),
    "flatline": (flatline, 2 * HOUR, 6 * HOUR),
    "congestion": (congestion, HOUR, 4 * HOUR),
    "phase_shift": (phase_shift, 6 * HOUR, 12 * HOUR),
}


def inject(test: Array, mad: Array, left_out: Array, events: int, seed: int) -> tuple[Array, Array, dict[str, Any]]:
    """A copy of a series with `events` anomalies, one in each of as many equal stretches, kinds in turn.

    Args:
        test: (T, C) in the owner's unit.
        mad: (C,) of the training part, above 0.
        left_out: bool (T,), steps that are not scored; at least half of every event is.

    Returns:
        The copy (T, C), labels uint8 (T,), and the recipe: seed and events with kind, first and last step, channels,
        and amplitude in MAD.

    Raises:
        DataError: a stretch has no room for an event.
    """
    rng = np.random.default_rng(seed)
    out, labels = stored(blocks(test)), np.zeros(len(test), dtype=np.uint8)
    bounds = np.linspace(0, len(test), events + 1).astype(int)
    most, recipe = min(SENSORS, test.shape[1]), []
    for number, (low, high) in enumerate(pairwise(bounds)):
        kind = list(KINDS)[number % len(KINDS)]
        change, shortest, longest = KINDS[kind]
        low = max(low, 9 * HOUR)  # a phase shift looks back
        for _ in range(TRIES):
            length = int(rng.integers(shortest, longest + 1))
            if high - length <= low:
                continue
            start = int(rng.integers(low, high - length))
            channels = np.sort(rng.choice(test.shape[1], size=int(rng.integers(1, most + 1)), replace=False))
            changed = change(test[:, channels], start, start + length, mad[channels], rng)
            amplitude = np.max(np.abs(changed - test[start : start + length, channels]) / mad[channels])
            if left_out[start : start + length].mean() <= LARGEST_UNSCORED and amplitude >= SMALLEST:
                break
        else:
            raise DataError(f"no room for a {kind} between test steps {low} and {high}; lower events in dataset_params")
        out[start : start + length, channels] = changed
        labels[start : start + length] = 1
        recipe.append(
            {
                "kind": kind,
                "first": start,
                "last": start + length - 1,
                "channels": channels.tolist(),
                "amplitude": round(float(amplitude), 2),
            }
        )
    return out, labels, {"seed": seed, "smallest_amplitude": SMALLEST, "events": recipe}
