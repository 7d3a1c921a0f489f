"""Reads what a file of `metrics/` says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from anomark import modality
from anomark.contracts import AnomarkError, Array, nearest
from anomark.statistics.context import PIXEL, Context
from anomark.suite.literals import binds, first_sentence, parse, read_literals
from anomark.suite_records import MetricInfo

METRIC_LITERALS = {
    "NAME": str,
    "LABEL": str,
    "LEVELS": tuple,
    "RANGE": tuple,
    "HIGHER_IS_BETTER": bool,
    "SOURCE": str,
    "NEEDS": tuple,
    "NOTE": str,
    "FLATTERING": bool,
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
    outputs = meta.get("OUTPUTS", {path.stem: {}})
    found = []
    for output, own in outputs.items():
        if not isinstance(own, dict) or not all(isinstance(own[k], OUTPUT_LITERALS.get(k, ())) for k in own):
            expected = ", ".join(f"{name} ({kind.__name__})" for name, kind in OUTPUT_LITERALS.items())
            raise AnomarkError(f"{path}: OUTPUTS[{output!r}] is {own!r}, expected a dict of {expected}")
        says = meta | own
        for literal, example in REQUIRED.items():
            if literal not in says:
                raise AnomarkError(f"{path}: it does not say its {literal}; add a line such as {literal} = {example}")
        label = says.get("LABEL", says.get("NAME", output))
        found.append(
            MetricInfo(
                id=output,
                base=path.stem,
                name=meta.get("NAME", label),
                label=label if len(outputs) == 1 or "LABEL" in own else f"{label} {output}",
                what=first_sentence(tree),
                levels=_levels(path, says.get("LEVELS", ())),
                range=_range(path, says["RANGE"]),
                higher_is_better=says["HIGHER_IS_BETTER"],
                source=meta.get("SOURCE", ""),
                needs=_needs(path, says.get("NEEDS", ())),
                note=meta.get("NOTE", ""),
                flattering=says.get("FLATTERING", False),
            )
        )
    return found


def _levels(path: Path, levels: tuple[Any, ...]) -> tuple[str, ...]:
    known = (*modality.levels(), PIXEL)
    if unknown := [level for level in levels if level not in known]:
        raise AnomarkError(f"{path}: LEVELS names {unknown[0]!r}; {nearest(str(unknown[0]), known)}")
    if PIXEL in levels and len(levels) > 1:
        raise AnomarkError(
            f"{path}: LEVELS names {PIXEL!r} beside other levels, expected it alone: there labels are masks and "
            "scores are maps, so give the pixels a file of their own"
        )
    return levels


def _range(path: Path, bounds: tuple[Any, ...]) -> tuple[float | None, float | None]:
    known = [bound for bound in bounds if bound is not None]
    numbers = all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in known)
    if len(bounds) != 2 or not numbers or (len(known) == 2 and known[0] >= known[1]):
        raise AnomarkError(
            f"{path}: RANGE is {bounds!r}, expected (lowest, highest) value, with None where there is no bound"
        )
    return bounds[0], bounds[1]


def _needs(path: Path, needs: tuple[Any, ...]) -> tuple[str, ...]:
    known = [field.name for field in fields(Context) if field.name != "level"]
    if unknown := [need for need in needs if need not in known]:
        raise AnomarkError(f"{path}: NEEDS names {unknown[0]!r}; {nearest(str(unknown[0]), known)}")
    return needs
