"""The style of the report's pictures, and how one becomes files whose bytes depend on the numbers alone.

Every picture is written as SVG, PNG and PDF. Lines and letters are drawn in one ink, which the page replaces by the
colour of its own text, so that an SVG inside the page can be read on a light and on a dark ground.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

from anomark.report.results import Results
from anomark.report.section import Drawing
from anomark.report.table import number
from anomark.report.tables import protocol

INK = "#1f2328"
# Okabe & Ito's palette, safe for colour-blind readers; its yellow is too pale for lines and is left out.
VERMILLION, BLUE, GREEN, ORANGE, SKY, PURPLE = "#d55e00", "#0072b2", "#009e73", "#e69f00", "#56b4e9", "#cc79a7"
GREY = "#8a8f96"
#: Colours of lines that stand for datasets, or for losses of one method.
LINES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
#: Dashes of a line that stands for no method: a random score, a bound.
DOTTED: Any = {"color": GREY, "linewidth": 0.8, "linestyle": (0, (2, 3))}
DASHED = (0, (4, 2))

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "text.parse_math": False,  # a name may hold dollars
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # TrueType: publishers refuse matplotlib's own Type 3
    "figure.dpi": 100,
}


@dataclass(frozen=True)
class Picture:
    """One drawing on disk: `path` is that of its SVG file, beside which it lies as PNG and PDF."""

    drawing: Drawing
    caption: str
    alt: str
    path: Path


def draw_picture(results: Results, drawing: Drawing, folder: Path) -> Picture:
    """Draw it in the report's style and write its three files into `folder`."""
    with plt.rc_context(STYLE):
        figure, caption, alt = drawing.draw()
        _write_powers(figure)
        if "Level: " not in caption:  # no picture stands without the protocol of its numbers
            caption += f" {protocol(results, [drawing.dataset] if drawing.dataset else [*results.datasets])}"
        path = folder / f"{drawing.name}.svg"
        _save(figure, path)
        plt.close(figure)
    return Picture(drawing, caption, alt, path)


class _Powers(LogFormatterSciNotation):
    """Ticks of a logarithmic axis as 2×10⁻¹ instead of a formula."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = re.sub(r"\$|\\mathdefault|[{} ]", "", super().__call__(x, pos)).replace(r"\times", "×")
        return re.sub(r"\^([-−]?\d+)", lambda power: power[1].translate(_RAISED), text)


_RAISED = str.maketrans("0123456789-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")


def _write_powers(figure: Figure) -> None:
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if type(axis.get_major_formatter()) is LogFormatterSciNotation:
            axis.set_major_formatter(_Powers())
        if type(minor := axis.get_minor_formatter()) is LogFormatterSciNotation:
            axis.set_minor_formatter(_Powers(labelOnlyBase=minor.labelOnlyBase))


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Name the rows of a picture, from the top; its left edge needs no line."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)


def name_time(axes: Axes, times: Any) -> None:
    """Say what the x axis of a series is: its own times (T,) where they are known, else steps of the test part."""
    if times is None:
        axes.set_xlabel("test step")
        return
    if times.dtype.kind == "M":
        locator = AutoDateLocator(minticks=3, maxticks=8)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_xlabel("time")


def scale_auroc(axes: Axes, ticks: int = 9) -> None:
    """At most `ticks` ticks on the x axis, at steps that the printed digits can tell apart."""
    low, high = axes.get_xlim()
    digits = 2 if high - low > 0.04 else 3
    axes.xaxis.set_major_locator(plt.MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: number(value, digits))


def bare(axes: Axes, title: str) -> None:
    """A panel without a scale of values, under a small title."""
    axes.set_title(title, fontsize=8, pad=2)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def freeze(figure: Figure) -> None:
    """Lay the panels out once and round their places: the layout solver's last bits differ from run to run."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position([round(side, 5) for side in axes.get_position(original=True).bounds])  # type: ignore[arg-type]


def _save(figure: Figure, path: Path) -> None:
    freeze(figure)
    # Each picture has a salt of its own: several SVGs share a page, and their clip paths must not share names.
    with plt.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, metadata={"Date": None, "Creator": None}, transparent=True)
    figure.savefig(path.with_suffix(".png"), metadata={"Software": None}, dpi=160, facecolor="white")
    figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None, "Creator": None, "Producer": None})
    # Names of groups ("axes_1") would repeat on the page, and nothing refers to them. Paths need no trailing blanks.
    names = r' id="(?:figure|axes|patch|text|line2d|xtick|ytick|legend|matplotlib\.axis|[A-Z]\w+)_\d+"| id="image\w+"'
    path.write_text(re.sub(r"[ ]+$", "", re.sub(names, "", path.read_text()), flags=re.MULTILINE))
