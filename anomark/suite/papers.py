"""Papers whose tables a suite reproduces: `papers/<id>/paper.yaml` and the tables as CSV files beside it.

The YAML file says which row and column of a table is which dataset and method of this project, which of the paper's
statements can be checked by arithmetic, and what the paper leaves open. The models are its schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from anomark.contracts import AnomarkError, nearest
from anomark.files import read_yaml
from anomark.suite import registry
from anomark.suite.claims import KINDS, Claim, Gain, Mean
from anomark.suite.config import complaint
from anomark.suite.dropins import ROOT
from anomark.suite.paper_tables import (
    Ablation,
    AblationColumns,
    DatasetId,
    MethodId,
    PaperTable,
    Part,
    Printed,
    distinct,
)

PAPERS = ROOT / "papers"


class LeftOpen(Part):
    """What the paper does not give; the report prints what was chosen."""

    method: MethodId = Field(description="The method whose parameters these are.")
    chosen: str = Field("", description="How the values were chosen, in a sentence.")
    parameters: dict[str, str] = Field(description="Parameter -> what it means.")


class Difference(Part):
    """Why measured numbers differ from published ones; printed beside those that do."""

    method: MethodId = Field(description="The method whose numbers these are.")
    datasets: list[DatasetId] = Field([], description="The datasets that it speaks of; all where the list is empty.")
    why: str = Field(description="The reason, in a sentence.")


class Paper(Part):
    """A paper, with the numbers of its tables."""

    id: str = Field(description="The name of its folder; not a key of paper.yaml.")
    title: str = Field(description="Its title.")
    authors: list[str] = Field(min_length=1, description="Its authors, given names first.")
    year: int = Field(description="When it was published.")
    citation: str = Field(description="How it is cited, in one line.")
    links: list[str] = Field([], description="Where to read it.")
    protocol: str = Field(description="How the paper measured, in words.")
    ours: MethodId = Field(description="Method id of the method that the paper proposes.")
    baseline: MethodId | None = Field(None, description="Method id of what it is compared with first.")
    tables: list[PaperTable] = Field(min_length=1, description="Its tables of AUROC.")
    ablations: list[Ablation] = Field([], description="Its tables of variants.")
    tolerance: float = Field(
        gt=0, lt=1, description="A measured AUROC at most this far from the published one reproduces it."
    )
    tolerance_sd: float | None = Field(
        None, gt=0, description="So does one that is at most so many published standard deviations away."
    )
    claims: list[Claim] = Field([], description="Statements that the audit checks, in its order.")
    differences: list[Difference] = Field(
        [], description="Why numbers are not reproduced; the first one that speaks of a number is printed beside it."
    )
    left_out: dict[str, str] = Field(
        {}, description="The paper's name of a method that this project does not have -> why, in a sentence."
    )
    left_open: LeftOpen | None = Field(None, description="Parameters that it does not give.")

    @property
    def name(self) -> str:
        """Surname of the first author and year, as text refers to it."""
        return f"{self.authors[0].split()[-1]} {self.year}"

    @cached_property
    def numbers(self) -> dict[tuple[str, str], Printed]:
        """(dataset id, method id) -> the number printed, of all tables."""
        return {cell: printed for table in self.tables for cell, printed in table.numbers.items()}

    @cached_property
    def not_comparable(self) -> dict[str, str]:
        """Dataset id -> why its set-up can't be the paper's."""
        return {dataset: why for table in self.tables for dataset, why in table.not_comparable.items()}

    def why(self, dataset: str, method: str) -> str:
        """Why a measured number differs from the published one, or "" where `differences` does not say."""
        speaking = (d for d in self.differences if d.method == method and (not d.datasets or dataset in d.datasets))
        return next((difference.why for difference in speaking), "")

    def table(self, name: str) -> PaperTable:
        return next(table for table in self.tables if table.id == name)

    def ablation(self, name: str) -> Ablation:
        return next(ablation for ablation in self.ablations if ablation.id == name)

    def tables_of(self, modality: str) -> list[PaperTable]:
        return [t for t in self.tables if t.modality == modality and not t.printed_alone]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        tables, ablations = [table.id for table in self.tables], [ablation.id for ablation in self.ablations]
        distinct("tables and ablations", [*tables, *ablations])
        distinct("tables", [dataset for table in self.tables for dataset in table.datasets.values()])
        for table in self.tables:
            for dataset in table.datasets.values():
                if (found := registry.find_dataset(dataset).family.modality) != table.modality:
                    raise ValueError(f"{table.id}: {dataset!r} is of the modality {found}, expected {table.modality}")
        further = [label for table in self.tables for label in table.further]
        if strange := [label for label in self.left_out if label not in further]:
            raise ValueError(
                f"left_out names {strange[0]!r}, which no table leaves out; {nearest(strange[0], further)}"
            )
        if self.left_open:
            defaults = registry.methods()[self.left_open.method].defaults
            for name in self.left_open.parameters:
                if defaults and name not in defaults:  # a class taken as it stands may have more than its file names
                    raise ValueError(
                        f"left_open: {self.left_open.method} has no parameter {name!r}; {nearest(name, defaults)}"
                    )
        self._check_claims(tables, ablations)
        return self

    def _check_claims(self, tables: list[str], ablations: list[str]) -> None:
        for claim in self.claims:
            for key, known in (("table", tables), ("ablation", ablations)):
                if key in type(claim).model_fields:
                    _known(claim, key, getattr(claim, key), known)
            if isinstance(claim, Gain):
                columns = self.table(claim.table).columns
                _known(claim, "method", claim.method or self.ours, columns)
                if (over := claim.over or self.baseline) is None:
                    raise ValueError("claims: a gain needs the key 'over' where the paper has no baseline")
                _known(claim, "over", over, columns)
            if isinstance(claim, Mean):
                _known(claim, "modality", claim.modality, self.ablation(claim.ablation).columns)


#: Parts of paper.yaml, by where their keys stand in it.
SCHEMAS: dict[str, type[Part]] = {
    "": Paper,
    "tables": PaperTable,
    "ablations": Ablation,
    "ablations.columns": AblationColumns,
    "differences": Difference,
    "left_open": LeftOpen,
    **{f"claims, kind: {kind}": part for kind, part in KINDS.items()},
}


# -- reading ---------------------------------------------------------------------------------------------------------


def papers(folder: Path = PAPERS) -> dict[str, Paper]:
    """Every paper of the project, by id: each folder that has a paper.yaml."""
    return {name: read_paper(folder / name) for name in paper_ids(folder)}


def paper_ids(folder: Path = PAPERS) -> list[str]:
    """The ids of all papers; nothing is read."""
    return sorted(path.parent.name for path in folder.glob("*/paper.yaml"))


def find_paper(name: str, folder: Path = PAPERS) -> Paper:
    """The paper of that id.

    Raises:
        AnomarkError: there is none, with the nearest id as a suggestion; or its files can't be read.
    """
    known = paper_ids(folder)
    if name not in known:
        hint = nearest(name, known) if known else "there is none"
        raise AnomarkError(f"unknown paper {name!r}; {hint} (`anomark list papers` lists all)")
    return read_paper(folder / name)


def read_paper(folder: Path) -> Paper:
    """The paper of one folder; its id is the folder's name.

    Raises:
        AnomarkError: one sentence that names the file and key, what was found and what was expected.
    """
    path = folder / "paper.yaml"
    raw = read_yaml(path)
    try:
        return Paper.model_validate(raw | {"id": folder.name}, context={"folder": folder})
    except ValidationError as error:
        raise AnomarkError(f"{path}: {complaint(error, _keys())}") from None


def _known(claim: Claim, key: str, name: str, known: Iterable[str]) -> None:
    """Raise a ValueError where a claim names a table, a row or a column that is not there."""
    if name not in (known := list(known)):
        raise ValueError(f"claims: a claim of the kind {claim.kind!r} has {key} {name!r}; {nearest(name, known)}")


def _keys() -> list[str]:
    """Every key that paper.yaml knows somewhere."""
    return list(dict.fromkeys(key for part in SCHEMAS.values() for key in part.model_fields))
