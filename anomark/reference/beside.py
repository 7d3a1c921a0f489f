"""The reference results of one dataset that stand beside what a run computed, as its evaluation reads them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from anomark import spreadsheet
from anomark.contracts import Array, DataError
from anomark.reference import scores
from anomark.suite_records import Reference


class Beside:
    """The rows of one dataset; none where the run has no reference."""

    def __init__(self, reference: Reference | None, dataset: str) -> None:
        self.folder = Path(reference.folder) if reference else None
        self.dataset = dataset
        self.cells = [cell for cell in reference.cells if cell.dataset == dataset] if reference else []

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table of the reference that belong to these cells, such as metrics.csv."""
        if not self.folder or not self.cells:
            return []
        table = spreadsheet.read(self.folder / name)
        wanted = {(cell.method, cell.seed) for cell in self.cells}
        rows = table[table["dataset"] == self.dataset].to_dict("records")
        return [{str(name): v for name, v in row.items()} for row in rows if (row["method"], row["seed"]) in wanted]

    @cached_property
    def network(self) -> str | None:
        """The frozen network f of these rows, or None."""
        named = [row["f"] for row in self.rows("coverage.csv") if not pd.isna(row["f"])]
        return str(named[0]) if named else None

    def scores(self, test_rows: int) -> Iterator[tuple[dict[str, Any], Array]]:
        """dataset, method and seed of each cell that has scores, and these (N,).

        Raises:
            DataError: there are others than `test_rows` of them.
        """
        if not self.folder or not self.cells:
            return
        path = self.folder / "scores" / f"{self.dataset}.npz"
        _, stored = scores.read(path)
        for cell in self.cells:
            found = stored.get(scores.place(cell.method, cell.seed))
            if found is None:  # it ended without scores
                continue
            if len(found) != test_rows:
                raise DataError(
                    f"{path}: {len(found)} scores of {cell.method}, but {self.dataset} has {test_rows} test rows; "
                    "bring back the file that the project has, or leave the reference out with reference=ignore"
                )
            yield dict(cell), found
