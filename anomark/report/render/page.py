"""The report as one self-contained HTML file: no request leaves it, on a phone, on paper or in a mail."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from markupsafe import Markup

from anomark.modality import load
from anomark.report.render.draw import INK, Picture
from anomark.report.render.html import templates, to_html
from anomark.report.render.interactive import bokeh_js
from anomark.report.results import Results
from anomark.report.section import Drawing, Section

#: A table with more rows than this shows its first ones, and all of them on demand.
LONG, FIRST = 14, 10
#: Pixels of the page to a point of a picture.
PIXELS = 1.4


def write_page(results: Results, sections: Sequence[Section], pictures: dict[str, Picture], path: Path) -> None:
    """Write index.html. Equal input gives equal bytes: the date is the run's, not the clock's.

    Args:
        results: what the sections were built from.
        sections: in the order of the page.
        pictures: what every Drawing of the sections became, by its name.
        path: where to write.
    """
    drawings = [part for section in sections for part in section.parts if isinstance(part, Drawing)]
    plots = {drawing.name: Markup(drawing.live()) for drawing in drawings if drawing.live is not None}
    # Neighbours of one group share a heading; a section without a group stands alone.
    groups = groupby(enumerate(sections), key=lambda numbered: numbered[1].group or numbered[0])
    page = templates().get_template("page.html.j2")
    path.write_text(
        page.render(
            results=results,
            chapters=[[section for _, section in members] for _, members in groups],
            labels={modality: load(modality).LABEL for modality in results.modalities},
            pictures=pictures,
            plots=plots,
            bokeh=Markup(bokeh_js()) if plots else "",
            to_html=lambda table: Markup(to_html(table)),
            kind=lambda part: type(part).__name__,
            embed=embed,
            emphasise=emphasise,
            long=LONG,
            first=FIRST,
        )
    )


def emphasise(sentence: str) -> Markup:
    """**bold** -> <strong>bold</strong>, everything else escaped."""
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(Markup.escape(sentence))))


def embed(picture: Picture) -> Markup:
    """The picture as inline SVG or as a PNG data URI, whichever is smaller; the SVG takes the page's ink.

    Neither is drawn larger than so many pixels a point, so that letters have one size in all pictures.
    """
    svg = picture.path.read_text()
    png = base64.b64encode(picture.path.with_suffix(".png").read_bytes()).decode("ascii")
    points = re.search(r'<svg[^>]*?\swidth="([\d.]+)pt"', svg)
    style = f"--widest: {PIXELS * float(points[1]):.0f}px" if points else ""
    if len(svg) > len(png):
        image = Markup('<img src="data:image/png;base64,{}" alt="{}" style="{}">')
        return image.format(Markup(png), picture.alt, style)
    svg = svg[svg.index("<svg") :]  # no XML prologue inside HTML
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    # Every picture brings the same names for its defs; on one page they must differ.
    prefix = re.sub(r"\W", "_", picture.drawing.name)
    svg = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    label = Markup('<svg role="img" aria-label="{}" style="{}" ').format(picture.alt, style)
    return Markup(svg.replace(INK, "currentColor").replace("<svg ", str(label), 1))
