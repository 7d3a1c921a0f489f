"""Stage 3: a fitted method scores the test samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from anomark import modality
from anomark.contracts import AnomarkError, Array, Diverged, Spec


def score(method: Any, X: Any, spec: Spec) -> tuple[Array, Array | None]:
    """Scores (N,) and, where the method localises, maps (N, h, w), h <= H, w <= W, or (N, L); float32, checked.

    Raises:
        AnomarkError: the method returned another shape.
        Diverged: a score or a map value is not finite.
    """
    maps: Any
    if hasattr(method, "detect"):
        scores, maps = method.detect(X)
    else:
        scores = method.decision_function(X)
        maps = method.localize(X) if hasattr(method, "localize") else None
    scores = _checked("decision_function", scores, (len(X),))
    if maps is not None:
        size = spec.shape[1:]
        if modality.load(spec.modality).RESIZABLE:  # may be coarser than the sample, never finer
            size = tuple(min(a, b) for a, b in zip(np.shape(maps)[1:], size, strict=True))
        maps = _checked("localize", maps, (len(X), *size))
    return scores, maps


def _checked(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    array = np.asarray(value)
    if array.shape != shape:
        raise AnomarkError(f"{name} returned shape {array.shape}, expected {shape}")
    array = np.ascontiguousarray(array, dtype=np.float32)
    if bad := int((~np.isfinite(array)).sum()):
        raise Diverged(f"{name} returned {bad} NaN or infinite values among {array.size}")
    return array


def save_scores(folder: Path, **arrays: Array | None) -> None:
    """Write scores.npz without the arrays that are None; nothing is inside for a cell without scores.

    `score` (N,) and `map` are of the test samples, `valid` (M,) of the held-out normals, if the method held them out.
    """
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with (folder / "scores.npz").open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the keywords for its options
