"""Which methods a picture has room for, and the colour of each."""

from __future__ import annotations

from anomark.report.render.draw import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILLION
from anomark.report.results import ORACLE, Results

#: A highlighted method keeps its colour in every picture; a picture's other methods share the colours that are left.
COLOURS = (VERMILLION, BLUE, GREEN, ORANGE, SKY, PURPLE, INK)
#: How many bars, curves, maps and tracks one picture holds before it stops being readable.
MAX_BARS, MAX_CURVES, MAX_MAPS, MAX_TRACKS = 14, 7, 6, 5


def shown(results: Results, dataset: str, available: list[str], limit: int) -> list[str]:
    """At most `limit` >= 3 methods: the featured ones in their order, the best of the others, the best of the controls.

    Where there is no room for all, one other method and one control keep theirs; of the featured ones the first two
    that the suite highlights stay, then the best. Variants come last.
    """

    def quality(method: str) -> float:
        mean = results.score(dataset, method).mean
        return -1.0 if mean is None else mean

    featured = [m for m in results.featured(results.summaries[dataset].modality) if m in available]
    rest = sorted((m for m in available if m not in featured and m in results.methods), key=quality, reverse=True)
    others = [m for m in rest if not results.methods[m].is_control]
    others.sort(key=lambda m: results.methods[m].is_variant)
    controls = [m for m in rest if results.methods[m].is_control and m != ORACLE]
    keep = sorted(featured, key=lambda m: (m not in results.suite.highlight[:2], -quality(m)))
    keep = keep[: limit - bool(others) - bool(controls)]
    chosen = ([m for m in featured if m in keep] + others)[: limit - bool(controls)]
    return (chosen + controls)[:limit]


def colours(results: Results, methods: list[str]) -> dict[str, str]:
    """Method -> colour; controls are grey."""
    taken = dict(zip(results.suite.highlight, COLOURS, strict=False))
    spare = [colour for colour in COLOURS if colour not in {taken.get(m) for m in methods}]
    for method in methods:
        if method not in taken:
            taken[method] = GREY if results.methods[method].is_control or not spare else spare.pop(0)
    return {method: taken[method] for method in methods}


def accent(results: Results, method: str) -> str:
    """The colour of a method where three kinds are told apart: the first highlighted one, other methods, controls."""
    if results.methods[method].is_control:
        return GREY
    return VERMILLION if method in results.suite.highlight[:1] else BLUE
