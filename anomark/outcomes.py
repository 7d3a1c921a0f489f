"""How a cell can end. This is the only list of outcomes: jobs write them, tables, page and exit status read them."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Outcome(StrEnum):
    """The outcome of one cell. The members stand in the order of badness, the worst first.

    good
        Whether it is part of the plan. An outcome that is not good is a reason to look, and ends a run with status 1.
    meaning
        What happened, in one line for the reader of a report.
    """

    good: bool
    meaning: str

    FORBIDDEN = "forbidden", False, "the method tried to touch what is not its own, such as labels or the network"
    REFUSED = "refused", False, "the dataset can't be used under the protocol, so nothing was run on it"
    OOM = "oom", False, "the method needed more memory than the limit allows"
    TIMEOUT = "timeout", False, "the method ran longer than the limit allows"
    DIVERGED = "diverged", False, "training or scoring produced a number that is not finite"
    FAILED = "failed", False, "the method raised an error or ended without scores"
    SKIPPED = "skipped", True, "the method says itself that it can't run on such data"
    NOT_APPLICABLE = "n/a", True, "the method is not made for data of this modality"
    DONE = "done", True, "the method was fitted and its scores are stored"

    def __new__(cls, value: str, good: bool = False, meaning: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.good, member.meaning = good, meaning
        return member

    @property
    def rank(self) -> int:
        """The place in the order of badness; 0 is the worst."""
        return list(type(self)).index(self)
