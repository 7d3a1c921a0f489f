"""The check that no score depends on its batch: what cheats in each of the usual ways is refused for that reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomark.checks import methods as check
from anomark.checks.leaks import check_companies
from anomark.contracts import Array

X = np.concatenate([np.random.default_rng(0).normal(size=(6, 5)), np.random.default_rng(1).normal(3, 1, (6, 5))])


def score(X: Array) -> Array:
    return np.abs(X).mean(1)


def test_an_honest_method_passes_with_equal_bits_or_but_for_rounding() -> None:
    assert check_companies(lambda X: (score(X), None), X) == "with equal bits"
    rounded = check_companies(lambda X: (score(X) * (1 + 1e-7 * len(X)), X[:, None]), X)
    assert rounded.startswith("but for rounding")


def batch_norm(X: Array) -> Array:
    """A network with batch normalisation that was left in training mode."""
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    if len(X) == 1:
        X = np.concatenate([X, X + 1e-3])
    with torch.no_grad():
        return network.train()(torch.from_numpy(X).float())[:, 0].numpy()


@pytest.mark.parametrize(
    ("cheat", "reason"),
    [
        (lambda X: (score(X) - score(X).min()) / max(np.ptp(score(X)), 1e-9), "scales its scores over the batch"),
        (lambda X: (score(X) - score(X).mean()) / (score(X).std() + 1e-9), "scales its scores over the batch"),
        (lambda X: score(X).argsort().argsort() / len(X), "ranks among the batch"),
        (batch_norm, "batch normalisation in training mode"),
        (lambda X: score(X) + 0.1 * np.arange(len(X)), "the place in the batch"),
    ],
    ids=["min-max", "z-score", "ranks", "batch-norm", "place"],
)
def test_what_reads_its_batch_is_refused_for_that_reason(cheat: object, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        check_companies(lambda X: (np.asarray(cheat(X), dtype=np.float32), None), X)  # type: ignore[operator]


def test_a_map_that_is_scaled_over_the_batch_is_refused() -> None:
    with pytest.raises(AssertionError, match="scales its maps"):
        check_companies(lambda X: (score(X), np.abs(X) / np.abs(X).max()), X)


def test_the_check_of_a_file_refuses_a_scaled_score_and_marks_what_is_transductive(tmp_path: Path) -> None:
    code = """
import numpy as np
MODALITIES = ("series",)
class Method:
    def __init__(self, spec, seed, device): pass
    def fit(self, X, X_valid=None): pass
    def decision_function(self, X):
        scores = np.abs(X).mean((1, 2))
        return (scores - scores.min()) / max(np.ptp(scores), 1e-9)
    def state_dict(self): return {}
    def load_state_dict(self, state): pass
"""
    for declared in ("", "TRANSDUCTIVE = True\n"):
        file = tmp_path / "cheat.py"
        file.write_text(declared + code)
        found = [(name, problem) for name, problem in check.check(file) if "depend on its batch" in name]
        assert found
        for name, problem in found:
            assert "TRANSDUCTIVE" in name if declared else "scales its scores over the batch" in str(problem)
