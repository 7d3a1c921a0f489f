"""Warnings about the data of a suite: what could make a score good for a reason that nobody wants.

A dataset is warned of, not refused: its owner may have good reasons, and the reader is told. Labels are opened for one
of the checks, so this belongs to `evaluate`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from anomark.contracts import Array
from anomark.data.streamed import blocks
from anomark.statistics.ranking import auroc, random_band

#: Beyond this AUROC, or below one minus it, one number alone is said to tell the labels.
TELLS = 0.7
#: Samples that lie nearer to a training sample than this share of what is usual between these are near copies.
NEAR = 0.05
#: How many samples of a part are compared for near copies, and how many places of the training part for stretches.
MOST_ROWS, MOST_PLACES = 4000, 20_000_000
_SIDE, _LENGTH = 16, 64  # of a reduced copy
_BASE = 0x9E3779B97F4A7C15  # odd, so that it can be divided by modulo 2**64


def warnings(
    train: Array,
    test: Array,
    labels: Array | None,
    window: int | None,
    scored: Array | None = None,
    copied: Array | None = None,
) -> list[str]:
    """What a reader should know of a dataset before trusting a number, each in one sentence.

    Args:
        train, test: a series (T, C) each where `window` is given; else signals (N, C, L), images (N, C, H, W) or rows
            (N, ...), which may be memory-mapped and are read in blocks.
        labels: (N,) or (T,), 1 anomalous, or None where nobody knows.
        scored: those of the labels that count, all unless it is given.
        copied: what `copies` found, where it was asked already.
    """
    found = [*_constant(train, window)]
    found += _one_number(test, labels, window, scored) if labels is not None else []
    if window:
        return [*found, *_stretches(train[None], test[None], window, range(0, len(test) - window + 1, window))]
    copied = copies(train, test) if copied is None else copied
    # A sample of one value only is nobody's copy.
    copied = copied & np.array([np.ptp(row) > 0 for block in blocks(test) for row in block])
    if copied.any():
        found.append(f"{copied.sum():,} of {len(test):,} test samples occur in the training part too, bit for bit.")
    elif train.ndim == 3 and train.shape[2] >= 2 * _MIN_STRETCH:
        half = train.shape[2] // 2
        turned = train.swapaxes(1, 2), test.swapaxes(1, 2)
        found += _stretches(*turned, half, (0, train.shape[2] - half))
    return [*found, *_near(train, test, copied)]


# -- one channel, one number ----------------------------------------------------------------------------------------


def _constant(train: Array, window: int | None) -> Iterator[str]:
    axes = (0,) if window else tuple(axis for axis in range(train.ndim) if axis != 1)
    low = np.min([block.min(axes) for block in blocks(train)], axis=0)
    high = np.max([block.max(axes) for block in blocks(train)], axis=0)
    if (same := np.flatnonzero(low == high)).size:
        which = ", ".join(map(str, same[:8])) + ", ..." * (same.size > 8)
        yield f"{same.size} of {low.size} channels are constant in the training part ({which}, counted from 0)."


def _one_number(test: Array, labels: Array, window: int | None, scored: Array | None) -> Iterator[str]:
    numbers = {"mean": lambda rows: rows.reshape(len(rows), -1).mean(1)}
    if not window and test.ndim == 3:
        numbers["length"] = _length
    if not window and test.ndim == 4:
        numbers["size"] = _size
    counts = np.ones(len(labels), dtype=bool) if scored is None else scored
    low, high = random_band(labels[counts], window or 1)
    for name, number in numbers.items():
        values = np.concatenate([number(np.asarray(block)) for block in blocks(test)])[counts]
        area = auroc(labels[counts], values.astype(np.float64))
        if not 1 - TELLS <= area <= TELLS and not low <= area <= high:
            what = f"The {name} of a {'step' if window else 'sample'}"
            yield f"{what} tells the labels by itself: as a score it has an AUROC of {area:.2f}."


def _length(rows: Array) -> Array:
    """Steps (N,) of signals (N, C, L) before the last value is repeated to the end, as padding does."""
    differs = (rows != rows[:, :, -1:]).any(1)
    lengths: Array = np.where(differs.any(1), differs.shape[1] - differs[:, ::-1].argmax(1), 0)
    return lengths


def _size(rows: Array) -> Array:
    """Share (N,) of the pixels of images (N, C, H, W) that differ from their first corner, as a background does not."""
    share: Array = (rows != rows[:, :, :1, :1]).any(1).mean((1, 2))
    return share


# -- copies ----------------------------------------------------------------------------------------------------------


def copies(train: Array, test: Array) -> Array:
    """bool (N,): the test samples that equal a training sample in every bit, which a method may remember."""
    known = {_digest(row) for block in blocks(train) for row in block}
    return np.array([_digest(row) in known for block in blocks(test) for row in block])


def _digest(row: Array) -> bytes:
    return hashlib.blake2b(row.tobytes(), digest_size=16).digest()


_MIN_STRETCH = 8


def _stretches(train: Array, test: Array, length: int, starts: range | tuple[int, ...]) -> Iterator[str]:
    """Stretches of signals (N, L, C) that both parts share, step for step, wherever in the training part they lie."""
    if length < _MIN_STRETCH:
        return
    rng = np.random.default_rng(0)
    weights: Array = rng.integers(1, 2**63, (test.shape[2],), dtype=np.uint64)
    probes: list[Array] = []
    for signal in test:
        codes = _codes(signal, weights)
        # What hardly changes is met everywhere.
        begins = [start for start in starts if len(np.unique(codes[start : start + length])) * 2 > length]
        probes.append(_rolling(codes, length)[begins])
    asked = np.concatenate(probes)
    places = train.shape[0] * train.shape[1]
    step = -(-places // MOST_PLACES) if len(train) > 1 else 1
    hit = np.zeros(len(asked), dtype=bool)
    for signal in train[::step]:
        hit |= np.isin(asked, _rolling(_codes(signal, weights), length))
    if hit.any():
        yield (
            f"{hit.sum():,} of {len(asked):,} stretches of {length} steps of the test part occur in the training part "
            "too, step for step, as where windows overlap the split."
        )


def _codes(signal: Array, weights: Array) -> Array:
    """One uint64 (L,) for the bits of each step of (L, C)."""
    bits = np.ascontiguousarray(signal, dtype=np.float32).view(np.uint32)
    codes: Array = (bits.astype(np.uint64) * weights).sum(1, dtype=np.uint64)
    return codes


def _rolling(codes: Array, length: int) -> Array:
    """A hash (L - length + 1,) of each stretch of codes: a polynomial modulo 2**64, by differences of its prefixes."""
    powers = np.cumprod(np.full(len(codes), _BASE, dtype=np.uint64))
    inverse = np.cumprod(np.full(len(codes), pow(_BASE, -1, 2**64), dtype=np.uint64))
    prefixes = np.concatenate([np.zeros(1, np.uint64), np.cumsum(codes * powers, dtype=np.uint64)])
    return (prefixes[length:] - prefixes[:-length]) * inverse[: len(codes) - length + 1]


def _near(train: Array, test: Array, copied: Array) -> Iterator[str]:
    """Test samples whose reduced copy is nearer to one of the training part than these are to each other."""
    if train.ndim < 3 or len(train) < 4:
        return
    rows = _chosen(len(test))
    rows = rows[~copied[rows]]
    known, asked = _reduced(train, _chosen(len(train))), _reduced(test, rows)
    usual = np.median([np.partition(_distances(known[i], known), 1)[1] for i in _chosen(len(known), 200)])
    near = sum(_distances(sample, known).min() < NEAR * usual for sample in asked)
    if near:
        yield f"{near:,} of {len(rows):,} test samples are near copies of training samples."


def _distances(sample: Array, others: Array) -> Array:
    distances: Array = np.sqrt(np.square(others - sample).sum(1))
    return distances


def _chosen(count: int, most: int = MOST_ROWS) -> Array:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _reduced(values: Array, rows: Array) -> Array:
    """Block means (n, d) of images (N, C, H, W) or signals (N, C, L), with at most 16 x 16 or 64 numbers a channel."""
    sides = values.shape[2:]
    most = _SIDE if len(sides) == 2 else _LENGTH
    pieces = [np.linspace(0, side, min(side, most) + 1).astype(int)[:-1] for side in sides]
    out = []
    for row in rows:
        small: Array = np.asarray(values[row], dtype=np.float32)
        for axis, cuts in enumerate(pieces, start=1):
            widths = np.diff([*cuts, small.shape[axis]])
            shape = [-1 if a == axis else 1 for a in range(small.ndim)]
            small = np.add.reduceat(small, cuts, axis) / widths.reshape(shape)
        out.append(small.ravel())
    return np.array(out, dtype=np.float32)
