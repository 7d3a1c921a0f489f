"""The tables of a paper as it prints them: what `paper.yaml` says of each, and the numbers of its CSV file.

A CSV file is either wide, a row for each dataset and a column for each method (the standard deviation of column `X`
stands in a column `X sd`), or long, with the columns `dataset`, `method`, the number, and optionally `sd`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, model_validator

from anomark import modality as modalities
from anomark.contracts import AnomarkError, nearest
from anomark.suite import registry

#: The name of a table's file, which lies beside paper.yaml.
CSV_FILE = r"^\w[\w. -]*\.csv$"
UNITS = {"fraction": 1.0, "percent": 100.0}


@dataclass(frozen=True)
class Printed:
    """A number as a paper prints it.

    value
        The number. An AUROC is a fraction, whatever its unit in the paper; a change keeps its unit, percent.
    half
        Half of its last digit: the unrounded number is at most so far away.
    sd
        The standard deviation that the paper gives it, or None.
    """

    text: str
    value: float
    half: float
    sd: float | None = None

    @classmethod
    def read(cls, text: str, sd: str | None = None, scale: float = 1.0) -> Self:
        """Read `.891`, `53.69` or `-3.5%`, and divide it by `scale`.

        Raises:
            ValueError: the text or the standard deviation is no number.
        """
        digits = text.strip().removesuffix("%").replace("−", "-")
        decimals = len(digits.partition(".")[2])
        spread = float(sd) / scale if sd else None
        return cls(text.strip(), float(digits) / scale, 0.5 * 10**-decimals / scale, spread)


def _known(find: Callable[[str], object]) -> AfterValidator:
    """Refuse an id that `find` does not find."""

    def check(name: str) -> str:
        try:
            find(name)
        except AnomarkError as error:
            raise ValueError(str(error)) from None
        return name

    return AfterValidator(check)


MethodId = Annotated[str, _known(registry.find_method)]
DatasetId = Annotated[str, _known(registry.find_dataset)]
ModalityId = Annotated[str, _known(modalities.load)]


class Part(BaseModel):
    """What all parts of a paper share: unknown keys are errors, and nothing changes after it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PaperTable(Part):
    """A table of AUROC: a row for each dataset and a column for each method, in the paper's order."""

    id: str = Field(pattern=r"^[a-z0-9_]+$", description="Names the report's files for it.")
    title: str = Field(description="What the paper calls it, such as `Table I`.")
    caption: str = Field(description="What its numbers are.")
    modality: ModalityId = Field(
        description="Modality of its datasets. The suite's others of it stand below the paper's."
    )
    file: str | None = Field(None, pattern=CSV_FILE, description="Its CSV file; none where the paper prints no number.")
    unit: Literal["fraction", "percent"] = Field(
        "fraction", description="Unit of its numbers: `fraction` (the default) or `percent`."
    )
    value: str = Field("auroc", description="The column of the numbers in a long CSV file.")
    datasets: dict[str, DatasetId] = Field({}, description="The paper's name of a row -> dataset id.")
    methods: dict[str, MethodId] = Field(min_length=1, description="The paper's name of a column -> method id.")
    not_comparable: dict[str, str] = Field({}, description="Dataset id -> why the set-up can't be the paper's.")
    printed_alone: str = Field(
        "", description="Why none of its numbers can be measured here; then the report prints the table as it is."
    )
    _numbers: dict[tuple[str, str], Printed] = PrivateAttr({})
    _further: tuple[str, ...] = PrivateAttr(())
    _alone: dict[str, dict[str, Printed]] = PrivateAttr({})

    @property
    def alone(self) -> dict[str, dict[str, Printed]]:
        """The paper's name of a row -> that of a column -> the number, where the table is `printed_alone`."""
        return self._alone

    @property
    def numbers(self) -> dict[tuple[str, str], Printed]:
        """(dataset id, method id) -> the number printed, in the order of `datasets` and `methods`."""
        return self._numbers

    @property
    def further(self) -> tuple[str, ...]:
        """Methods of the CSV file that have no id here, by the paper's names."""
        return self._further

    @property
    def columns(self) -> dict[str, str]:
        """Method id -> the paper's name of its column."""
        return {method: label for label, method in self.methods.items()}

    def column(self, method: str) -> dict[str, float]:
        """Dataset id -> the printed AUROC of a method."""
        return {dataset: printed.value for (dataset, name), printed in self.numbers.items() if name == method}

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        for key, ids in (("datasets", self.datasets), ("methods", self.methods)):
            distinct(key, ids.values())
        if strange := [dataset for dataset in self.not_comparable if dataset not in self.datasets.values()]:
            raise ValueError(f"not_comparable names {strange[0]!r}; {nearest(strange[0], self.datasets.values())}")
        if self.printed_alone and (self.file is None or self.datasets):
            raise ValueError(f"{self.id} is printed_alone: it needs a file, and no datasets; mend the one or the other")
        if self.file is None:
            return self
        path = _folder(info) / self.file
        rows = _read_csv(path)
        cells = self._cells(path, rows)
        if self.printed_alone:
            for (label, column), (text, sd) in cells.items():
                if text:
                    where = f"{path.name}, row {label!r}, column {column!r}"
                    self._alone.setdefault(label, {})[column] = _printed(where, text, sd, UNITS[self.unit])
        known: dict[str, set[str]] = {"row": {d for d, _ in cells}, "column": {m for _, m in cells}}
        for what, labels in (("row", self.datasets), ("column", self.methods)):
            if absent := [label for label in labels if label not in known[what]]:
                raise ValueError(f"{path.name} has no {what} {absent[0]!r}; {nearest(absent[0], sorted(known[what]))}")
        self._further = tuple(dict.fromkeys(m for _, m in cells if m not in self.methods))
        for label, dataset in self.datasets.items():
            for column, method in self.methods.items():
                text, sd = cells.get((label, column), ("", ""))
                if text:
                    where = f"{path.name}, row {label!r}, column {column!r}"
                    self._numbers[dataset, method] = _printed(where, text, sd, UNITS[self.unit])
        return self

    def _cells(self, path: Path, rows: list[dict[str, str]]) -> dict[tuple[str, str], tuple[str, str]]:
        """(the paper's dataset, the paper's method) -> the number and its standard deviation, as printed."""
        header = list(rows[0])
        if {"dataset", "method"} <= set(header):
            if self.value not in header:
                raise ValueError(f"{path.name} has no column {self.value!r}; {nearest(self.value, header)}")
            return {(r["dataset"], r["method"]): (r[self.value], r.get("sd", "")) for r in rows}
        first, *columns = header
        methods = [column for column in columns if not (column.endswith(" sd") and column[:-3] in columns)]
        return {(r[first], m): (r[m], r.get(f"{m} sd", "")) for r in rows for m in methods}


