"""The adapter that makes a scikit-learn or PyOD class a method as it stands.

Their conventions differ from this project's in three points. They take neither a spec nor a device. They want rows of
numbers. And where PyOD's detectors score anomaly, scikit-learn's outlier detectors score normality.
"""

from __future__ import annotations

import copy
import inspect
import io
import json
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from anomark.contracts import AnomarkError, Array, Spec

#: Packages whose types skops may build when it loads a model; the detectors come from these.
_TRUSTED = ("pyod.", "sklearn.", "numpy.", "scipy.")


def adapt(cls: type) -> type:
    """Return `cls` itself if it follows the contract of a method, else a method that wraps it."""
    if hasattr(cls, "load_state_dict"):
        return cls
    return type(cls.__name__, (_Adapted,), {"estimator_class": cls})


class _Adapted:
    """A detector with `fit(X)` and `decision_function(X)` or `score_samples(X)` on rows (N, features)."""

    estimator_class: type

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        accepted = inspect.signature(self.estimator_class).parameters
        # The deep ones of PyOD ask for the number of features. LocalOutlierFactor scores new rows with `novelty` alone.
        known = {"random_state": seed, "n_features": math.prod(spec.shape), "novelty": True, "verbose": 0}
        params |= {name: value for name, value in known.items() if name in accepted and name not in params}
        with self._sentence("can't be made with its default parameters", "give those that it asks for in DEFAULTS"):
            self.estimator = self.estimator_class(**params)

    @contextmanager
    def _sentence(self, what: str, advice: str) -> Iterator[None]:
        """Turn what the class raises into one sentence: it has fewer rows than neighbours, say, or lacks a library."""
        try:
            yield
        except (AnomarkError, OSError, MemoryError):  # what is forbidden, a full disk: not the class's own
            raise
        except Exception as error:
            why = str(error).strip().partition("\n")[0] or type(error).__name__
            raise AnomarkError(f"{self.estimator_class.__name__} {what}: {why.rstrip('.;')}; {advice}") from error

    def fit(self, X: Any, X_valid: Any = None) -> None:
        rows = _rows(X)
        n, width = rows.shape
        with self._sentence(f"can't be fitted to {n} rows of {width} numbers", "leave it out of this dataset's suite"):
            self.estimator.fit(rows)

    def decision_function(self, X: Any) -> Array:
        rows = _rows(X)
        with self._sentence(f"can't score {len(rows)} rows", "leave it out of this dataset's suite"):
            return self._score(rows)

    def _score(self, rows: Array) -> Array:
        if not hasattr(self.estimator, "decision_function"):  # density models: log-likelihood, high = normal
            return np.asarray(-self.estimator.score_samples(rows), dtype=np.float32)
        # A copy scores, because ECOD and COPOD keep what they compute, and test rows don't belong in a stored model.
        scores = np.asarray(copy.copy(self.estimator).decision_function(rows))
        if _scores_normality(self.estimator_class):
            scores = -scores
        return scores.astype(np.float32)

    def dumps(self) -> bytes:
        """The fitted detector as a skops file, the same bytes for the same detector."""
        import skops.io

        return _canonical(skops.io.dumps(self.estimator))

    def loads(self, data: bytes) -> None:
        """Restore what `dumps` wrote.

        Raises:
            AnomarkError: the file holds a type that is not from one of the known libraries.
        """
        import skops.io

        wanted = skops.io.get_untrusted_types(data=data)
        if strange := [t for t in wanted if not t.startswith(_TRUSTED)]:
            raise AnomarkError(
                f"the stored model holds {strange[0]}, which is not a type of scikit-learn or PyOD; fit it anew"
            )
        self.estimator = skops.io.loads(data, trusted=wanted)


def _rows(X: Any) -> Array:
    return np.asarray(X).reshape(len(X), -1)


def _scores_normality(cls: type) -> bool:
    """scikit-learn's outlier detectors return high values for inliers; PyOD's, low ones."""
    return any(base.__module__.startswith("sklearn.") and base.__name__ == "OutlierMixin" for base in cls.__mro__)


def _canonical(data: bytes) -> bytes:
    """A skops file without what changes from run to run, which are memory addresses as ids and the time of day."""
    source = zipfile.ZipFile(io.BytesIO(data))
    schema = json.loads(source.read("schema.json"))
    ids: dict[int, int] = {}
    files: dict[str, str] = {}

    def rename(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(old := node.get("__id__"), int):
                node["__id__"] = ids.setdefault(old, len(ids))
            if isinstance(name := node.get("file"), str) and name in source.namelist():
                node["file"] = files.setdefault(name, f"{len(files)}{name[name.rindex('.') :] if '.' in name else ''}")
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            rename(child)

    rename(schema)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for old, new in files.items():
            target.writestr(zipfile.ZipInfo(new), source.read(old), zipfile.ZIP_DEFLATED)
        target.writestr(zipfile.ZipInfo("schema.json"), json.dumps(schema), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
