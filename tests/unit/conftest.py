"""Fixtures shared by the unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from anomark.data import fetch
from anomark.report.results import Results, load_results
from tests.loopback import Server
from tests.report_fixture import write_evaluation


@pytest.fixture(scope="session")
def f(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of a random perceptual network, as the features stage writes them."""
    from anomark.stages.features import write_features  # imports torch, which most unit tests do without

    path: Path = tmp_path_factory.mktemp("f") / "f.safetensors"
    write_features("random", None, path)
    return str(path)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What the report reads of a made-up suite; no test may change its files."""
    return load_results(*write_evaluation(tmp_path_factory.mktemp("suite")))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(fetch, "PAUSE", 0.0)
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()
