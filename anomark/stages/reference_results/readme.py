"""The table of the README, written from reference results."""

from __future__ import annotations

import re
from pathlib import Path

from anomark.contracts import DataError
from anomark.report.render.formats import render
from anomark.report.results import Results
from anomark.report.section import build_sections
from anomark.report.table import Table
from anomark.stages.reference_results import store

#: The two lines between which the table stands; the first one names the suite.
MARKS = re.compile(r"(<!-- reference results of ([a-z0-9_-]+) -->\n).*?(<!-- end of reference results -->)", re.DOTALL)
#: The table of a report that is for readers in a hurry.
TABLE = "headline"


def updated(text: str, folder: Path) -> str:
    """A page with the table of each suite that its marks name.

    Args:
        folder: which holds a folder of reference results for each suite.

    Raises:
        DataError: the page has no marks, or there is no such reference.
    """
    if not MARKS.search(text):
        raise DataError(
            "README.md has no line <!-- reference results of SUITE -->; write it where the table is to stand"
        )
    return MARKS.sub(lambda found: f"{found[1]}{block(folder / found[2])}{found[3]}", text)


def block(folder: Path) -> str:
    """The table, and in a sentence what it cost and where it comes from."""
    results = store.load(folder, compared=False)
    tables = (part for section in build_sections(results) for part in section.parts if isinstance(part, Table))
    table = next(table for table in tables if table.name == TABLE)
    return f"{render(table, 'md')}\n{cost(results, folder)}\n"


def cost(results: Results, folder: Path) -> str:
    """How many cells the table sums up, the core-hours that they took, and the commits that computed them."""
    done = results.outcomes[results.outcomes["key"].notna()]
    hours = done["cpu_seconds"].sum() / 3600
    commits = store.commits(folder)
    return (
        f"{len(done):,} cells, {hours:.1f} core-hours, computed at commit{'s' * (len(commits) > 1)} "
        f"{', '.join(commits)} ({results.suite.date}). All numbers: [`{folder.as_posix()}`]({folder.as_posix()})."
    )
