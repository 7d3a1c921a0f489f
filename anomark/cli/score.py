"""`anomark score|export`: a stored model applied to new files, or taken to another machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from anomark.contracts import AnomarkError

ModelArgument = Annotated[str, typer.Argument(help="<method>@<dataset>, the folder of a cell, or an exported one.")]


def score(
    model: ModelArgument,
    files: Annotated[list[Path], typer.Argument(help="New files, or folders with such files.")],
    out: Annotated[Path, typer.Option(help="A new folder for scores.csv, scores.json and pictures/.")] = Path("scores"),
    false_alarms: Annotated[float, typer.Option(help="Share of normal samples that may be called anomalous.")] = 0.05,
    pictures: Annotated[bool, typer.Option(help="Draw a heat map of each image, a plot of each series.")] = True,
) -> None:
    """Score new files with a stored model: scores, tail probabilities and decisions as CSV and JSON, and pictures."""
    from anomark.use.model import Model
    from anomark.use.writing import score_files

    done = score_files(Model(model), files, out, false_alarms, pictures, lambda text: print(text, file=sys.stderr))
    for note in done.notes:
        print(note, file=sys.stderr)
    called = "" if done.called is None else f", {done.called} of them are called anomalous"
    speed = done.samples / max(done.seconds, 1e-9)
    print(f"{out}: {done.samples} scores{called}; {done.seconds:.1f} s, {speed:.1f} a second")


def export(
    model: ModelArgument,
    folder: Annotated[Path, typer.Argument(help="The folder to write; it must not be there yet.")],
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Add model.onnx, where one pass through a network scores.")
    ] = False,
) -> None:
    """Write a stored model with all that `anomark score` needs of it into one folder, for another machine."""
    from anomark.use.export import export as write
    from anomark.use.model import Model

    if folder.exists():
        raise AnomarkError(f"{folder}: there is something already; name another folder, or remove it")
    for line in write(Model(model), folder, onnx):
        print(line)
