"""What scores are worth against injected anomalies of each kind and of each size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from anomark.contracts import Array
from anomark.statistics.ranking import auroc

#: Ranges of amplitude, each with as many events as the others.
RANGES = 4


def by_severity(events: Sequence[dict[str, Any]], scores: Array, scored: Array) -> Iterator[dict[str, Any]]:
    """AUROC of some of the events' steps against all normal steps, in [0, 1]; higher is better.

    Args:
        events: the events of a recipe (`anomark.data.injection`), none of which overlap: kind, first and last step,
            amplitude in MAD.
        scores: (n,) of the scored steps.
        scored: bool (T,), n of them true.

    Yields:
        One row for each kind, then one for each range of amplitudes from the smallest on. A row has: by ("kind" or
        "amplitude"), group, amplitude (the median over its events), events (their number), auroc.
    """
    event = np.full(len(scored), -1)
    for number, known in enumerate(events):
        event[known["first"] : known["last"] + 1] = number
    event = event[scored]
    amplitude = np.array([known["amplitude"] for known in events])
    kind = np.array([known["kind"] for known in events])
    groups = [("kind", name, np.flatnonzero(kind == name)) for name in dict.fromkeys(kind.tolist())]
    for members in np.array_split(np.argsort(amplitude, kind="stable"), RANGES):
        if len(members):
            low, high = amplitude[members[[0, -1]]]
            groups.append(("amplitude", f"{low:.3g}–{high:.3g}", members))
    for by, name, members in groups:
        inside = np.isin(event, members)
        rows = inside | (event < 0)
        yield {
            "by": by,
            "group": name,
            "amplitude": float(np.median(amplitude[members])),
            "events": len(members),
            "auroc": auroc(inside[rows].astype(np.uint8), scores[rows]),
        }
