"""The command `anomark`. It looks at one thing at a time; Snakemake (`snakemake --cores all`) runs a whole suite."""

from __future__ import annotations

import typer

from anomark.cli import cells, check, data, docs, init, listing, reference, report, score
from anomark.cli.shared import PlainErrors

app = typer.Typer(
    cls=PlainErrors,
    help="A reproducible benchmark suite for anomaly detection on images, time series, audio and tables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("list")(listing.list_)
app.command()(init.init)
app.add_typer(data.app, name="data")
app.command()(cells.run)
app.command()(cells.verify)
app.command()(cells.retry)
app.command()(cells.evaluate)
app.command()(report.report)
app.command()(score.score)
app.command()(score.export)
app.add_typer(reference.app, name="reference")
app.command()(reference.compare)
app.command()(cells.why)
app.command()(check.check)
app.command()(cells.gc)
app.command()(docs.docs)
