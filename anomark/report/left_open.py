"""What a paper leaves open, and the values that a suite's cells were computed with."""

from __future__ import annotations

import pandas as pd

from anomark.report.published import file_name, heading
from anomark.report.results import Results
from anomark.report.table import Cell, Column, Row, Table
from anomark.suite.papers import LeftOpen, Paper


def left_open_table(results: Results, paper: Paper) -> Table | None:
    """Parameters that a paper does not give: name, value, meaning. None where no cell of the suite has them."""
    if paper.left_open is None or not (found := open_parameters(results, paper.left_open)):
        return None
    label = results.methods[paper.left_open.method].label
    columns = [Column(header, numeric=False) for header in ("Parameter", "Value", "Meaning")]
    rows = [Row([Cell(name), Cell(value), Cell(meaning)]) for name, meaning, value in found]
    caption = (
        f"Parameters of {label} that the paper does not give, as the cells of this suite were computed. "
        f"{paper.left_open.chosen}"
    )
    frame = pd.DataFrame(found, columns=["parameter", "meaning", "value"])
    title = heading(results, paper, "What the paper leaves open")
    return Table(file_name(results, paper, "parameters"), title, caption, columns, rows, frame)


def open_parameters(results: Results, left_open: LeftOpen) -> list[tuple[str, str, str]]:
    """Name, meaning, and the value that cells were computed with; where datasets differ, each value names its own."""
    rows = []
    for name, meaning in left_open.parameters.items():
        concerned: dict[str, list[str]] = {}
        for dataset, summary in results.datasets.items():
            if name not in (params := summary.method_params.get(left_open.method, {})):
                continue
            value = params[name].get(summary.modality) if isinstance(params[name], dict) else params[name]
            concerned.setdefault(str(value), []).append(results.label(dataset))
        values = [value if len(concerned) == 1 else f"{value} ({', '.join(d)})" for value, d in concerned.items()]
        rows += [(name, meaning, "; ".join(values))] if values else []
    return rows
