"""Scores of normal samples that a model was not fitted on, and what they say of new scores.

They are made once for each stored model, and kept beside it.

A method that holds samples out by itself (`USES_VALID`) has scored them. Any other is fitted on all normal samples, so
none is left. It is then fitted once more, with the same seed and parameters, on the samples outside of the held-out
part, and scores that part. The stored model has seen more normal samples than this one, and so finds new ones more
usual. Its probabilities are too high rather than too low, and there are fewer false alarms than asked for.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anomark import seals
from anomark.contracts import AnomarkError, Array
from anomark.evaluation.merge import merge_windows
from anomark.files import replacing
from anomark.records import Meta
from anomark.runtime import fit_score
from anomark.runtime.locks import making
from anomark.statistics.false_alarms import conformal_threshold, tail_probabilities
from anomark.use.stored import Stored

#: Samples that are scored at once.
BATCH = 64
#: Shares of the values of held-out anomaly maps that their colours are set by: as good as all of them, and all.
LEVELS = (0.99, 1.0)


@dataclass(frozen=True)
class Calibration:
    """Scores of held-out normal samples.

    scores
        float64 (M,): of samples, or of the steps of a series.
    independent
        How many of them don't depend on each other: M, the recordings that they are of, or the windows of a series that
        fit beside each other.
    levels
        (2,) values that 99% and all of the held-out anomaly maps lie below; None of a method without maps.
    fitted_without
        Whether another fit than the stored one gave the scores, because that one has seen all normal samples.
    """

    scores: Array
    independent: int
    levels: Array | None
    fitted_without: bool

    def probabilities(self, scores: Array) -> Array | None:
        """Tail probabilities (N,) of new scores (N,); None where no sample was held out."""
        return tail_probabilities(scores, self.scores) if len(self.scores) else None

    def threshold(self, rate: float) -> float | None:
        """The score from which on a sample is called anomalous, or None where so few samples tell no such rate."""
        threshold = conformal_threshold(self.scores, rate)
        return None if np.isnan(threshold) else threshold

    def notes(self, rate: float, meta: Meta) -> list[str]:
        """What a reader must know before trusting the decisions at a rate of false alarms, in sentences."""
        count, noun = len(self.scores), f"{meta.level}s"
        if not count:
            return [f"No normal {noun} were held out, so there are scores alone, without probabilities and decisions."]
        notes = []
        least = 1 / (count + 1)
        if self.threshold(rate) is None:
            notes.append(
                f"Nothing is decided: {count} held-out normal {noun} tell no rate of false alarms below {least:.2%}, "
                f"and {rate:.2%} was asked for. Ask for {np.ceil(least * 100) / 100:g} or more, or train on more data."
            )
        if self.independent < count:
            why, units = (
                (f"neighbouring {noun} of a series depend on each other, and the series may drift", "windows apart")
                if meta.window
                else (f"{noun} of one recording are alike, and other recordings may differ more", "recordings")
            )
            few = (self.independent + 1) * rate < 1
            notes.append(
                f"The rate of false alarms is no promise, since {why}. The {count} held-out {noun} are worth "
                f"{self.independent} {units}"
                + (f", and it would take {1 / rate - 1:.0f} of these to tell {rate:.2%}." if few else ".")
            )
        if self.fitted_without:
            notes.append(
                "The stored model has seen all normal samples. A second fit without the held-out ones gave their "
                "scores, so for new samples like these, probabilities are too high rather than too low."
            )
        return notes


def of(stored: Stored, method: Any, device: str) -> Calibration:
    """The calibration of a stored model, which is made if it is not there yet.

    Args:
        method: the model as it is loaded; it scores, where held-out samples were kept from it.

    Raises:
        Damaged: the stored calibration is not what was written.
        AnomarkError: the second fit or its scores failed.
    """
    path = stored.calibration
    if stored.data is None:
        return _load(path)
    with making(path, f"the calibration of {stored.name}"):
        if not (path.exists() and seals.beside(path).exists()):
            made = _make(stored, stored.data, method, device)
            with replacing(path) as partial, partial.open("wb") as stream:
                save(made, stream)
            seals.seal(path)
    return _load(path)


def save(calibration: Calibration, stream: Any) -> None:
    """Write it as npz."""
    np.savez(
        stream,
        scores=calibration.scores,
        independent=np.array(calibration.independent),
        fitted_without=np.array(calibration.fitted_without),
        levels=np.empty(0) if calibration.levels is None else calibration.levels,
    )


def _load(path: Path) -> Calibration:
    with np.load(io.BytesIO(seals.read(path))) as found:
        levels = found["levels"] if len(found["levels"]) else None
        return Calibration(found["scores"], int(found["independent"]), levels, bool(found["fitted_without"]))


def _make(stored: Stored, data: Path, method: Any, device: str) -> Calibration:
    from anomark.detectors.adapter import adapt
    from anomark.suite.registry import find_method, load_method

    record, meta, parts = stored.record, stored.meta, stored.record.parts
    if not meta.valid:
        return Calibration(np.empty(0), 0, None, False)
    seals.verify(data / "train.npy")
    cls = load_method(record.base)
    X, X_valid = fit_score.training_data(data, meta, True, parts.resolution, exact=adapt(cls) is not cls)
    spec = fit_score.spec_of(meta, parts.resolution)
    if not parts.uses_valid:
        features = str(stored.features) if stored.features else None
        took = record.cost.fit_seconds
        print(
            f"anomark: {stored.name} is fitted once more without held-out samples, which tell how normal ones score"
            + (f"; the first fit took {took:.0f} s" if took else ""),
            file=sys.stderr,
        )
        method = fit_score.build(cls, spec, fit_score.seed_of_cell(record), device, parts.params, features)
        method.fit(X, None)
    single = find_method(record.method).transductive
    scored = [fit_score.score(method, block, spec) for block in batches(X_valid, single)]
    scores = np.concatenate([scores for scores, _ in scored]).astype(np.float64)
    maps = np.concatenate([maps.ravel() for _, maps in scored if maps is not None] or [np.empty(0)])
    independent = meta.valid_groups or len(scores)
    if meta.window and meta.train_starts:
        starts = np.asarray(meta.train_starts)[np.asarray(meta.valid)]
        merged = merge_windows(scores, starts - starts.min(), meta.window, int(np.ptp(starts)) + meta.window)
        scores = merged[np.isfinite(merged)]
        independent = len(scores) // meta.window
    return Calibration(
        scores, independent, np.quantile(maps, LEVELS) if len(maps) else None, fitted_without=not parts.uses_valid
    )


def batches(X: Any, single: bool) -> Iterator[Any]:
    """Samples, a few at a time, or one by one for a method whose scores depend on the samples beside."""
    step = 1 if single else BATCH
    for start in range(0, len(X), step):
        yield X[start : start + step]


def check_rate(rate: float) -> float:
    """The rate of false alarms.

    Raises:
        AnomarkError: it is not between 0 and 1.
    """
    if not 0 < rate < 1:
        raise AnomarkError(f"the rate of false alarms is {rate:g}, expected a share between 0 and 1, such as 0.05")
    return rate
