"""Fitted models and scores as files, never as pickles.

Nothing here can move a score: a model is stored after it has scored, and scores are stored as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from anomark import seals
from anomark.contracts import Array, Spec
from anomark.records import StoredModel
from anomark.runtime.fit_score import build


def save_model(method: Any, folder: Path, probe: Array) -> tuple[StoredModel, int | None]:
    """Store what was learnt in `folder`.

    A method's tensors go to model.safetensors. An adapted class goes to model.skops if the copy scores `probe` as the
    original does; otherwise nothing is stored and the record says why.

    Returns:
        The record of the model, and the count of the numbers in it, or None where nobody counted them.
    """
    if hasattr(method, "dumps"):
        return _save_adapted(method, folder / "model.skops", probe), None
    state = {key: _array(value) for key, value in method.state_dict().items()}
    from safetensors.numpy import save_file

    save_file(state, folder / "model.safetensors")
    return StoredModel(file="model.safetensors", format="safetensors"), int(sum(v.size for v in state.values()))


def _save_adapted(method: Any, path: Path, probe: Array) -> StoredModel:
    try:
        data = method.dumps()
        copy = object.__new__(type(method))
        copy.loads(data)
        same = np.array_equal(copy.decision_function(probe), method.decision_function(probe))
    except Exception as error:  # whatever a foreign class can't do is a reason, not a failure of the cell
        return StoredModel(file=None, format="refit", why=f"{type(error).__name__}: {error}"[:300])
    if not same:
        return StoredModel(file=None, format="refit", why="the stored copy scores differently")
    path.write_bytes(data)
    return StoredModel(file=path.name, format="skops")


def load_model(
    cls: type, spec: Spec, seed: int, device: str, params: dict[str, Any], path: Path, features: str | None = None
) -> Any:
    """A fitted method from its stored model; all arguments but `path` are those that it was built with.

    Raises:
        Damaged: the model is not the one that was sealed; nothing of it is loaded.
    """
    content = seals.read(path)
    method = build(cls, spec, seed, device, params, features)
    if path.suffix == ".skops":
        method.loads(content)
    else:
        from safetensors.numpy import load

        state: dict[str, Any] = load(content)
        if torch := sys.modules.get("torch"):
            state = {key: torch.from_numpy(value) for key, value in state.items()}
        method.load_state_dict(state)
    return method


def _array(value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu().contiguous().numpy()
    return np.ascontiguousarray(value)


def save_scores(folder: Path, **arrays: Array | None) -> None:
    """Write scores.npz without the arrays that are None; nothing is inside for a cell without scores.

    `score` (N,) and `map` are of the test samples, `valid` (M,) of the held-out normal ones, and `earlier` (K, N) is of
    the test samples after less training.
    """
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with (folder / "scores.npz").open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the keywords for its options
