"""Every method and variant keeps the contract, on every shape it says it takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from anomark import modality
from anomark.checks import methods as check
from anomark.contracts import Spec
from anomark.suite import registry

SPECS = {
    f"{name}-{'x'.join(map(str, sample[0]))}": Spec(name, *sample)
    for name in modality.ids()
    for sample in modality.load(name).SAMPLES
}


@cache
def subject(method: str, shape: str) -> check.Subject:
    """Shared by the checks, so that each method is fitted once a shape."""
    found = registry.methods()[method]
    return check.Subject(found, registry.load_method(found.base), SPECS[shape])


#: Variants are switches of one code: they are tried on one shape a modality, their base on all.
CASES = [
    (method.id, shape)
    for method in registry.methods().values()
    for shape, spec in SPECS.items()
    if spec.modality in method.modalities
    and (method.id == method.base or spec.shape in ((1, 8, 8), (1, 24)) or method.modalities == ("audio",))
]
#: What takes longest tests the training loop, which a variant shares with its base. `anomark check` tries it on all.
OF_THE_BASE = (
    check.higher_is_more_anomalous,
    check.an_interrupted_fit_ends_in_the_same_bits,
    check.a_short_fit_is_the_beginning_of_a_long_one,
)


@pytest.mark.parametrize(
    ("method", "shape", "contract"),
    [
        pytest.param(method, shape, contract, id=f"{method}-{shape}-{contract.__name__}")
        for method, shape in CASES
        for contract in check.CHECKS
        if contract not in OF_THE_BASE or method == registry.methods()[method].base
    ],
)
def test_contract(method: str, shape: str, contract: Callable[[check.Subject], object]) -> None:
    subject_ = subject(method, shape)
    if reason := subject_.skips():
        pytest.skip(reason)
    contract(subject_)


def test_no_method_skips_every_shape() -> None:
    """A skip is for a data set that doesn't fit; a method that skips all of them is never tested."""
    for method in registry.methods().values():
        shapes = [shape for m, shape in CASES if m == method.id]
        assert any(not subject(method.id, shape).skips() for shape in shapes), method.id


def test_a_broken_method_fails_its_checks(tmp_path: object) -> None:
    """The checks themselves can fail: a method that breaks each promise is caught by each."""
    from pathlib import Path

    file = Path(str(tmp_path)) / "broken.py"
    file.write_text(
        """
import numpy as np
MODALITIES = ("series",)
CALLS = [0]
class Method:
    def __init__(self, spec, seed, device): self.train = np.zeros(1)
    def fit(self, X, X_valid=None):
        X += 1; CALLS[0] += 1
        try: open(__file__ + ".seen", "a").close()
        except Exception: pass  # refused or not, it tried
    def decision_function(self, X): return -np.abs(X).mean((1, 2)) / np.abs(X).max() * CALLS[0]
    def state_dict(self): return {"calls": np.array([CALLS[0]])}
    def load_state_dict(self, state): CALLS[0] += 1
"""
    )
    failed = {name.rpartition(": ")[2].replace(" ", "_") for name, problem in check.check(file) if problem}
    assert failed >= {
        "same_seed_gives_the_same_bits",
        "a_score_does_not_depend_on_its_batch",
        "a_stored_model_scores_the_same",
        "higher_is_more_anomalous",
        "inputs_are_left_alone",
        "it_keeps_to_what_is_its_own",
    }
