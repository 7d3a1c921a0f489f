"""Windows cover every step, copy nothing until asked, and merge back as a brute-force loop would."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomark.data.windows import Windows, window_starts
from anomark.evaluation.merge import merge_windows


@given(st.integers(1, 60), st.data())
def test_every_step_is_covered(steps: int, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, steps))
    stride = data.draw(st.integers(1, length))
    starts = window_starts(steps, length, stride)
    covered = {t for s in starts for t in range(s, s + length)}
    assert covered == set(range(steps)) and starts[-1] + length == steps
    assert (np.diff(starts) > 0).all() and (np.diff(starts) <= stride).all()


def test_bad_windows_are_refused() -> None:
    for steps, length, stride in ((5, 6, 1), (5, 3, 4), (5, 3, 0)):
        with pytest.raises(ValueError, match="windows need"):
            window_starts(steps, length, stride)


def test_windows_equal_a_loop() -> None:
    series = np.arange(40, dtype=np.float64).reshape(20, 2)
    starts = window_starts(20, 6, 4)
    windows = Windows(series, starts, 6)
    expected = np.stack([series[s : s + 6].T for s in starts]).astype(np.float32)
    assert windows.shape == expected.shape and len(windows) == len(starts)
    assert np.array_equal(np.asarray(windows), expected)
    assert np.array_equal(windows[1], expected[1]) and np.array_equal(windows[1:3], expected[1:3])
    assert np.array_equal(windows[np.array([2, 0])], expected[[2, 0]])
    assert windows[0].dtype == np.float32


@given(st.integers(3, 60), st.data())
def test_every_shift_shows_no_step_that_was_held_out(steps: int, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, steps))
    starts = np.array(sorted(data.draw(st.sets(st.integers(0, steps - length), min_size=1))))
    series = np.arange(steps, dtype=np.float32)[:, None]
    shown = {step for start in starts for step in range(start, start + length)}
    every = Windows(series, starts, length).every_shift()
    whole = [s for s in range(steps - length + 1) if {*range(s, s + length)} <= shown]
    between = {s for s in whole if any(a <= s <= b <= a + length for a, b in pairwise(starts))}
    assert list(every.starts) == sorted(between | set(starts.tolist()))
    assert np.array_equal(every[:][:, 0, 0], every.starts)


def test_separate_samples_have_no_shifts_between_them() -> None:
    samples = np.random.default_rng(0).normal(size=(7, 2, 5)).astype(np.float32)
    windows = Windows.of(samples)
    assert np.array_equal(windows[:], samples) and np.array_equal(windows.every_shift()[:], samples)
    assert np.array_equal(windows.thinned(3)[:], samples[[0, 3, 6]]) and len(windows.thinned(0)) == 1
    assert Windows.of(windows) is windows


def test_windows_are_not_expanded() -> None:
    series = np.zeros((100_000, 1), np.float32)
    windows = Windows(series, window_starts(100_000, 1000, 1), 1000)
    assert np.shares_memory(windows._view, series)


@given(st.integers(2, 30), st.data())
def test_merge_equals_a_loop(steps: int, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, steps))
    starts = window_starts(steps, length, data.draw(st.integers(1, length)))
    rng = np.random.default_rng(steps)
    order = rng.permutation(len(starts))
    for values in (rng.normal(size=len(starts)), rng.normal(size=(len(starts), length))):
        per_step: list[list[float]] = [[] for _ in range(steps)]
        for start, value in zip(
            starts, np.broadcast_to(values.reshape(len(starts), -1), (len(starts), length)), strict=True
        ):
            for offset, v in enumerate(value):
                per_step[start + offset].append(v)
        expected = [np.mean(v) for v in per_step]
        merged = merge_windows(values[order], starts[order], length, steps)
        np.testing.assert_allclose(merged, expected, rtol=1e-12, atol=1e-12)
        assert np.array_equal(merged, merge_windows(values, starts, length, steps)), (
            "the order of windows leaves no trace"
        )
