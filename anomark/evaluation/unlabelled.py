"""What stands out where nobody knows the labels: what methods score highest, and how far they agree on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from anomark.contracts import Array
from anomark.evaluation.measure import Measured
from anomark.statistics.conspicuous import CONSENSUS, consensus, highest


def tops(measured: Measured, scores: Mapping[str, Array]) -> dict[str, Array]:
    """What each method, and all of them together under the name CONSENSUS, score highest."""
    window = measured.window if measured.starts is not None else None
    return {name: highest(values, window) for name, values in {CONSENSUS: consensus(scores), **scores}.items()}


def top_rows(dataset: str, measured: Measured, scores: Mapping[str, Array]) -> Iterator[dict[str, Any]]:
    """Rows of highest.csv: dataset, method, place from 1, first, last, name, start, end, score, above and methods.

    first and last are rows of the test part or steps of its series, counted from 0. `above` is how far the score lies
    above the median, in median absolute deviations. `methods` counts those that have a part of it among their own.
    """
    found = tops(measured, scores)
    for method, places in found.items():
        values = consensus(scores) if method == CONSENSUS else scores[method]
        middle = np.median(values)
        spread = np.median(np.abs(values - middle))
        for place, (first, last) in enumerate(places.tolist(), start=1):
            score = float(values[first : last + 1].max())
            yield {
                "dataset": dataset,
                "method": method,
                "place": place,
                "first": first,
                "last": last,
                "name": "" if measured.names is None else str(measured.names[first]),
                "start": "" if measured.times is None else str(measured.times[first]),
                "end": "" if measured.times is None else str(measured.times[last]),
                "score": score,
                "above": float((score - middle) / spread) if spread > 0 else float("nan"),
                "methods": sum(bool(_shared(places[place - 1 : place], found[name])) for name in scores),
            }


def agreement_rows(dataset: str, measured: Measured, scores: Mapping[str, Array]) -> Iterator[dict[str, Any]]:
    """Rows of agreement.csv: for each pair of methods Spearman's correlation of their scores, and how much of what the
    first one scores highest is among the highest of the other."""
    found, names = tops(measured, scores), [*scores]
    for i, method in enumerate(names):
        for other in names[i + 1 :]:
            constant = any(np.ptp(scores[name]) == 0 for name in (method, other))
            yield {
                "dataset": dataset,
                "method": method,
                "other": other,
                "correlation": float("nan") if constant else float(spearmanr(scores[method], scores[other])[0]),
                "shared": _shared(found[method], found[other]),
                "of": len(found[method]),
            }


def write_highest(dataset: str, measured: Measured, scores: Mapping[str, Array], out: Path) -> None:
    """Write highest.csv and agreement.csv of the scores of some methods, as `Measured.merge` gives them."""
    pd.DataFrame(top_rows(dataset, measured, scores)).to_csv(out / "highest.csv", index=False)
    columns = ["dataset", "method", "other", "correlation", "shared", "of"]
    agreed = pd.DataFrame(agreement_rows(dataset, measured, scores), columns=columns)
    agreed.to_csv(out / "agreement.csv", index=False)


def _shared(places: Array, others: Array) -> int:
    """How many of some stretches overlap with one of others."""
    return int(((places[:, None, 0] <= others[None, :, 1]) & (places[:, None, 1] >= others[None, :, 0])).any(1).sum())
