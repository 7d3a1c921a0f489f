"""Statements of a paper that the audit of its numbers checks, each with the arithmetic that it claims."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from anomark.suite.paper_tables import Part


class Gain(Part):
    """The text states the mean gain of one method over another in a table."""

    kind: Literal["gain"]
    table: str = Field(description="Id of the table.")
    method: str | None = Field(None, description="The method that gains; `ours` unless it is given.")
    over: str | None = Field(None, description="The method it is compared with; `baseline` unless it is given.")
    measure: Literal["relative", "points"] = Field(
        "relative", description="`relative` (the default), in percent of the other; or `points`."
    )
    stated: str = Field(description="The gain in percent or points, as printed.")
    where: str = Field(description="Where the paper says so.")


class Mean(Part):
    """The full model of an ablation should be the mean of its column in a table."""

    kind: Literal["mean"]
    ablation: str = Field(description="Id of the ablation table.")
    modality: str = Field(description="The column of the ablation table.")
    table: str = Field(description="Id of the table that the mean is taken of.")


class Drops(Part):
    """The printed drops of an ablation table should follow from its own AUROC."""

    kind: Literal["drops"]
    ablation: str = Field(description="Id of the ablation table.")


class Drop(Part):
    """The text gives one dataset a drop that an ablation table may give the mean of all."""

    kind: Literal["drop"]
    ablation: str = Field(description="Id of the ablation table.")
    dataset: str = Field(description="The dataset that the text names.")
    stated: str = Field(description="The drop in percent, as printed.")
    where: str = Field(description="Where the paper says so.")


class Order(Part):
    """Whether all methods of a table order its datasets alike, and all datasets its methods."""

    kind: Literal["order"]
    table: str = Field(description="Id of the table.")


class Named(Part):
    """The text names a dataset; the audit lists it where no table has it."""

    kind: Literal["named"]
    subject: str = Field(description="The dataset, by its id where it has one.")
    stated: str = Field(description="What the paper says of it.")
    where: str = Field(description="Where the paper says so.")


class Fact(Part):
    """A fact beside a statement, where no arithmetic can show it."""

    kind: Literal["fact"]
    subject: str = Field(description="What the statement is about.")
    stated: str = Field("", description="What the paper says, if anything.")
    found: str = Field(description="What is the case.")
    where: str = Field(description="Where the paper says so.")


Claim = Annotated[Gain | Mean | Drops | Drop | Order | Named | Fact, Field(discriminator="kind")]
#: Kinds of claims, by what a claim says under `kind`.
KINDS: dict[str, type[Part]] = {
    get_args(part.model_fields["kind"].annotation)[0]: part for part in get_args(get_args(Claim)[0])
}
