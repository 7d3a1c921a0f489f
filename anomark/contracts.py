"""What a dataset, a method and a score are: the vocabulary of the house.

Nothing here computes. Datasets and methods import these types; stages pass them on.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: Makes a synthetic anomaly: (normal samples (N, ...), row to change, random generator) -> a changed copy of that row.
Generator = Callable[[Array, int, np.random.Generator], Array]


#: What a line of text may not hold: control characters, those that turn its direction, and halves of characters, which
#: stand in names that are not UTF-8.
UNPRINTABLE = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
#: Characters of a sentence that are shown; what is longer holds a whole file, and its middle is left out.
LONGEST_SENTENCE = 1500


def one_line(text: str, longest: int = LONGEST_SENTENCE) -> str:
    """The text on one line that any terminal, page and file can hold: names and contents of files are quoted in it."""
    line = re.sub(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*", " ", text).strip()
    line = re.sub(f"[{UNPRINTABLE}]", lambda found: found[0].encode("unicode_escape").decode("ascii"), line)
    return line if len(line) <= longest else f"{line[: longest * 2 // 3]} ... {line[-longest // 4 :]}"


class AnomarkError(Exception):
    """A mistake the user can mend: one sentence that says what was found, where, and what to do."""

    def __str__(self) -> str:
        return one_line(super().__str__())


def nearest(name: str, known: Iterable[str]) -> str:
    """Half a sentence for an error: the nearest of the known names, or the first of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(map(str, known[:12]))}"


class DataError(AnomarkError):
    """A dataset's files are missing, broken or unusable under the protocol."""


class Diverged(AnomarkError):
    """Training or scoring produced a non-finite number; the cell's outcome is `diverged`."""


@dataclass(frozen=True)
class Spec:
    """What a method is told about the data it will see; never a label.

    modality
        The id of a file in `anomark/modalities/`.
    shape
        One sample: (C, H, W) for images, (C, L) for windows of series and for audio clips, (D,) for rows of a table.
    value_range
        (low, high) that every value lies in, or None where it is unbounded (standardised series).
    rate
        Samples a second of a clip; None of other data.
    """

    modality: str
    shape: tuple[int, ...]
    value_range: tuple[float, float] | None = None
    rate: int | None = None

    @property
    def planar(self) -> bool:
        """Whether samples are pictures (C, H, W), not signals (C, L)."""
        return len(self.shape) == 3


@dataclass(frozen=True)
class Columns:
    """How rows of a table, or steps of a series, become numbers that methods see, as learnt from the training part.

    names
        Columns of numbers in a file, in order; empty where nobody knows how they are called.
    medians
        (len(names),) what stands in the place of a number that a row of a table lacks; empty where none may be missing.
    kinds
        Columns of words, each with the words that have a column of zeros and ones of their own, in order. None stands
        for all other words together.
    mean, scale
        What is subtracted from each column, and what the difference is divided by; empty where values stay as they are.
    time, label
        Names of the columns of a series that are no variables, where they are not the usual ones.
    longest_gap
        Rows of a series without a value that are filled along a straight line.
    """

    names: tuple[str, ...] = ()
    medians: tuple[float, ...] = ()
    kinds: dict[str, tuple[str | None, ...]] = field(default_factory=dict)
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    time: str = ""
    label: str = ""
    longest_gap: int = 0


@dataclass
class Prepared:
    """One dataset, as `prepare(raw, ...)` of a file in `datasets/` returns it.

    Its modality and level are literals of that file.

    train, test
        float32. Images (N, C, H, W) in [-1, 1]; windows and clips (N, C, L); a series (T, C); rows of a table (N, D).
        Rows may be float64; then methods get float32, and classes of other libraries the rows as they are.
        `train` holds normal data only. Rows are in any order: the prepare stage permutes test rows.
    labels
        uint8, 0 normal, 1 anomalous: one per test row, or one per time step of `test` (level "point"). None where
        nobody knows them: then there are scores and pictures, and no metrics.
    masks
        bool (N, H, W), exact anomaly masks of the test images, or None.
    train_groups, test_groups
        One recording id per row where rows depend on each other (clips of one recording), or None.
        Held-out normals are split by group.
    names
        What the owner calls each test row, such as the file that it was read from, or None.
    times
        Level "point" only: when each step of `test` was, datetime64 or numbers (T,), or None.
    value_range
        (low, high) that every value lies in; None where there are no bounds.
    rate
        Samples a second of audio clips.
    window, stride
        Level "point" only: length and stride, in steps, of the windows cut from the series.
    columns
        Rows of tables and steps of series: how they were made of the owner's columns, so that new ones can be made
        alike. None where values are as the owner gives them.
    choices
        What the owner's data left open and how it was decided, each a short phrase; printed with every number.
    notes
        What a reader must know before trusting the number ("partial: 8 of 22 good test images").
    """

    train: Array
    test: Array
    labels: Array | None
    masks: Array | None = None
    train_groups: Array | None = None
    test_groups: Array | None = None
    names: tuple[str, ...] | None = None
    times: Array | None = None
    window: int | None = None
    stride: int | None = None
    value_range: tuple[float, float] | None = None
    rate: int | None = None
    columns: Columns | None = None
    normal_class: str = ""
    choices: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@runtime_checkable
class Detector(Protocol):
    """What every file in `methods/` provides under the name `Method`.

    A scikit-learn or PyOD class (fit(X), decision_function(X) or score_samples(X)) is accepted as it stands.

    Optional members:
        localize(X): float32 anomaly maps, (N, L), or (N, h, w) with h <= H and w <= W, which are enlarged to the image
            when they are evaluated.
        detect(X): (scores, maps), where both come out of one pass.
        skip(spec): reason or None (static).
        sweep(X, settings): scores X again at other settings of the fitted model. `settings` is the literal SWEEP of the
            method's file. It yields (setting, errors (N, terms)), where a setting is a dict of parameters; the model's
            own setting comes first.
        weight: (terms,), how the method's score adds up the terms that `sweep` gives.
        info: dict of JSON values kept in the cell's record (`network_calls`, a diversity figure, ...).
    """

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None: ...

    def fit(self, X: Any, X_valid: Any) -> Any:
        """Learn from normal samples only, float32 (N, C, H, W), (N, C, L) or (N, D).

        X may be lazy: `len(X)`, `X.shape`, `X[i]`, `X[a:b]`, `X[indices]` and `np.asarray(X)` work and give float32.
        X_valid (held-out normals) is None for methods without USES_VALID, which are fitted on all normals.
        """

    def decision_function(self, X: Any) -> Array:
        """Anomaly scores (N,), higher = more anomalous; a row's score must not depend on the other rows."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that was learnt, as a flat dict of tensors or numpy arrays (stored as safetensors)."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> Any: ...
