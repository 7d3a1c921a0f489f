"""Rows: ADBench's tables under both protocols, and the synthetic anomalies of the modality."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from anomark import modality
from anomark.contracts import AnomarkError, Prepared
from anomark.suite import config, registry, select
from tests.samples import prepared, refusal

adbench = importlib.import_module("anomark_datasets.adbench")
TABULAR = modality.load("tabular")


def fifth_neighbour(p: Prepared) -> float:
    """AUROC of the distance to the fifth nearest training row, in percent."""
    distances = NearestNeighbors(n_neighbors=5).fit(p.train).kneighbors(p.test)[0][:, -1]
    return 100 * float(roc_auc_score(p.labels, distances))


def table(root: Path, item: str, **params: object) -> Prepared:
    return prepared(adbench, root, item, **params)


# Livernoche et al. 2024, table of the semi-supervised setting, column KNN; the standard deviation of these is 0.
@pytest.mark.parametrize(
    ("item", "published"), [("cardio", 92.00), ("satimage-2", 99.71), ("vowels", 82.21), ("yeast", 44.74)]
)
def test_a_table_of_enough_rows_reproduces_the_published_number(data_root: Path, item: str, published: float) -> None:
    assert fifth_neighbour(table(data_root, item)) == pytest.approx(published, abs=0.01)


@pytest.mark.parametrize(
    ("item", "published", "sd", "honest"),
    [("glass", 92.04, 1.12, 84.14), ("vertebral", 57.67, 3.58, 16.83), ("wine", 99.19, 0.22, 46.95)],
)
def test_the_resampling_and_not_the_method_gives_the_published_number(
    data_root: Path, item: str, published: float, sd: float, honest: float
) -> None:
    draws = [table(data_root, item, resampled=True, draw=draw) for draw in range(5)]
    assert abs(np.mean([fifth_neighbour(p) for p in draws]) - published) <= sd
    assert fifth_neighbour(table(data_root, item)) == pytest.approx(honest, abs=0.01)
    assert all(len(p.train) + len(p.test) == 1000 for p in draws)
    assert not np.array_equal(draws[0].train, draws[1].train)
    for p in draws:  # what the note says is what the arrays hold; a table has equal rows of its own beside
        rows = {row.tobytes() for row in p.train}
        assert int(p.notes[0].split()[0]) <= sum(row.tobytes() in rows for row in p.test)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "adbench/Classical").mkdir(parents=True)
    return tmp_path


def write(root: Path, rows: int = 40, **arrays: object) -> None:
    rng = np.random.default_rng(0)
    arrays = {"X": rng.normal(size=(rows, 3)), "y": np.arange(rows) % 4 == 0} | arrays
    np.savez(root / "adbench/Classical/45_wine.npz", **arrays)  # type: ignore[arg-type]


def test_the_first_half_of_the_normal_rows_trains_and_a_constant_column_stays(made: Path) -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[:, 1] = 7
    write(made, X=X)
    p = table(made, "wine")
    assert len(p.train) == 15 and p.labels.tolist() == [0] * 15 + [1] * 10
    np.testing.assert_allclose(p.train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(p.train.std(axis=0), [1, 0, 1], atol=1e-6)


def test_the_papers_protocol_leaves_a_table_of_enough_rows_to_the_honest_one(made: Path) -> None:
    write(made, rows=1000)
    assert "adbench-wine" in refusal(adbench, made, "wine", resampled=True)


@pytest.mark.parametrize(
    "arrays",
    [
        {"X": np.full((40, 3), np.nan)},
        {"X": np.zeros((39, 3))},
        {"X": np.zeros(40)},
        {"y": np.full(40, 2)},
        {"y": np.array(["a"] * 40)},
        {"y": np.ones(40)},
        {"X": np.array([[None] * 3] * 40)},
    ],
)
def test_a_broken_file_is_one_sentence(made: Path, arrays: dict[str, object]) -> None:
    write(made, **arrays)
    assert "45_wine.npz" in refusal(adbench, made, "wine")


def test_a_file_that_is_no_archive_is_one_sentence(made: Path) -> None:
    (made / "adbench/Classical/45_wine.npz").write_bytes(b"PK\x03\x04 but not really")
    assert "45_wine.npz" in refusal(adbench, made, "wine")


def test_a_suite_has_a_draw_for_each_of_its_seeds() -> None:
    suite = config.load().model_copy(update={"datasets": ["adbench-wine-resampled"], "seeds": [0, 3]})
    draws = select.datasets(suite)
    assert [d.id for d in draws] == ["adbench-wine-resampled-0", "adbench-wine-resampled-3"]
    assert [(d.overrides["draw"], d.seed, d.base) for d in draws] == [(0, 0, "adbench-wine"), (3, 3, "adbench-wine")]
    assert registry.find_dataset("adbench-wine-resampled-3") == draws[1]
    with pytest.raises(AnomarkError, match="unknown dataset"):
        registry.find_dataset("adbench-wine-3")


# ---- synthetic anomalies ------------------------------------------------------------------------------------------


def test_synthetic_anomalies_lie_where_their_names_say() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=400)
    X = np.stack([base, base + 0.1 * rng.normal(size=400), 3 + rng.normal(size=400)], axis=1).astype(np.float32)
    found = {
        change.__name__.partition("_")[0]: np.stack([change(X, i, rng) for i in range(400)])
        for change in TABULAR.synthetic()
    }
    assert found.keys() == {"local", "global", "cluster", "dependency"}
    np.testing.assert_allclose(np.cov(found["local"].T), 5 * np.cov(X.T), rtol=1e-3)
    span = np.abs(X).max(axis=0)
    assert (np.abs(found["global"]) <= 1.1 * span + 1e-6).all() and (found["global"].std(axis=0) > X.std(axis=0)).all()
    assert found["cluster"][:, 2].mean() > 10
    assert np.corrcoef(X.T)[0, 1] > 0.99 and abs(np.corrcoef(found["dependency"].T)[0, 1]) < 0.2
    np.testing.assert_allclose(found["dependency"].mean(axis=0), X.mean(axis=0), atol=0.3)
