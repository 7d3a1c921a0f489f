"""Stage 2: a method learns from normal data, and what it learnt is stored."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from anomark.contracts import Array, Spec
from anomark.data.images import reduce_images
from anomark.data.windows import Windows
from anomark.detectors.adapter import adapt
from anomark.seeds import seed_everything


def read_meta(folder: Path) -> dict[str, Any]:
    """meta.json of a prepared dataset."""
    meta: dict[str, Any] = json.loads((folder / "meta.json").read_text())
    return meta


def spec_of(meta: dict[str, Any], resolution: int | None = None) -> Spec:
    """What a method is told: modality, shape of a sample (images reduced to `resolution`), value range."""
    value_range = meta["value_range"]
    shape = [meta["shape"][0], *(min(side, resolution or side) for side in meta["shape"][1:])]
    return Spec(meta["modality"], tuple(shape), tuple(value_range) if value_range else None)


def training_data(
    folder: Path, meta: dict[str, Any], uses_valid: bool, resolution: int | None = None
) -> tuple[Any, Any]:
    """Normal samples to fit on and held-out normals (None for a method that doesn't use them: it gets all)."""
    train = np.load(folder / "train.npy", mmap_mode="r")
    if meta["level"] == "point":
        starts = np.asarray(meta["train_starts"])

        def rows(index: Any) -> Any:
            return Windows(train, starts[index], meta["window"])
    else:

        def rows(index: Any) -> Any:
            return reduce_images(np.asarray(train[index]), resolution)

    if uses_valid and meta["valid"]:
        return rows(np.asarray(meta["fit"])), rows(np.asarray(meta["valid"]))
    return rows(slice(None)), None


def test_data(folder: Path, meta: dict[str, Any], resolution: int | None = None) -> Any:
    """Test samples, in their seeded permutation."""
    test = np.load(folder / "test.npy", mmap_mode="r")
    if meta["level"] == "point":
        return Windows(test, np.asarray(meta["test_starts"]), meta["window"])
    return reduce_images(np.asarray(test), resolution)


def build(cls: type, spec: Spec, seed: int, device: str, params: dict[str, Any]) -> Any:
    """A method, with every generator seeded before its first weight is drawn."""
    seed_everything(seed)
    return adapt(cls)(spec, seed, device, **params)


def save_model(method: Any, folder: Path, probe: Array) -> dict[str, Any]:
    """Store what was learnt, never as a pickle.

    A method's tensors go to model.safetensors. An adapted class goes to model.skops if the copy scores `probe` as the
    original does; otherwise nothing is stored and the record says that the model must be refitted from its seed.

    Returns:
        {"file": name or None, "format": "safetensors" | "skops" | "refit", "parameters": count or None}
    """
    if hasattr(method, "dumps"):
        try:
            data = method.dumps()
            copy = object.__new__(type(method))
            copy.loads(data)
            same = np.array_equal(copy.decision_function(probe), method.decision_function(probe))
        except Exception as error:  # whatever a foreign class can't do is a reason, not a failure of the cell
            return {
                "file": None,
                "format": "refit",
                "parameters": None,
                "why": f"{type(error).__name__}: {error}"[:300],
            }
        if not same:
            return {"file": None, "format": "refit", "parameters": None, "why": "the stored copy scores differently"}
        (folder / "model.skops").write_bytes(data)
        return {"file": "model.skops", "format": "skops", "parameters": None}
    state = {key: _array(value) for key, value in method.state_dict().items()}
    from safetensors.numpy import save_file

    save_file(state, folder / "model.safetensors")
    return {
        "file": "model.safetensors",
        "format": "safetensors",
        "parameters": int(sum(v.size for v in state.values())),
    }


def load_model(cls: type, spec: Spec, seed: int, device: str, params: dict[str, Any], path: Path) -> Any:
    """A fitted method from its stored model."""
    method = build(cls, spec, seed, device, params)
    if path.suffix == ".skops":
        method.loads(path.read_bytes())
    else:
        from safetensors.numpy import load_file

        state: dict[str, Any] = load_file(path)
        if torch := sys.modules.get("torch"):
            state = {key: torch.from_numpy(value) for key, value in state.items()}
        method.load_state_dict(state)
    return method


def _array(value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu().contiguous().numpy()
    return np.ascontiguousarray(value)
