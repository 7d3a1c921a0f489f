"""Reads what a file of `metrics/` says of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from anomark import modality
from anomark.contracts import AnomarkError, Array, nearest
from anomark.statistics.context import PIXEL, Context
from anomark.suite.literals import binds, check_id, check_label, first_sentence, parse, read_literals
from anomark.suite_records import MetricInfo

METRIC_LITERALS: dict[str, type] = {
    **dict.fromkeys(("NAME", "LABEL", "SOURCE", "NOTE"), str),
    **dict.fromkeys(("LEVELS", "RANGE", "NEEDS"), tuple),
    **dict.fromkeys(("HIGHER_IS_BETTER", "FLATTERING"), bool),
    "OUTPUTS": dict,
}
#: What a file may say of one of its OUTPUTS, where that differs from what it says of all.
OUTPUT_LITERALS = {k: METRIC_LITERALS[k] for k in ("LABEL", "RANGE", "HIGHER_IS_BETTER", "NEEDS", "FLATTERING")}
#: What every file has to say, and an example.
REQUIRED = {"RANGE": "(0.0, 1.0), or (0.0, None) without an upper bound", "HIGHER_IS_BETTER": "True"}
#: The function `compute` of a metric's file: labels, scores, context -> the number, or its OUTPUTS by id.
Compute = Callable[[Array, Array, Context], float | dict[str, float]]


def read_metric(path: Path) -> list[MetricInfo]:
    """The metric of one file, whose id is the file's name, or one metric for each of its OUTPUTS.

    Raises:
        AnomarkError: a literal is missing or malformed, or nothing is called `compute`.
    """
    meta = read_literals(path, METRIC_LITERALS)
    tree = parse(path)
    if not binds(tree, "compute"):
        raise AnomarkError(f"{path}: it defines no function compute(labels, scores, context) -> float or dict")
    outputs = meta.pop("OUTPUTS", {path.stem: {}})
    found = []
    for output, own in outputs.items():
        if not isinstance(own, dict) or not all(isinstance(own[k], OUTPUT_LITERALS.get(k, ())) for k in own):
            expected = ", ".join(f"{name} ({kind.__name__})" for name, kind in OUTPUT_LITERALS.items())
            raise AnomarkError(f"{path}: OUTPUTS[{output!r}] is {own!r}, expected a dict of {expected}")
        check_id(path, "a metric", output)
        check_label(path, own.get("LABEL", ""))
        says = meta | own
        for literal, example in REQUIRED.items():
            if literal not in says:
                raise AnomarkError(f"{path}: it does not say its {literal}; add a line such as {literal} = {example}")
        _check_names(path, "LEVELS", says.get("LEVELS", ()), (*modality.levels(), PIXEL))
        _check_names(path, "NEEDS", says.get("NEEDS", ()), [f.name for f in fields(Context) if f.name != "level"])
        if PIXEL in says.get("LEVELS", ()) and len(says["LEVELS"]) > 1:
            raise AnomarkError(
                f"{path}: LEVELS names {PIXEL!r} beside other levels, expected it alone: there labels are masks and "
                "scores are maps, so give the pixels a file of their own"
            )
        _check_range(path, says["RANGE"])
        label = says.get("LABEL", says.get("NAME", output))
        says = {"NAME": label} | says | {"LABEL": label if len(outputs) == 1 or "LABEL" in own else f"{label} {output}"}
        known = {"id": output, "base": path.stem, "what": first_sentence(tree)}
        found.append(MetricInfo(**known, **{name.lower(): value for name, value in says.items()}))
    return found


def _check_names(path: Path, literal: str, names: tuple[Any, ...], known: Sequence[str]) -> None:
    if unknown := [name for name in names if name not in known]:
        raise AnomarkError(f"{path}: {literal} names {unknown[0]!r}; {nearest(str(unknown[0]), known)}")


def _check_range(path: Path, bounds: tuple[Any, ...]) -> None:
    known = [bound for bound in bounds if bound is not None]
    numbers = all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in known)
    if len(bounds) != 2 or not numbers or (len(known) == 2 and known[0] >= known[1]):
        raise AnomarkError(
            f"{path}: RANGE is {bounds!r}, expected (lowest, highest) value, with None where there is no bound"
        )
