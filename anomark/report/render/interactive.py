"""Series with hover and zoom: Bokeh's models as JSON and BokehJS, for a page that asks nobody for either.

The page shows them where scripts run; the static figure stays for paper and for readers without scripts.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from bokeh.embed import json_item
from bokeh.layouts import gridplot
from bokeh.models import BoxZoomTool, ColumnDataSource, HoverTool, PanTool, Range1d, ResetTool, WheelZoomTool
from bokeh.plotting import figure

from anomark.contracts import Array
from anomark.report.render.draw import INK, ORANGE
from anomark.report.render.stored import decimate, having, marks, runs, score_label
from anomark.report.results import Results
from anomark.report.shown import MAX_TRACKS, colours, shown

#: A track holds at most this many points, each second one the lowest or the highest of its stretch.
MAX_POINTS = 4000


def bokeh_js() -> str:
    """The library without its widgets, tables and WebGL."""
    return (files("bokeh") / "server/static/js/bokeh.min.js").read_text(encoding="utf-8")


def series_plot(results: Results, dataset: str, stored: dict[str, Array]) -> str:
    """The test series above the scores of some methods, one x axis for all, as JSON for `Bokeh.embed.embed_item`.

    Equal input gives equal bytes; no text in it ends a <script>.
    """
    series, times = stored["signal"][:, 0], stored.get("times")
    dated = times is not None and times.dtype.kind == "M"
    at = np.arange(len(series) + 1, dtype=np.float64)
    if times is not None:  # the end of the last step is as far away as that of the one before
        at = times.astype("datetime64[ms]").astype(np.float64) if dated else times.astype(np.float64)
        at = np.append(at, 2 * at[-1] - at[-2])
    methods = shown(results, dataset, having(stored, "score:"), MAX_TRACKS)
    palette = colours(results, methods)
    tracks = {"signal": (series, INK)}
    tracks |= {score_label(results, dataset, m): (stored[f"score:{m}"], palette[m]) for m in methods}
    start, stop = np.array(runs(marks(stored)), np.int32).reshape(-1, 2).T
    bands = ColumnDataSource({"start": at[start], "stop": at[stop]})
    edge = 0.01 * (at[-1] - at[0])
    span = Range1d(start=at[0] - edge, end=at[-1] + edge, bounds="auto")
    zoom = BoxZoomTool(dimensions="width")
    tools = [zoom, PanTool(dimensions="width"), WheelZoomTool(dimensions="width"), ResetTool()]
    plots = []
    for place, (title, (values, colour)) in enumerate(tracks.items()):
        last = place == len(tracks) - 1
        height = 150 if place == 0 else 125 if last else 95
        axis: Literal["datetime", "linear"] = "datetime" if dated else "linear"
        plot = figure(height=height, x_range=span, tools=tools, active_drag=zoom, title=title, x_axis_type=axis)
        plot.vstrip(x0="start", x1="stop", source=bands, fill_color=ORANGE, fill_alpha=0.28, line_color=None)
        steps, drawn = decimate(values, MAX_POINTS // 2)
        columns: dict[str, Any] = {"step": steps.astype(np.int32), "value": drawn.astype(np.float32)}
        source = ColumnDataSource(columns | ({"at": at[steps]} if times is not None else {}))
        x = "at" if times is not None else "step"
        line = plot.line(x, "value", source=source, color=colour, line_width=1.2)
        line.glyph.tags = ["ink"] if colour == INK else []  # the page sets its own
        tooltips = [("step", "@step"), (title, "@value{0.000}")]
        if times is not None:
            tooltips.insert(0, ("time", "@at{%F %T}" if dated else "@at"))
        formatters: dict[str, Any] = {"@at": "datetime"} if dated else {}
        plot.add_tools(HoverTool(renderers=[line], mode="vline", tooltips=tooltips, formatters=formatters))
        plot.yaxis.visible = plot.ygrid.visible = False
        plot.xaxis.visible = last
        plot.background_fill_color = plot.border_fill_color = plot.outline_line_color = None
        plot.xgrid.grid_line_alpha = 0.2
        plots.append(plot)
    plots[-1].xaxis.axis_label = "test step" if times is None else "time"
    grid = gridplot([[plot] for plot in plots], sizing_mode="stretch_width", toolbar_options={"logo": None})
    return _numbered(json.dumps(json_item(grid), separators=(",", ":")))


def _numbered(text: str) -> str:
    """Models numbered in order of appearance: Bokeh counts on from one plot of a process to the next."""
    numbers: dict[str, str] = {}
    text = re.sub(r'(?<=id":)"p\d+"', lambda match: numbers.setdefault(match[0], f'"p{len(numbers)}"'), text)
    return text.replace("<", "\\u003c")  # in JSON it stands inside of texts alone, and could end or open a script
