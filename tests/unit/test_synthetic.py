import ast
import importlib
from pathlib import Path

import numpy as np
import pytest

from anomark import modality
from anomark.contracts import Generator
from anomark.data import synthetic
from anomark.data.synthetic import synthetic_anomalies
from anomark.suite.dropins import ROOT

SHAPES = {"image": (3, 16, 20), "series": (2, 33), "audio": (1, 200)}
IMAGES, WINDOWS = modality.load("image").synthetic(), modality.load("series").synthetic()


def normal(shape: tuple[int, ...], n: int = 8) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (0.3 * rng.normal(size=(n, *shape)).cumsum(-1)).clip(-1, 1).astype(np.float32)


@pytest.mark.parametrize("name", SHAPES)
def test_every_sample_is_changed_within_the_range_of_the_normal_ones(name: str) -> None:
    X, generators = normal(SHAPES[name]), modality.load(name).synthetic()
    before = X.copy()
    anomalies = synthetic_anomalies(X, generators, seed=3)
    assert anomalies.shape == X.shape and anomalies.dtype == np.float32
    assert np.isfinite(anomalies).all() and anomalies.min() >= X.min() and anomalies.max() <= X.max()
    assert all((a != x).any() for a, x in zip(anomalies, X, strict=True))
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(anomalies, synthetic_anomalies(X, generators, seed=3))
    assert not np.array_equal(anomalies, synthetic_anomalies(X, generators, seed=4))


@pytest.mark.parametrize("change", IMAGES)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 16), (1, 3, 5)])
def test_image_generators_leave_most_of_the_image_alone(change: Generator, shape: tuple[int, ...]) -> None:
    X = normal(shape)
    changed = change(X, 0, np.random.default_rng(1))
    assert changed.shape == X[0].shape
    assert (np.abs(changed - X[0]) < 0.05).any()


@pytest.mark.parametrize("change", WINDOWS)
@pytest.mark.parametrize("steps", [12, 33, 100])
def test_window_generators_change_a_part_of_the_window(change: Generator, steps: int) -> None:
    X = normal((2, steps))
    changed = change(X, 0, np.random.default_rng(1))
    assert changed.shape == X[0].shape and (changed != X[0]).any()
    assert (np.abs(changed - X[0]) < 0.05 * X.std() + 1e-3).any()


def test_a_swap_keeps_the_values_of_the_window() -> None:
    X = normal((1, 40))
    changed = synthetic.segment_swap(X, 2, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(changed), np.sort(X[2]))


def test_selection_and_evaluation_share_no_generator() -> None:
    """Names, code and imports of synthetic anomalies and of the datasets' anomalies are apart."""
    ours = {change.__name__ for m in modality.ids() for change in modality.load(m).synthetic()}
    theirs: set[str] = set()
    for module, table in (
        ("textures", "DEFECTS"),
        ("series", "ANOMALIES"),
        ("beats", "ABNORMALITIES"),
        ("machines", "FAULTS"),
    ):
        theirs |= set(getattr(importlib.import_module(f"anomark_datasets.{module}"), table))
    assert len(theirs) > 15 and not {n.replace(" ", "_").lower() for n in theirs} & ours

    def imported(path: Path) -> set[str]:
        tree = ast.parse(path.read_text())
        froms = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        return froms | {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}

    assert not any("datasets" in name for name in imported(Path(synthetic.__file__)))
    for path in (ROOT / "datasets").glob("*.py"):
        assert not any("synthetic" in name for name in imported(path)), path
