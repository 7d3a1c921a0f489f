"""The PyOD rows give the figures that PyOD gives on the UCR archive, through the project's loaders and adapter."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor

from anomark.contracts import AnomarkError, Spec
from anomark.runtime.fit_score import build
from anomark.suite import registry
from tests.samples import noise

ucr = importlib.import_module("anomark_datasets.ucr")


@pytest.mark.parametrize(
    ("method", "auroc"),
    [("lof", (0.878, 0.972)), ("ecod", (0.825, 0.721)), ("knn", (0.901, 0.981)), ("pca", (0.873, 0.714))],
)
@pytest.mark.parametrize(("item", "column"), [("ECG200", 0), ("Wafer", 1)])
def test_known_figures(method: str, auroc: tuple[float, float], item: str, column: int, data_root: Path) -> None:
    if not (data_root / "ucr" / f"{item}.zip").is_file():
        pytest.skip(f"the data folder has no ucr/{item}.zip")
    data = ucr.prepare(data_root, **(ucr.DEFAULTS | {"item": item} | ucr.ITEMS[item]))
    model = build(registry.load_method(method), Spec("series", data.train.shape[1:]), 0, "cpu", {})
    model.fit(data.train)
    assert roc_auc_score(data.labels, model.decision_function(data.test)) == pytest.approx(auroc[column], abs=0.005)


@pytest.mark.parametrize("method", ["ecod", "copod"])
def test_scoring_leaves_the_stored_model_alone(method: str) -> None:
    """Both keep what they compute of test rows; it must not reach the file."""
    assert registry.find_method(method).transductive
    X = np.random.default_rng(0).normal(size=(2, 20, 1, 6)).astype(np.float32)
    model = build(registry.load_method(method), Spec("series", (1, 6)), 0, "cpu", {})
    model.fit(X[0])
    before = model.dumps()
    model.decision_function(X[1])
    assert model.dumps() == before


def test_data_that_a_class_cannot_take_is_refused_in_one_line() -> None:
    model = build(registry.load_method("knn"), Spec("series", (1, 6)), 0, "cpu", {})
    with pytest.raises(AnomarkError, match=r"^KNN can't be fitted to 3 rows of 6 numbers: .*n_neighbors"):
        model.fit(np.zeros((3, 1, 6), np.float32))


def test_the_sign_of_scikit_learn_is_turned_round() -> None:
    model = build(LocalOutlierFactor, Spec("series", (1, 6)), 0, "cpu", {"novelty": True})
    model.fit(noise(40, 1, 6))
    near, far = model.decision_function(np.stack([np.zeros((1, 6)), np.full((1, 6), 9)]).astype(np.float32))
    assert near < far


def test_a_class_that_asks_for_the_number_of_features_gets_it_and_its_seed() -> None:
    from pyod.models.deep_svdd import DeepSVDD

    X, spec = noise(40, 1, 7, seed=0), Spec("series", (1, 7))
    scores = []
    for _ in range(2):
        model = build(DeepSVDD, spec, 3, "cpu", {"epochs": 1, "verbose": 0})
        model.fit(X)
        scores.append(model.decision_function(X))
    assert model.estimator.n_features == 7
    assert np.array_equal(*scores)


def test_rows_are_not_rounded_before_a_class_of_another_library_sees_them() -> None:
    """Columns that differ by next to nothing leave a variance of next to nothing, by which PCA's scores divide."""
    from pyod.models.pca import PCA

    rng = np.random.default_rng(0)
    column = rng.normal(size=(2, 60, 1))
    train, test = np.concatenate(
        [rng.normal(size=(2, 60, 3)), column, column + 1e-9 * rng.normal(size=(2, 60, 1))], axis=2
    )
    model = build(registry.load_method("pca"), Spec("tabular", (5,)), 0, "cpu", {})
    model.fit(train)
    expected = PCA().fit(train).decision_function(test)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(model.decision_function(test), expected.astype(np.float32))
