"""What one attempt at breaking the benchmark came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One attempt.

    kind
        What was done to the benchmark, such as "kill" or "flipped byte"; the summary has a row for each kind.
    name
        Tells the attempts of one kind apart: which file, at which moment.
    survived
        Whether the benchmark did what it promises: no result was lost, changed or silently wrong.
    detail
        What was seen, in one line.
    """

    kind: str
    name: str
    survived: bool
    detail: str
