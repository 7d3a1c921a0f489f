"""A fitted model that scores new samples: what `anomark.load` gives."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomark.contracts import AnomarkError, Array, DataError, Spec
from anomark.evaluation.merge import merge_windows
from anomark.runtime import fit_score, store
from anomark.suite.registry import find_method, load_method
from anomark.use import calibration as calibrations
from anomark.use.calibration import Calibration, batches, check_rate
from anomark.use.stored import Stored, find


@dataclass(frozen=True)
class Scores:
    """What a model says of N samples, or of the N steps of series.

    scores
        float32 (N,), of a series float64; the higher, the more anomalous.
    probabilities
        float64 (N,) in (0, 1]: how probable it is that a normal sample scores as high or higher. None where no normal
        sample was held out to tell.
    decisions
        bool (N,), True where the probability is at most the rate of false alarms that was asked for. None where the
        held-out normal samples are too few to tell that rate.
    maps
        float32 (N, h, w) of images or (N, L) of windows and clips, where the anomaly is; None where the method has no
        maps, and of series.
    files, rows
        The file of each sample, and its place in that file, counted from 0; None where the samples came as an array.
    notes
        What to know before trusting the decisions, in sentences.
    """

    scores: NDArray[Any]
    probabilities: NDArray[np.float64] | None
    decisions: NDArray[np.bool_] | None
    maps: NDArray[np.float32] | None
    files: list[Path] | None = None
    rows: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()


class Model:
    """A fitted model with its calibration. Methods of this class leave files and results as they are.

    Args:
        name: `<method>@<dataset>`, the folder of a cell, or one that `anomark export` wrote.
        results: the folder of the results, in which a name is looked up.
    """

    def __init__(self, name: str | Path, results: str | Path = "results") -> None:
        self.stored: Stored = find(name, Path(results))
        record = self.stored.record
        self.name = self.stored.name
        self._method_class = load_method(record.base)
        self._single = find_method(record.method).transductive
        self.method_spec = fit_score.spec_of(self.stored.meta, record.parts.resolution)
        self.device = _device(record.parts.device)
        fit_score.pin(record.parts.threads)

    @property
    def spec(self) -> Spec:
        """Modality, shape and value range of prepared samples; `method_spec` is of those that the method takes."""
        return fit_score.spec_of(self.stored.meta)

    @cached_property
    def method(self) -> Any:
        """The fitted method itself, as `anomark.contracts.Detector` describes it."""
        stored, parts, cls = self.stored, self.stored.record.parts, self._method_class
        features = str(stored.features) if stored.features else None
        seed, model = fit_score.seed_of_cell(stored.record), stored.record.model
        if model and model.file:
            path = stored.folder / model.file
            return store.load_model(cls, self.method_spec, seed, self.device, parts.params, path, features)
        if stored.data is None:
            raise AnomarkError(f"{stored.folder}: the model itself is not in it; export it anew")
        X, X_valid = fit_score.training_data(
            stored.data, stored.meta, parts.uses_valid, parts.resolution, exact=self.exact
        )
        method = fit_score.build(cls, self.method_spec, seed, self.device, parts.params, features)
        method.fit(X, X_valid)
        return method

    @property
    def exact(self) -> bool:
        """Whether rows of a table keep 64 bits, as classes of other libraries get them."""
        from anomark.detectors.adapter import adapt

        return adapt(self._method_class) is not self._method_class

    @cached_property
    def calibration(self) -> Calibration:
        """Scores of held-out normal samples; the first use of a stored model may fit it once more to make them."""
        return calibrations.of(self.stored, self.method, self.device)

    def score(self, X: Array | str | Path | Sequence[str | Path], false_alarms: float = 0.05) -> Scores:
        """Score new samples.

        Args:
            X: files and folders of samples, which are prepared as the dataset's own files were; or an array. An array
                holds images (N, C, H, W) in the dataset's value range, windows or clips (N, C, L), or, in the units of
                the files, rows of a table (N, D) or one series (T, C).
            false_alarms: share of normal samples, between 0 and 1, that may be called anomalous.

        Raises:
            AnomarkError: the samples are of another shape or kind than those that the model was fitted on, or can't be
                read.
        """
        check_rate(false_alarms)
        found = list(self._blocks(X))
        scores = np.concatenate([block.scores for block in found])
        maps = [block.maps for block in found if block.maps is not None]
        named = not isinstance(X, np.ndarray)
        return Scores(
            scores,
            self.calibration.probabilities(scores),
            self.decide(scores, false_alarms),
            np.concatenate(maps) if maps else None,
            [path for block in found for path in block.files] if named else None,
            np.concatenate([block.rows for block in found]) if named else None,
            tuple(self.calibration.notes(false_alarms, self.stored.meta)),
        )

    def decide(self, scores: Array, false_alarms: float) -> NDArray[np.bool_] | None:
        """Which scores (N,) are called anomalous, or None where that rate can't be told."""
        threshold = self.calibration.threshold(false_alarms)
        return None if threshold is None else np.asarray(np.asarray(scores, np.float64) >= threshold)

    def _blocks(self, X: Array | str | Path | Sequence[str | Path]) -> Iterator[Any]:
        from anomark.use import samples

        if isinstance(X, np.ndarray):
            yield from map(self.score_block, samples.of_array(X, self.stored.meta, self.name))
        else:
            for block in samples.read(samples.files(X, self.stored.meta), self.stored.meta, self.name):
                yield self.score_block(block)

    def score_block(self, block: Any) -> Any:
        """Score samples of one block, as `anomark.use.samples` reads them."""
        if self.stored.meta.window:
            scores, maps = self._score_series(block.samples), None
        else:
            scores, maps = self._score(self._reduced(block.samples))
        return block.scored(scores, maps)

    def _reduced(self, samples: Array) -> Array:
        from anomark.data.images import reduce_images

        samples = reduce_images(samples, self.stored.record.parts.resolution)
        return samples if self.exact else samples.astype(np.float32, copy=False)

    def _score(self, X: Any) -> tuple[Array, Array | None]:
        done = [fit_score.score(self.method, part, self.method_spec) for part in batches(X, self._single)]
        maps = [maps for _, maps in done if maps is not None]
        return np.concatenate([scores for scores, _ in done]), np.concatenate(maps) if maps else None

    def _score_series(self, series: Array) -> Array:
        """Score of each step of a prepared series (T, C): the mean of the windows that cover it."""
        from anomark.data.windows import Windows, window_starts

        meta = self.stored.meta
        assert meta.window and meta.stride
        starts = window_starts(len(series), meta.window, meta.stride)
        windows = Windows(series, starts, meta.window)
        scores = np.concatenate([self._score(part)[0] for part in batches(windows, self._single)])
        return merge_windows(scores, starts, meta.window, len(series))


def _device(wanted: str) -> str:
    """The device that a model was fitted on, or "cpu" where this machine has no such one."""
    if wanted == "cpu":
        return wanted
    import torch

    return wanted if torch.cuda.is_available() else "cpu"


def load(model: str | os.PathLike[str], results: str | os.PathLike[str] = "results") -> Model:
    """A stored or an exported model, as `Model` describes it.

    Raises:
        AnomarkError: there is no such model, or its method is not the installed one.
        DataError: one of its files is damaged.
    """
    try:
        return Model(Path(model) if Path(model).is_dir() else str(model), Path(results))
    except OSError as error:
        raise DataError(
            f"{error.filename or model}: it can't be read ({error.strerror}); mend its permissions"
        ) from None
