"""Rows: ADBench's tables under both protocols, and the synthetic anomalies of the modality."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from anomark import modality
from anomark.contracts import AnomarkError, Prepared
from anomark.suite import config, registry, select
from tests.samples import prepared, refusal

adbench, rows, bundled = (
    importlib.import_module(f"anomark_datasets.{name}") for name in ("adbench", "rows", "bundled")
)
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


# ---- a user's own rows --------------------------------------------------------------------------------------------


def orders(count: int = 60) -> pd.DataFrame:
    """Orders of mixed types: amounts, some of them missing, and shops, one of which only anomalies have."""
    rng = np.random.default_rng(0)
    label = np.arange(count) % 5 == 0
    amount = np.where(label, 900.0, 100.0) + rng.normal(0, 5, count)
    shop = np.where(label, "nowhere", rng.choice(["north", "south"], count))
    table = pd.DataFrame({"amount": amount, "shop": shop, "is_anomaly": label.astype(int), "same": 3})
    table.loc[3, "amount"] = np.nan
    table.loc[4, "shop"] = None
    return table


def own(tmp_path: Path, table: pd.DataFrame) -> Path:
    (tmp_path / "rows").mkdir(exist_ok=True)
    table.to_csv(tmp_path / "rows/orders.csv", index=False)
    return tmp_path


def test_a_table_of_mixed_types_becomes_numbers(tmp_path: Path) -> None:
    p = prepared(rows, own(tmp_path, orders()), "orders")
    assert len(p.train) == 24 and int(p.labels.sum()) == 12 and len(p.test) == 36
    assert np.isfinite(p.train).all() and np.isfinite(p.test).all()
    assert p.train.shape[1] in (4, 5)  # amount, north, south, same, and no shop where it is among the training rows
    constant = p.train.std(axis=0) == 0
    assert constant.any() and (p.train[:, constant] == 0).all()
    assert "2 missing cells" in p.notes and any("constant" in note and "same" in note for note in p.notes)
    assert fifth_neighbour(p) == 100
    again = prepared(rows, tmp_path, "orders")
    assert np.array_equal(p.train, again.train)
    assert not np.array_equal(p.train, prepared(rows, tmp_path, "orders", in_order=True).train)


def test_what_the_test_part_holds_does_not_move_the_training_part(tmp_path: Path) -> None:
    first = prepared(rows, own(tmp_path, orders()), "orders")
    changed = orders()
    changed.loc[changed["is_anomaly"] == 1, "amount"] = 1e6
    changed.loc[changed["is_anomaly"] == 1, "shop"] = "elsewhere"
    assert np.array_equal(first.train, prepared(rows, own(tmp_path, changed), "orders").train)


def test_labels_may_be_words_in_a_column_of_any_name(tmp_path: Path) -> None:
    table = orders()
    table["kind"] = np.where(table.pop("is_anomaly"), "fraud", "fine")
    p = prepared(rows, own(tmp_path, table), "orders", label="kind", normal="fine")
    assert int(p.labels.sum()) == 12 and p.normal_class == "fine"


def test_numbers_may_be_names_of_kinds_and_a_wide_table_is_a_table(tmp_path: Path) -> None:
    table = orders()
    table["code"] = np.arange(len(table)) % 3
    narrow = prepared(rows, own(tmp_path, table), "orders").train.shape[1]
    assert prepared(rows, tmp_path, "orders", categorical=["code"]).train.shape[1] == narrow + 2
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2000))).add_prefix("c")
    assert prepared(rows, own(tmp_path, wide.assign(label=table["is_anomaly"])), "orders").train.shape == (24, 2000)


def wrong(**changes: object) -> pd.DataFrame:
    return orders().assign(**changes)  # type: ignore[arg-type]


def test_rows_without_labels_train_and_test_by_halves(tmp_path: Path) -> None:
    found = prepared(rows, own(tmp_path, orders().drop(columns="is_anomaly")), "orders")
    assert found.labels is None and len(found.train) == len(found.test) == 30
    assert found.names is not None and len(set(found.names)) == 30 and found.names[0].startswith("line ")
    assert any("nothing says whether the 30 rows that train are normal" in note for note in found.notes)


@pytest.mark.parametrize(
    ("table", "params", "words"),
    [
        (wrong(amount=["12", "twelve", *["12"] * 58]), {}, "line 3 has amount 'twelve'"),
        (wrong(amount=["inf", *["12"] * 59]), {}, "line 2 has amount 'inf'"),
        (wrong(is_anomaly=0), {}, "60 normal"),
        (wrong(is_anomaly=1), {}, "0 normal"),
        (wrong(is_anomaly=[2, *[0] * 59]), {}, "line 2 has the label '2'"),
        (wrong(is_anomaly=[None, *[0] * 59]), {}, "line 2"),
        (orders().head(3), {}, "3 rows"),
        (orders()[["is_anomaly"]], {}, "no column but 'is_anomaly'"),
        (orders(), {"categorical": ["color"]}, "'color'"),
        (orders(), {"label": "mark"}, "mark"),
    ],
)
def test_a_bad_table_is_one_sentence(
    tmp_path: Path, table: pd.DataFrame, params: dict[str, object], words: str
) -> None:
    said = refusal(rows, own(tmp_path, table), "orders", **params)
    assert "orders.csv" in said and "\n" not in said
    assert words in said


def test_a_file_that_is_no_table_is_one_sentence(tmp_path: Path) -> None:
    own(tmp_path, orders())
    (tmp_path / "rows/orders.csv").write_bytes(b"\x00\xff\xfe")
    assert "orders.csv" in refusal(rows, tmp_path, "orders")


# ---- tables that ship with scikit-learn ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "train", "test"), [("breast_cancer", 178, 391), ("wine", 36, 142), ("digits", 87, 1710)]
)
def test_bundled_tables_need_no_data_folder(item: str, train: int, test: int) -> None:
    p = bundled.prepare(Path(), item=item, **bundled.ITEMS[item])
    assert (len(p.train), len(p.test)) == (train, test)
    assert fifth_neighbour(p) > 85