class AblationColumns(Part):
    """The columns of an ablation table that belong to one modality."""

    auroc: str = Field(description="The column of the mean AUROC.")
    drop: str | None = Field(None, description="The column of its change against the full model, in percent of it.")


class Ablation(Part):
    """A table of variants of one method, each with one part off: mean AUROC by modality, and the change of it."""

    id: str = Field(pattern=r"^[a-z0-9_]+$", description="Names the report's files for it.")
    title: str = Field(description="What the paper calls it, such as `Table III`.")
    caption: str = Field(description="What it shows.")
    file: str = Field(pattern=CSV_FILE, description="Its CSV file; the first column names the variant.")
    unit: Literal["fraction", "percent"] = Field(
        "fraction", description="Unit of its AUROC: `fraction` (the default) or `percent`."
    )
    full: str = Field(description="Method id of the full model.")
    rows: dict[str, MethodId] = Field(min_length=2, description="The paper's name of a row -> method id.")
    columns: dict[ModalityId, AblationColumns] = Field(min_length=1, description="Modality -> its columns.")
    further: list[MethodId] = Field([], description="Method ids that the report adds below the paper's rows.")
    _auroc: dict[tuple[str, str], Printed] = PrivateAttr({})
    _drops: dict[tuple[str, str], Printed] = PrivateAttr({})

    @property
    def auroc(self) -> dict[tuple[str, str], Printed]:
        """(method id, modality) -> the mean AUROC printed."""
        return self._auroc

    @property
    def drops(self) -> dict[tuple[str, str], Printed]:
        """(method id, modality) -> the change printed, in percent of the full model's AUROC."""
        return self._drops

    @property
    def labels(self) -> dict[str, str]:
        """Method id -> the paper's name of its row."""
        return {method: label for label, method in self.rows.items()}

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        distinct("rows", self.rows.values())
        if self.full not in self.rows.values():
            raise ValueError(f"full is {self.full!r}, which no row is; {nearest(self.full, self.rows.values())}")
        path = _folder(info) / self.file
        rows = _read_csv(path)
        header = list(rows[0])
        by_name = {row[header[0]]: row for row in rows}
        for label, method in self.rows.items():
            if label not in by_name:
                raise ValueError(f"{path.name} has no row {label!r}; {nearest(label, by_name)}")
            for modality, columns in self.columns.items():
                for found, column, scale in (
                    (self._auroc, columns.auroc, UNITS[self.unit]),
                    (self._drops, columns.drop, 1.0),
                ):
                    if column is None:
                        continue
                    if column not in header:
                        raise ValueError(f"{path.name} has no column {column!r}; {nearest(column, header)}")
                    if text := by_name[label][column]:
                        where = f"{path.name}, row {label!r}, column {column!r}"
                        found[method, modality] = _printed(where, text, "", scale)
        return self


def distinct(key: str, names: Iterable[str]) -> None:
    """Raise a ValueError where a name occurs twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{key}: {name!r} is named twice; name it once")
        seen.add(name)


def _folder(info: ValidationInfo) -> Path:
    """The folder of the paper, which the reader of paper.yaml passes on."""
    return Path((info.context or {})["folder"])


def _read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, column -> text."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [{key: (value or "").strip() for key, value in row.items() if key} for row in csv.DictReader(file)]
    except OSError as error:
        raise ValueError(
            f"file names {path.name!r}, which can't be read ({error.strerror}); put the table there"
        ) from None
    if not rows:
        raise ValueError(f"{path.name} has no rows; expected a header and one line or more")
    return rows


def _printed(where: str, text: str, sd: str, scale: float) -> Printed:
    try:
        return Printed.read(text, sd, scale)
    except ValueError:
        raise ValueError(f"{where} is {' ± '.join(filter(None, (text, sd)))!r}, expected a number") from None
