"""Stage 1 for methods that need a frozen network: its weights are trained, drawn, copied or fetched."""

from __future__ import annotations

from pathlib import Path

from anomark import seals
from anomark.detectors.weights import write_weights
from anomark.files import temporary_files_in
from anomark.runtime.locks import making
from anomark.suite.backbones import find_weights
from anomark.suite_records import Features, Jobs


def write_features(kind: str, raw: str | None, out: Path) -> None:
    """Write the weights that a suite names to `out`, whole or not at all, and their seal.

    Args:
        kind: the name.
        raw: file in the data folder to copy them from, or None.

    Raises:
        AnomarkError: the weights can't be fetched, or are not what their name says.
    """
    weights = find_weights(kind)
    write_weights(weights.module, weights.source, Path(raw) if raw else None, out)
    seals.seal(out)


def ensure(features: Features) -> None:
    """Write the weights of a frozen network of a plan, unless they are stored."""
    path = Path(features.path)
    with making(path, f"the weights of {features.name}") as work:
        if not (path.exists() and seals.beside(path).exists()):
            with temporary_files_in(work):  # a download goes when this process does, however it ends
                write_features(features.kind, features.raw, path)


def run(jobs: Jobs, out: str) -> None:
    """Write the weights of that one of the plan's frozen networks whose place is `out`."""
    ensure(next(features for features in jobs.features.values() if features.path == out))
