"""`anomark reference` and `anomark compare`: results that were computed once, and a method beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomark.contracts import AnomarkError
from anomark.suite.dropins import ROOT

app = typer.Typer(help="Reference results: computed once, kept with the project.", no_args_is_help=True)
FOLDER = Path("reports/reference")


@app.command()
def add(
    suite: str,
    results: Annotated[Path, typer.Option(help="The folder of results that holds the suite's run.")] = Path("results"),
    replace: Annotated[
        bool, typer.Option("--replace", help="Drop rows of the reference that were made on other data.")
    ] = False,
) -> None:
    """Merge a suite's finished run into reports/reference/<suite>/: rows of the same cell are replaced, others stay."""
    from anomark.stages.reference_results import store

    added = store.add(results / suite, FOLDER / suite, replace)
    size = sum(path.stat().st_size for path in added.folder.rglob("*") if path.is_file())
    print(f"{added.new} rows are new, {added.replaced} were replaced, {added.kept} stay")
    print(f"{added.folder}: {size / 2**20:.1f} MiB")


@app.command()
def readme(file: Annotated[Path, typer.Option(help="The page to write into.")] = ROOT / "README.md") -> None:
    """Write the table of a suite's reference results between the marks of README.md that name the suite."""
    from anomark.stages.reference_results.readme import updated

    text = file.read_text(encoding="utf-8")
    if (new := updated(text, FOLDER)) != text:
        file.write_text(new, encoding="utf-8")
        print(file)


def compare(
    method: str,
    suite: Annotated[
        list[str] | None, typer.Option("--suite", "-s", help="The suite; needed where several have a reference.")
    ] = None,
) -> None:
    """A method's stored cells beside the reference results of its suite, with the paired bootstrap."""
    from anomark.report.render.formats import render
    from anomark.stages.reference_results.compare import compare as stage
    from anomark.suite.config import load
    from anomark.suite.plan import Plan
    from anomark.suite.registry import find_method

    find_method(method)
    table, left_out = stage(Plan(load(*(suite or [_only_suite()])).model_copy(update={"only": [method]})), method)
    print(render(table, "md"))
    for sentence in left_out:
        print(sentence)


def _only_suite() -> str:
    """The suite that has reference results with scores, where there is but one."""
    found = sorted(path.parent.name for path in FOLDER.glob("*/scores"))
    if len(found) != 1:
        raise AnomarkError(
            f"{FOLDER}: {', '.join(found) or 'no suite'} has reference results with scores; name one suite by --suite"
        )
    return found[0]
