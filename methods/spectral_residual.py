"""Spectral residual: the parts of a window that its smoothed log spectrum does not explain."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter1d

from anomark.contracts import Array, Spec

NAME = "Spectral residual"
LABEL = "Spectral residual"
PAPER = "Ren et al.: Time-Series Anomaly Detection Service at Microsoft. KDD 2019"
PUBLISHED = (
    "The saliency of the log amplitude spectrum less its mean over 3 frequencies, relative to its mean over 21 steps, "
    "after 5 estimated points are appended."
)
DIFFERS = (
    "The score is the largest value of the window and of all its variables, instead of a threshold at the window's "
    "last point. The spectrum is smoothed around its ends, and the mean includes the step itself. The paper's network "
    "(SR-CNN) is left out. A window is compared with itself alone, and normal beats have spikes too."
)
FAMILY = "classical"
MODALITIES = ("series",)
DETERMINISTIC = True
SUITES = ("extended", "paper-cpu", "paper-quick")
#: The paper's settings: amplitudes that are smoothed over, points of the local average, estimated points, and points
#: that these are estimated from.
Q, Z, KAPPA, M = 3, 21, 5, 5
#: Amplitudes and saliencies below this share of a window's largest are rounding errors.
SMALLEST = 1e-6
#: Windows transformed at a time.
BATCH = 1024


class Method:
    """Score = largest relative saliency of any step and variable of the window; map = largest over variables.

    Nothing is learnt: a window is compared with itself. PyOD's SpectralResidual is not used because it stops at the
    saliency map, has neither estimated points nor a local average, and takes 0 for amplitudes beyond the spectrum's
    ends.
    """

    def __init__(self, spec: Spec, seed: int, device: str) -> None: ...

    @staticmethod
    def skip(spec: Spec) -> str | None:
        length = spec.shape[-1]
        return f"the next point is estimated from {M + 1}, a window has {length}" if length <= M else None

    def fit(self, X: Any, X_valid: Any) -> Method:
        return self

    def detect(self, X: Any) -> tuple[Array, Array]:
        batches = (np.asarray(X[i : i + BATCH], dtype=np.float64) for i in range(0, len(X), BATCH))
        maps = np.concatenate([relative_saliency(rows).max(1).astype(np.float32) for rows in batches])
        return maps.max(1), maps

    def decision_function(self, X: Any) -> Array:
        return self.detect(X)[0]

    def localize(self, X: Any) -> Array:
        return self.detect(X)[1]

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> Method:
        return self


def relative_saliency(x: Array) -> Array:
    """(S - mean) / mean of the saliency S of windows (..., L), the mean over the Z steps that end there."""
    s = floored(saliency(extended(x))[..., : x.shape[-1]])
    total = s.cumsum(-1)
    total[..., Z:] -= total[..., :-Z].copy()
    mean = total / np.minimum(np.arange(1, x.shape[-1] + 1), Z)
    return s / mean - 1


def extended(x: Array) -> Array:
    """Windows (..., L) with KAPPA estimated points appended, (..., L + KAPPA).

    All of them are the next point x[L - M] + M g, where g is the mean slope of the lines from M points to the last one.
    """
    slopes = (x[..., -1:] - x[..., -M - 1 : -1]) / np.arange(M, 0, -1)
    point = x[..., -M, None] + M * slopes.mean(-1, keepdims=True)
    return np.concatenate([x, np.repeat(point, KAPPA, axis=-1)], axis=-1)


def saliency(x: Array) -> Array:
    """|F^-1 exp(R + iP)| of (..., L), where P is the phase and R the log amplitude less its mean over Q frequencies."""
    spectrum = np.fft.fft(x)
    amplitude = floored(np.abs(spectrum))
    log = np.log(amplitude)
    residual = log - uniform_filter1d(log, Q, mode="wrap")
    return np.abs(np.fft.ifft(np.exp(residual) * spectrum / amplitude))


def floored(x: Array) -> Array:
    """x >= 0, (..., L), with at least SMALLEST of its largest value everywhere."""
    return np.maximum(x, np.maximum(SMALLEST * x.max(-1, keepdims=True), np.finfo(float).tiny))
