"""Fixtures shared by the unit tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def f(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of a random perceptual network, as the features stage writes them."""
    from anomark.stages.features import write_features  # imports torch, which most unit tests do without

    path: Path = tmp_path_factory.mktemp("f") / "f.safetensors"
    write_features("random", None, path)
    return str(path)
