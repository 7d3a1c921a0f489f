"""The AUROC of a stored model at every setting that was tried with it, and at every weight of its two error terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from anomark.contracts import Array
from anomark.records import OWN
from anomark.statistics.ranking import auroc

#: Weights lambda of the first of two error terms; the second one has the rest.
LAMBDAS = tuple(k / 10 for k in range(11))


def rank_settings(
    swept: Mapping[str, Array], labelled: Callable[[Array], tuple[Array, Array]]
) -> Iterator[dict[str, Any]]:
    """AUROC of the first error times lambda plus the second one times 1 - lambda; NaN where a score is not finite.

    Args:
        swept: errors (S, N, terms) of N samples at S settings, the first of which is the model's own; the model's own
            weight of each term (terms,), one or two of them; rows (N,); and by name each parameter that was tried (S,).
        labelled: scores of the N samples -> (labels, scores) of what carries a label.

    Yields:
        The parameters that were tried, lambda (1 where there is one term), differs (which of these differ from the
        model's own, as names with blanks between, or "nothing") and auroc.
    """
    tried = [name for name in swept if name not in ("rows", "weight", "errors")]
    own = {name: swept[name][0].item() for name in tried} | {"lambda": round(float(swept["weight"][0]), 4)}
    lambdas = sorted({*LAMBDAS, own["lambda"]}) if len(swept["weight"]) > 1 else [1.0]
    for i, errors in enumerate(swept["errors"]):
        for weight in lambdas:
            setting = {name: swept[name][i].item() for name in tried} | {"lambda": weight}
            scores = errors @ np.array([weight, 1 - weight][: errors.shape[1]])
            value = auroc(*labelled(scores)) if np.isfinite(scores).all() else float("nan")
            differs = " ".join(name for name in own if setting[name] != own[name])
            yield setting | {"differs": differs or OWN, "auroc": value}
