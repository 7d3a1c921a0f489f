"""The contract of a method as executable checks, which the tests run over every method and variant.

A check returns None or raises AssertionError with one sentence. It costs seconds: trained methods take a few steps.
"""

from __future__ import annotations

import atexit
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from anomark import modality, seals
from anomark.checks.files import Finding, findings, load, of_file
from anomark.checks.leaks import check_companies
from anomark.contracts import AnomarkError, Array, Diverged, Spec
from anomark.runtime.fit_score import build, score
from anomark.runtime.isolation import Isolation, isolated, own_caches
from anomark.runtime.store import load_model, save_model
from anomark.suite import registry
from anomark.suite.dropins import ROOT
from anomark.suite_records import runs_once

_QUICK = {"steps": 4, "batch_size": 4, "width": 16, "start": 40, "calls": 4}
_SHORT = 120  # steps after which a trained method must tell far samples from normal ones


def _sample(spec: Spec, rows: int, seed: int, shift: float = 0.0) -> Array:
    """Smooth rows with a shared shape and noise of their own; `shift` moves their level and phase and sets a spike.

    A method may see one of the three alone: a saliency map sees the spike in the middle, and no level.
    """
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 2 * np.pi, int(np.prod(spec.shape[1:]))).reshape(spec.shape[1:])
    rows_ = 0.4 * np.sin(ramp + shift) + 0.1 * rng.standard_normal((rows, *spec.shape)) + shift / 4
    middle: tuple[Any, ...] = (..., *(n // 2 for n in spec.shape[1:]))
    rows_[middle] += shift / 4
    return np.clip(rows_, *(spec.value_range or (-np.inf, np.inf))).astype(np.float32)


class Subject:
    """One method on one small data set: fitted when first asked for, then shared by the checks."""

    def __init__(self, method: registry.Method, cls: type, spec: Spec) -> None:
        self.method, self.cls, self.spec = method, cls, spec
        self.params = method.defaults | {k: v for k, v in _QUICK.items() if k in method.defaults} | method.overrides
        for need in method.needs:
            self.params["features"] = _random_features(need)
        self.X, self.X_valid = _sample(self.spec, 24, 1), _sample(self.spec, 6, 2)
        self.X_test = np.concatenate([_sample(self.spec, 6, 3), _sample(self.spec, 6, 4, shift=3.0)])
        self._fitted: Any = None

    @property
    def name(self) -> str:
        return f"{self.method.id} on {self.spec.modality} {'x'.join(map(str, self.spec.shape))}"

    def skips(self) -> str | None:
        """The method's reason not to run on this shape, or None."""
        reason: str | None = getattr(self.cls, "skip", lambda _: None)(self.spec)
        return reason

    def fit(self, seed: int = 0, X: Array | None = None, steps: int | None = None, rows: int | None = None) -> Any:
        """A method fitted on the small data set, after `steps` gradient steps where it takes any.

        With `rows`, on as many training rows and held-out rows at most.
        """
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)
        method = build(
            self.cls,
            self.spec,
            seed,
            "cpu",
            self.params | ({"steps": steps} if steps and "steps" in self.params else {}),
        )
        method.fit((self.X if X is None else X)[:rows], self.X_valid[:rows] if self.method.uses_valid else None)
        return method

    @property
    def fitted(self) -> Any:
        if self._fitted is None:
            self._fitted = self.fit()
        return self._fitted

    def scores(self, method: Any = None, X: Array | None = None) -> Array:
        return score(method or self.fitted, self.X_test if X is None else X, self.spec)[0]


@cache
def _random_features(need: str) -> str:
    """Weights of a frozen network as it is drawn, for methods that need one; they live as long as the process."""
    from anomark.stages.features import write_features

    folder = tempfile.mkdtemp(prefix="anomark-check-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    drawn = {"features": "random", "audio_features": "yamnet_random"}[need]
    write_features(drawn, None, path := Path(folder) / f"{drawn}.safetensors")
    return str(path)


def scores_have_the_right_shape(s: Subject) -> None:
    """One finite float per sample, maps no finer than the sample; the stage's own check raises otherwise."""
    scores, maps = score(s.fitted, s.X_test, s.spec)
    assert scores.shape == (len(s.X_test),)
    assert maps is None or len(maps) == len(s.X_test)


def same_seed_gives_the_same_bits(s: Subject) -> None:
    """Fitting twice with one seed gives byte-identical scores."""
    assert np.array_equal(s.scores(), s.scores(s.fit())), "two fits with the same seed score differently"


def seeds_differ_unless_declared(s: Subject) -> None:
    """Another seed gives other scores, unless the file says DETERMINISTIC; then it must not."""
    same = np.array_equal(s.scores(), s.scores(s.fit(seed=1)))
    if runs_once(s.method.deterministic, s.spec.modality):
        assert same, "it is declared DETERMINISTIC, but two seeds score differently"
    else:
        assert not same, "two seeds score alike: use the seed, or declare DETERMINISTIC = True"


def a_score_does_not_depend_on_its_batch(s: Subject) -> str:
    """A sample alone, in a half, among doubled mates and in another order gets the same score and map.

    What is declared TRANSDUCTIVE is excepted, and marked.
    """
    if s.method.transductive:
        return "not tried, as it is declared TRANSDUCTIVE"
    return check_companies(lambda X: score(s.fitted, X, s.spec), s.X_test)


def a_stored_model_scores_the_same(s: Subject) -> None:
    """What was saved and loaded again scores byte-identically (or the record says `refit`)."""
    # Each is stored after one scoring, as a cell does it: a tree of neighbours counts the questions it was asked.
    first, second = s.fit(), s.fit()
    scores, _ = s.scores(first), s.scores(second)
    with tempfile.TemporaryDirectory() as folder:
        stored, _ = save_model(first, Path(folder), s.X_test[:4])
        if stored.file is None:
            return
        path = Path(folder) / stored.file
        seals.seal(Path(folder))
        copy = load_model(s.cls, s.spec, 0, "cpu", s.params, path)
        assert np.array_equal(scores, s.scores(copy)), f"the model loaded from {stored.file} scores differently"
        before = path.read_bytes()
        save_model(second, Path(folder), s.X_test[:4])
        assert path.read_bytes() == before, "two fits with the same seed store different bytes"


def higher_is_more_anomalous(s: Subject) -> None:
    """After a short training, samples far from the normal ones score higher on average (controls excepted)."""
    if s.method.control:
        return
    scores = s.scores(s.fit(steps=_SHORT))
    assert scores[6:].mean() > scores[:6].mean(), "samples far from normal score lower than normal ones"


def constant_channels_are_legal(s: Subject) -> None:
    """A constant channel occurs in real telemetry, a constant stretch in any window; scores stay finite."""
    constant = s.X.copy()
    if s.spec.shape[0] > 1:
        constant[:, -1] = 0.5
    else:
        constant[..., s.spec.shape[-1] // 2 :] = 0.5
    try:
        s.scores(s.fit(X=constant))
    except Diverged:
        if hasattr(s.cls, "load_state_dict"):  # a foreign class is taken as it comes; its cell will say `diverged`
            raise


def a_single_row_is_fitted_or_refused(s: Subject) -> None:
    """With one or two training rows it works, or raises an AnomarkError that says in one line why it can't."""
    for rows in (1, 2):
        try:
            s.scores(s.fit(rows=rows))
        except AnomarkError as refusal:
            assert str(refusal).strip() and "\n" not in str(refusal), f"it refuses {rows} rows without one clear line"


class _Killed(BaseException):
    """Stands for a process that is stopped in the middle of a fit."""


def an_interrupted_fit_ends_in_the_same_bits(s: Subject) -> None:
    """A fit that is stopped time and again, and resumed from its checkpoints, scores as one that runs through.

    Methods that don't train by `train_steps` have no checkpoints.
    """
    training = sys.modules.get("anomark.detectors.training")
    if training is None:
        return
    minimise, calls, allowed = training.Step.minimise, 0, math.inf

    def counted(*args: Any, **kwargs: Any) -> None:
        nonlocal calls
        if calls >= allowed:
            raise _Killed
        calls += 1
        minimise(*args, **kwargs)

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(training.Step, "minimise", counted):
        whole, total = s.scores(s.fit()), calls
        if not total:
            return
        with mock.patch.object(training, "CHECKPOINT_EVERY", -1.0), training.checkpoints(Path(folder)):
            allowed = max(1, total // 4)  # as many gradient steps are left to each attempt
            for _ in range(total):
                calls = 0
                try:
                    resumed = s.scores(s.fit())
                    break
                except _Killed:
                    continue
            else:
                raise AssertionError("a fit that is resumed begins anew: pass `state` to train_steps")
    assert np.array_equal(whole, resumed), (
        "a fit that is resumed scores differently: `state` of train_steps must hold all that the loop changes"
    )


def a_short_fit_is_the_beginning_of_a_long_one(s: Subject) -> None:
    """A fit of a few steps scores as a longer one does that is stopped there: nothing depends on the steps to come."""
    training = sys.modules.get("anomark.detectors.training")
    if training is None or not s.params.get("steps"):
        return
    with tempfile.TemporaryDirectory() as folder:
        with training.milestones(Path(folder), 2):
            s.fit()
        for state in Path(folder).iterdir():
            with training.checkpoints(state):
                begun = s.scores(s.fit(steps=int(state.name)))
            assert np.array_equal(begun, s.scores(s.fit(steps=int(state.name)))), (
                f"after {state.name} steps of {s.params['steps']} it scores otherwise than with a budget of "
                f"{state.name}: let no learning rate and no weight depend on the number of steps"
            )


def inputs_are_left_alone(s: Subject) -> None:
    """fit and score don't write to the arrays they are given."""
    before = s.X.copy(), s.X_test.copy()
    s.scores(s.fit())
    assert np.array_equal(before[0], s.X) and np.array_equal(before[1], s.X_test), "it changes its input in place"


def it_keeps_to_what_is_its_own(s: Subject) -> None:
    """fit and score open no results, write nowhere but to temporary files, reach no network and start no program."""
    tried: list[str] = []
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, own_caches(Path(folder))):
        private = [ROOT / name for name in ("results", "reports", "datasets")]
        own = filter(None, [s.params.get("features")])
        with mock.patch.object(tempfile, "tempdir", folder), isolated(Isolation(private, own, [folder], tried.append)):
            s.scores(s.fit())
    assert not tried, tried[0]


CHECKS: tuple[Callable[[Subject], object], ...] = (
    scores_have_the_right_shape,
    same_seed_gives_the_same_bits,
    seeds_differ_unless_declared,
    a_score_does_not_depend_on_its_batch,
    a_stored_model_scores_the_same,
    higher_is_more_anomalous,
    constant_channels_are_legal,
    a_single_row_is_fitted_or_refused,
    an_interrupted_fit_ends_in_the_same_bits,
    a_short_fit_is_the_beginning_of_a_long_one,
    inputs_are_left_alone,
    it_keeps_to_what_is_its_own,
)


def _read(path: Path) -> tuple[list[registry.Method], type]:
    return registry.read_method(path), load(path, "methods").Method


def _checks(read: tuple[list[registry.Method], type]) -> Iterator[Finding]:
    """Run every check on every variant and every shape of sample that it takes."""
    methods, cls = read
    for method in methods:
        for spec in (Spec(m, *sample) for m in method.modalities for sample in modality.load(m).SAMPLES):
            subject = Subject(method, cls, spec)
            if reason := subject.skips():
                yield f"{subject.name}: skipped, {reason}", None
            else:
                yield from findings(CHECKS, subject, f"{subject.name}: ")


check = partial(of_file, _read, _checks)
