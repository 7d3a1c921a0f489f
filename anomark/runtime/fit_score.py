"""Everything about the run of a cell that can move a score, and nothing else.

Seeds, threads, settings of the libraries, the choice of the samples, the order of fitting and scoring, and what is done
to scores before they are stored: all of it stands here. This module and whatever it imports are part of the key of
every cell, whichever method it runs. So an edit here computes every cell anew, and an edit of the code around it
(limits, processes, files) computes none.
"""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anomark import modality
from anomark.contracts import AnomarkError, Array, Diverged, Spec
from anomark.data.images import reduce_images
from anomark.data.windows import Windows
from anomark.detectors.adapter import adapt
from anomark.seeds import seed_everything, seed_of

if TYPE_CHECKING:  # the records are files' formats: a new field in one of them moves no score
    from anomark.records import CellInfo, Meta


@dataclass(frozen=True)
class Scored:
    """A fitted method and what it says of the samples.

    scores
        float32 (N,), one for each test sample; higher is more anomalous.
    maps
        float32 (N, h, w) or (N, L), where the anomaly is, or None if the method doesn't localise.
    valid
        float32 (M,) of the held-out normal samples, or None if the method was fitted on them too.
    fit_seconds, score_seconds
        By the clock; the second is of the test samples alone.
    probe
        At most 8 training samples, to compare a stored copy of the method with the method.
    """

    method: Any
    scores: Array
    maps: Array | None
    valid: Array | None
    fit_seconds: float
    score_seconds: float
    probe: Array


def fit_and_score(
    cls: type,
    cell: CellInfo,
    meta: Meta,
    data: Path,
    device: str,
    features: str | None,
    around_fit: AbstractContextManager[Any],
) -> Scored:
    """Fit the method of a cell on the training samples, then score the test samples and the held-out ones.

    Args:
        cls: the class `Method` of the cell's method file.
        data: folder of the prepared arrays that `meta` describes.
        device: "cpu" or "cuda".
        features: file with the weights of f, for methods that need it.
        around_fit: a context that is entered for the fit alone, to watch or to resume it; it may not move a bit.

    Raises:
        AnomarkError: scores or maps have the wrong shape.
        Diverged: one of them is not finite.
    """
    parts = cell.parts
    pin(parts.threads)
    spec = spec_of(meta, parts.resolution)
    exact = adapt(cls) is not cls  # classes of other libraries get rows as their authors would give them
    X, X_valid = training_data(data, meta, parts.uses_valid, parts.resolution, exact=exact)
    started = time.perf_counter()
    method = build(cls, spec, seed_of_cell(cell), device, parts.params, features)
    with around_fit:
        method.fit(X, X_valid)
    fitted = time.perf_counter()
    X_test = test_data(data, meta, parts.resolution, exact=exact)
    begin = time.perf_counter()
    scores, maps = score(method, X_test, spec)
    scored = time.perf_counter()
    valid = None if X_valid is None else score(method, X_valid, spec)[0]
    return Scored(method, scores, maps, valid, fitted - started, scored - begin, np.asarray(X[:8]))


# -- seeds, threads and libraries ----------------------------------------------------------------------------------


def environment(threads: int) -> dict[str, str]:
    """Variables that a process which fits or scores has to be started with: libraries read them once."""
    pinned = {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA")}
    return pinned | {"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def pin(threads: int) -> None:
    """Let torch, where it is loaded, use that many threads and deterministic algorithms."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        # torch would fill all memory that it is about to write with NaN, which takes up to a twentieth of a step.
        torch.utils.deterministic.fill_uninitialized_memory = False


def seed_of_cell(cell: CellInfo) -> int:
    """The seed of a cell's method; no two cells share one."""
    return seed_of(dataset=cell.dataset, method=cell.method, repetition=cell.seed)


def build(cls: type, spec: Spec, seed: int, device: str, params: dict[str, Any], features: str | None = None) -> Any:
    """A method, with every generator seeded before its first weight is drawn."""
    seed_everything(seed)
    return adapt(cls)(spec, seed, device, **params, **({"features": features} if features else {}))


# -- samples -------------------------------------------------------------------------------------------------------


def spec_of(meta: Meta, resolution: int | None = None) -> Spec:
    """What a method is told: modality, shape of a sample (images reduced to `resolution`), value range."""
    shape = (meta.shape[0], *(min(side, resolution or side) for side in meta.shape[1:]))
    return Spec(meta.modality, shape, meta.value_range, meta.rate)


def training_data(
    folder: Path, meta: Meta, uses_valid: bool, resolution: int | None = None, *, exact: bool = False
) -> tuple[Any, Any]:
    """Normal samples to fit on and held-out normal ones, which a method that doesn't use them gets to fit on too.

    Args:
        exact: leave rows of a table in the precision that they are stored in.

    Returns:
        (X, X_valid), each float32 (N, C, H, W), (N, C, L) or (N, D), or lazy windows; X_valid is None where none is
        held out.
    """
    train = np.load(folder / "train.npy", mmap_mode="r")
    if meta.train_starts is not None:
        assert meta.window
        starts, window = np.asarray(meta.train_starts), meta.window

        def rows(index: Any) -> Any:
            return Windows(train, starts[index], window)
    else:

        def rows(index: Any) -> Any:
            return _single(reduce_images(np.asarray(train[index]), resolution), exact)

    if uses_valid and meta.valid:
        return rows(np.asarray(meta.fit)), rows(np.asarray(meta.valid))
    return rows(slice(None)), None


def test_data(folder: Path, meta: Meta, resolution: int | None = None, *, exact: bool = False) -> Any:
    """Test samples in their seeded permutation, otherwise as `training_data` gives its samples."""
    test = np.load(folder / "test.npy", mmap_mode="r")
    if meta.test_starts is not None:
        assert meta.window
        return Windows(test, np.asarray(meta.test_starts), meta.window)
    return _single(reduce_images(np.asarray(test), resolution), exact)


def _single(samples: Array, exact: bool) -> Array:
    return samples if exact else samples.astype(np.float32, copy=False)


# -- scores --------------------------------------------------------------------------------------------------------


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
