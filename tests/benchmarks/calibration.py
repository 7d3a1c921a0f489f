"""How many false alarms there are where 5% are asked for: `make calibration` prints a table.

For each dataset and method a cell of the default suite is fitted, if it is not stored. Its test scores get the tail
probabilities that `anomark score` would give them, and what is called among the normal ones is counted. It tells:

* held out: normal samples that the probabilities come from (steps of a series, and in brackets the windows beside each
  other that they fill);
* normal: normal test samples, likewise;
* observed: the share of these that is called, and of a series also the share of those a window away from any anomaly;
* asked for: 5%, or the lowest rate that so few held-out samples can tell;
* expected: what 95% of perfectly calibrated models would show with as few samples. Of a series it is computed for
  windows, as if the steps of one told the same;
* second fit: the share that is called if the model that was fitted without the held-out samples scores the test part,
  so that held-out and new samples are scored by the same model.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.stats import betabinom

import anomark
from anomark.evaluation.merge import merge_windows
from anomark.runtime import fit_score
from anomark.stages.local import run_one
from anomark.statistics.false_alarms import ALPHA
from anomark.suite.config import load
from anomark.suite.plan import Plan
from anomark.suite.registry import load_method
from anomark.use.model import Model

CASES = {
    "mvtec-bottle": ("knn", "padim", "vae"),
    "digits-0": ("knn", "padim", "vae"),
    "series": ("knn", "nearest_window", "vae"),
    "beats": ("knn", "pca", "vae"),
    "machines": ("knn", "nearest_logmel", "vae"),
    "bundled-breast_cancer": ("knn", "iforest", "vae_rows"),
    "adbench-cardio": ("knn", "iforest", "vae_rows"),
}


def expected(held_out: int, normal: int, rate: float) -> tuple[float, float]:
    """The 2.5% and 97.5% quantiles of the share of normal samples that are called, where nothing is wrong."""
    called = max(1, int((held_out + 1) * rate + 1e-9))
    return tuple(betabinom.ppf([0.025, 0.975], normal, called, held_out + 1 - called) / normal)  # type: ignore[return-value]


def second_fit(model: Model) -> np.ndarray:
    """Test scores of the model that is fitted without the held-out samples."""
    stored, parts = model.stored, model.stored.record.parts
    assert stored.data
    X, _ = fit_score.training_data(stored.data, stored.meta, True, parts.resolution, exact=model.exact)
    features = str(stored.features) if stored.features else None
    seed = fit_score.seed_of_cell(stored.record)
    method = fit_score.build(load_method(stored.record.base), model.method_spec, seed, "cpu", parts.params, features)
    method.fit(X, None)
    test = fit_score.test_data(stored.data, stored.meta, parts.resolution, exact=model.exact)
    return fit_score.score(method, test, model.method_spec)[0]


def row(dataset: str, method: str) -> str:
    suite = load("default")
    cell, record = run_one(suite, dataset, method, 0)
    assert record.status.good, record.reason
    plan = Plan(suite.model_copy(update={"datasets": [dataset], "include": [method], "choose": False}))
    with np.load(plan.data[dataset].labels) as truth:
        normal = truth["labels"] == 0
    model = anomark.load(cell.folder)
    meta, held = model.stored.meta, model.calibration

    rate = max(ALPHA, 1 / (len(held.scores) + 1))

    def called(scores: np.ndarray) -> np.ndarray:
        if meta.window:
            scores = merge_windows(scores, np.asarray(meta.test_starts), meta.window, len(normal))
        decided = model.decide(scores, rate)
        assert decided is not None
        return decided

    own = called(np.load(Path(cell.folder) / "scores.npz")["score"])
    units = held.independent, int(normal.sum()) // (meta.window or 1)
    low, high = expected(*units, rate)
    counts = [f"{len(held.scores)}", f"{normal.sum()}"]
    observed = f"{own[normal].mean():.1%}"
    if meta.window:
        counts = [f"{count} ({unit})" for count, unit in zip(counts, units, strict=True)]
        away = ~binary_dilation(~normal, iterations=meta.window)
        observed += f" ({own[away].mean():.1%} away)"
    other = f"{called(second_fit(model))[normal].mean():.1%}" if held.fitted_without else ""
    return " | ".join(
        ["", dataset, method, *counts, f"{rate:.1%}", observed, f"{low:.1%} to {high:.1%}", other, ""]
    ).strip()


def main(*chosen: str) -> None:
    """Print the table, of the datasets that are named, or of all."""
    print("| dataset | method | held out | normal | asked for | observed | expected | second fit |")
    print("|---|---|---|---|---|---|---|---|")
    for dataset in chosen or CASES:
        for method in CASES[dataset]:
            print(row(dataset, method), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
