"""Samples that tests of several methods share, float32; the same shape and seed give the same values."""

from __future__ import annotations

import numpy as np


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def uniform(*shape: int, seed: int = 0) -> np.ndarray:
    """Uniform in [-1, 1], the range of images."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def waves(n: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """(n, *shape): a wave along the last axis at a phase of each row's own, with noise, in [-1, 1]."""
    rng = np.random.default_rng(seed)
    wave = np.sin(np.linspace(0, 9, shape[-1]) + rng.uniform(0, 6, (n, *[1] * len(shape))))
    return (0.5 * wave + 0.2 * rng.normal(size=(n, *shape))).clip(-1, 1).astype(np.float32)
