"""Synthetic anomalies of normal samples, to select a method's parameters without a label.

They are a family of their own: no generator here makes the test anomalies of a dataset, and no dataset imports them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pywt
from scipy.ndimage import gaussian_filter1d

from anomark.contracts import Array, Generator


def synthetic_anomalies(X: Array, generators: Sequence[Generator], seed: int) -> Array:
    """Samples with one anomaly each; the generators take turns.

    Args:
        X: normal samples (N, C, H, W) or (N, C, L), float32; left alone.
        generators: those of the samples' modality.
        seed: of everything random.

    Returns:
        float32, shaped as X, no value beyond the range of X.
    """
    rng = np.random.default_rng(seed)
    rows = [generators[i % len(generators)](X, i, rng) for i in range(len(X))]
    return np.clip(np.stack(rows), X.min(), X.max()).astype(np.float32)


def changed(X: Array, anomalous: Array) -> Array:
    """Where synthetic anomalies (N, C, ...) differ from the samples they are made of, bool (N, ...)."""
    where: Array = (anomalous != X).any(axis=1)
    return where


def noise_patches(X: Array, row: int, rng: np.random.Generator) -> Array:
    """None to four rectangles of uniform noise in the range of X (Cao et al., "CDO", 2023, section III-B).

    Their sides are between a twentieth and a fifth of the image's.
    """
    image = X[row].copy()
    size = np.array(image.shape[1:])
    noise = rng.uniform(X.min(), X.max(), size=image.shape)
    for _ in range(rng.integers(5)):
        side = np.clip(np.rint(size * rng.uniform(1 / 20, 1 / 5, 2)).astype(int), 1, size)
        top, left = rng.integers(0, size - side + 1)
        patch = (slice(None), slice(top, top + side[0]), slice(left, left + side[1]))
        image[patch] = noise[patch]
    return image


def cut_paste(X: Array, row: int, rng: np.random.Generator) -> Array:
    """A rectangle of the image itself at another place (Li et al., "CutPaste", CVPR 2021, section 2.1).

    2 to 15% of the area, aspect ratio between 0.3 and 3.3, as in the paper.
    """
    image = X[row].copy()
    size = np.array(image.shape[1:])
    area, aspect = rng.uniform(0.02, 0.15), np.exp(rng.uniform(np.log(0.3), np.log(3.3)))
    side = np.clip(np.rint(np.sqrt(area * size.prod() * np.array([aspect, 1 / aspect]))).astype(int), 1, size)
    (top, left), (y, x) = rng.integers(0, size - side + 1), rng.integers(0, size - side + 1)
    image[:, top : top + side[0], left : left + side[1]] = X[row][:, y : y + side[0], x : x + side[1]]
    return image


def perlin_texture(X: Array, row: int, rng: np.random.Generator) -> Array:
    """Another sample, mirrored and with its channels mixed, where Perlin noise is high (Zavrtanik et al., DRAEM, 2021).

    The threshold leaves a tenth of the image; opacity is between 0.15 and 1, as in the paper.
    """
    foreign = X[rng.integers(len(X))][rng.permutation(X.shape[1]), ::-1, ::-1]
    foreign = foreign.mean() + rng.uniform(0.5, 1.5) * (foreign - foreign.mean()) + 0.3 * rng.standard_normal()
    noise = _perlin(X.shape[2:], int(2 ** rng.integers(1, 4)), rng)
    mask = (noise > np.quantile(noise, 0.9)) * rng.uniform(0.15, 1)
    return (1 - mask) * X[row] + mask * foreign


def _perlin(shape: tuple[int, ...], cells: int, rng: np.random.Generator) -> Array:
    """Gradient noise (Perlin 1985) on a grid of cells x cells."""
    angle = rng.uniform(0, 2 * np.pi, (cells + 1, cells + 1))
    gradient = np.stack([np.sin(angle), np.cos(angle)])
    y, x = np.meshgrid(*(np.arange(n) * cells / n for n in shape), indexing="ij")
    i, j = y.astype(int), x.astype(int)
    v, u = y - i, x - j

    def corner(down: int, right: int) -> Array:
        g = gradient[:, i + down, j + right]
        return g[0] * (v - down) + g[1] * (u - right)

    fade_v, fade_u = (w**3 * (w * (6 * w - 15) + 10) for w in (v, u))
    upper = corner(0, 0) + fade_u * (corner(0, 1) - corner(0, 0))
    lower = corner(1, 0) + fade_u * (corner(1, 1) - corner(1, 0))
    return upper + fade_v * (lower - upper)


def wavelet_noise(X: Array, row: int, rng: np.random.Generator) -> Array:
    """A contiguous part of one level's detail coefficients, replaced by noise of three times their deviation."""
    sample = X[row]
    axes = tuple(range(1, sample.ndim))
    levels = max(1, min(3, pywt.dwtn_max_level(sample.shape[1:], "db2")))
    coefficients = pywt.wavedecn(sample, "db2", mode="periodization", axes=axes, level=levels)
    details = coefficients[-int(rng.integers(1, levels + 1))]
    spread = 3 * np.sqrt(np.mean([np.square(d).mean() for d in details.values()])) + 0.05 * X.std()
    shape = next(iter(details.values())).shape[1:]
    side = np.maximum(1, np.rint(np.array(shape) * rng.uniform(0.15, 0.4)).astype(int))
    corner = rng.integers(0, np.array(shape) - side + 1)
    place = (slice(None), *(slice(c, c + s) for c, s in zip(corner, side, strict=True)))
    for band in details.values():
        band[place] = spread * rng.standard_normal(band[place].shape)
    changed = pywt.waverecn(coefficients, "db2", mode="periodization", axes=axes)
    result: Array = changed[tuple(slice(n) for n in sample.shape)]
    return result


def segment_swap(X: Array, row: int, rng: np.random.Generator) -> Array:
    """Two neighbouring stretches of the window change places."""
    start, length = _stretch(X.shape[-1], rng)
    window = X[row].copy()
    window[:, start : start + length] = np.roll(X[row][:, start : start + length], length // 2, axis=-1)
    return window


def time_warp(X: Array, row: int, rng: np.random.Generator) -> Array:
    """A stretch of the window runs first too fast and then too slow, or the other way round."""
    start, length = _stretch(X.shape[-1], rng)
    u = np.linspace(0, 1, length)
    bent = u ** np.exp(rng.choice([-1, 1]) * rng.uniform(0.5, 1.0))
    window = X[row].copy()
    window[:, start : start + length] = [np.interp(bent, u, values) for values in X[row][:, start : start + length]]
    return window


def foreign_segment(X: Array, row: int, rng: np.random.Generator) -> Array:
    """A stretch of another window, from another place, is blended in smoothly."""
    start, length = _stretch(X.shape[-1], rng)
    other = X[rng.integers(len(X))]
    source = int(rng.integers(0, X.shape[-1] - length + 1))
    mask = np.zeros(X.shape[-1])
    mask[start : start + length] = 1
    mask = gaussian_filter1d(mask, sigma=0.05 * length)
    moved = np.roll(other, start - source, axis=-1)
    return X[row] * (1 - mask) + moved * mask


def _stretch(steps: int, rng: np.random.Generator) -> tuple[int, int]:
    """Start and length of a quarter to three quarters of a window."""
    length = max(2, int(steps * rng.uniform(0.25, 0.75)))
    return int(rng.integers(0, steps - length + 1)), length
