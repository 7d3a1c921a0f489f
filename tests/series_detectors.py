"""The trained detectors of series alone, small enough for tests."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from anomark.contracts import Spec

SMALL: dict[str, dict[str, Any]] = {
    "anomaly_transformer": {"steps": 3, "batch_size": 4, "width": 4, "layers": 2, "heads": 2},
    "autoformer": {"steps": 3, "batch_size": 4, "width": 4, "layers": 1},
    "tranad": {"steps": 5, "batch_size": 4, "width": 4, "heads": 2},
    "transformer_ad": {"steps": 3, "batch_size": 4, "width": 4, "layers": 1, "heads": 2},
}


def fitted(method: str, X: np.ndarray, seed: int = 0, **params: Any) -> Any:
    """One of them, fitted to windows (N, C, L)."""
    cls = importlib.import_module(f"anomark_methods.{method}").Method
    return cls(Spec("series", X.shape[1:]), seed, "cpu", **{**SMALL[method], **params}).fit(X, None)
