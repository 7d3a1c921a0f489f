"""Generated anomalies of training images, for methods that learn from them, and where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomark import modality as modalities
from anomark.contracts import Array
from anomark.data.synthetic import synthetic_anomalies


def generated(X: Any, modality: str, seed: int) -> tuple[Array, Array]:
    """One anomaly in each sample by the modality's generators, none of which makes test anomalies of a dataset.

    Args:
        X: normal samples (N, C, H, W).
        seed: of everything random.

    Returns:
        The changed samples, float32, and masks, bool (N, H, W), True where a sample is changed.
    """
    normal = np.asarray(X, dtype=np.float32)
    changed = synthetic_anomalies(normal, modalities.load(modality).synthetic(), seed)
    return changed, (changed != normal).any(1)
