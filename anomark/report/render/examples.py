"""Pictures of a dataset's examples: those that its modality names.

A modality names, for each level, drawings of the table below or functions of its own file. Either is called as
`draw(results, dataset, stored)`, where `stored` holds the arrays that `evaluate` stored of the dataset, and returns the
figure, its caption and its text alternative.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from matplotlib.figure import Figure

from anomark import modality
from anomark.contracts import AnomarkError, Array
from anomark.report.render.gallery import gallery
from anomark.report.render.injections import event_examples, kinds, severity_curves
from anomark.report.render.interactive import series_plot
from anomark.report.render.rows import row_examples
from anomark.report.render.scalograms import scalograms
from anomark.report.render.stored import load_examples
from anomark.report.render.tracks import series_tracks, window_examples
from anomark.report.results import Results
from anomark.report.section import Drawing

Draw = Callable[[Results, str, dict[str, Array]], tuple[Figure, str, str]]

DRAWINGS: dict[str, Draw] = {
    "gallery": gallery,
    "series_tracks": series_tracks,
    "window_examples": window_examples,
    "scalograms": scalograms,
    "row_examples": row_examples,
}


def example_drawings(results: Results, dataset: str) -> list[Drawing]:
    """The pictures that the dataset's modality wants; none where `evaluate` stored nothing."""
    stored = load_examples(results, dataset)
    if not stored:
        return []
    summary = results.summaries[dataset]
    spoken = modality.load(summary.modality)
    drawings = []
    for name in spoken.PICTURES.get(summary.level, ()):
        draw: Draw | None = DRAWINGS.get(name) or getattr(spoken, name, None)
        if draw is None:
            raise AnomarkError(
                f"{modality.path_of(summary.modality)}: PICTURES names {name!r}, but the file has no such function and "
                f"the report no such drawing; it has {', '.join(DRAWINGS)}"
            )
        live = partial(series_plot, results, dataset, stored) if draw is series_tracks else None
        drawings.append(Drawing(_stem(dataset, name), partial(draw, results, dataset, stored), dataset, "wide", live))
    if kinds(stored):
        injected: dict[str, Draw] = {"injections": event_examples, "severity": severity_curves}
        drawings += [
            Drawing(_stem(dataset, name), partial(draw, results, dataset, stored), dataset, "wide")
            for name, draw in injected.items()
        ]
    return drawings


def _stem(dataset: str, name: str) -> str:
    return f"{dataset}-{name.replace('_', '-')}"
