"""What a modality says of itself, and where to find it.

A modality is a kind of data that methods are made for: images, time series, audio, tables. Each is one file of
`anomark/modalities/`; its id is the file's name. The rest of the code asks the file and never compares ids, so a new
file there is a new modality. `anomark check anomark/modalities/<id>.py` tests that the file keeps this contract.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

from anomark.contracts import AnomarkError, Generator, Prepared, nearest

FOLDER = Path(__file__).parent / "modalities"

#: One row's shape, the range that its values lie in (None where they are unbounded), and the rate of a clip.
Sample = tuple[tuple[int, ...], tuple[float, float] | None] | tuple[tuple[int, ...], tuple[float, float] | None, int]


class Modality(Protocol):
    """The members that every file of `anomark/modalities/` defines at its top level.

    The file is imported wherever data is named, so it imports nothing heavier than numpy at its top; a function that
    needs more imports it itself. A cell's key covers the file, but for NOUN, LABEL, ORDER, SAMPLES and PICTURES:
    whatever else is edited in it runs every cell of the modality again. So drawing code belongs to
    `anomark/report/render/`.
    """

    #: What the samples are called in a sentence: "images", "time series".
    NOUN: str
    #: Heading of the modality's part of the report: "Images".
    LABEL: str
    #: Place of that part among the others, lowest first.
    ORDER: int
    #: Level (what one label stands for) -> number of axes of the arrays `train` and `test` that `prepare` returns.
    #: The level "point" means that both are one long series (T, C), cut into windows (N, C, L) for methods.
    LEVELS: Mapping[str, int]
    #: Made-up samples on which `anomark check` tries a method. Two shapes or more, small ones: each costs seconds.
    SAMPLES: Sequence[Sample]
    #: Whether samples (C, H, W) may be reduced to the `resolution` of a suite, and anomaly maps may be coarser than the
    #: samples; `evaluate` enlarges such maps.
    RESIZABLE: bool
    #: Scalograms of the samples (C, L): `shortest` L that has one, number of `scales`, and `decimation`, which is
    #: samples to a column. None where samples are not signals.
    SCALOGRAM: Mapping[str, int] | None
    #: Level -> pictures of its examples in the report, in order. Each is the name of one of the `DRAWINGS` of
    #: `anomark/report/render/examples.py`, or of a function of the file itself, which that module says how to call.
    PICTURES: Mapping[str, Sequence[str]]

    @staticmethod
    def check(prepared: Prepared) -> str | None:
        """What a dataset's `prepare` did wrong for this modality, as one sentence, or None.

        What holds for every modality (types, shapes, finite values, labels) was checked before.
        """

    @staticmethod
    def synthetic() -> Sequence[Generator]:
        """Generators of synthetic anomalies, which methods may select their parameters on; () where there are none."""


@cache
def ids() -> tuple[str, ...]:
    """Every modality that has a file, in the order of the report."""
    found = [path.stem for path in FOLDER.glob("*.py") if not path.name.startswith(("_", "."))]
    return tuple(sorted(found, key=lambda name: (load(name).ORDER, name)))


def levels() -> tuple[str, ...]:
    """Every level of every modality, each once."""
    return tuple(dict.fromkeys(level for modality in ids() for level in load(modality).LEVELS))


def path_of(modality: str) -> Path:
    """The file of a modality."""
    return FOLDER / f"{modality}.py"


@cache
def load(modality: str) -> Modality:
    """What the file of a modality says.

    Raises:
        AnomarkError: there is no such file, it is not valid Python, or it lacks a member of `Modality`.
    """
    path = path_of(modality)
    if not path.is_file():
        raise AnomarkError(f"unknown modality {modality!r}; {nearest(modality, ids())} (one file of {FOLDER} each)")
    try:
        module = importlib.import_module(f"anomark.modalities.{modality}")
    except SyntaxError as error:
        raise AnomarkError(f"{path}, line {error.lineno}: not valid Python ({error.msg}); mend or remove it") from None
    return complete(module, path)


def complete(module: ModuleType, path: Path) -> Modality:
    """The module of a modality's file, unless it lacks a member.

    Raises:
        AnomarkError: it does.
    """
    wanted = [*Modality.__annotations__, "check", "synthetic"]
    if missing := [name for name in wanted if not hasattr(module, name)]:
        raise AnomarkError(f"{path}: it does not define {missing[0]}; anomark/modality.py says what it means")
    return cast(Modality, module)
