"""What the settings of a diffusion detector are worth: the AUROC of every lambda at every setting that was tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from anomark.contracts import Array
from anomark.statistics.ranking import auroc

#: Weights of E_recon; E_feat has the rest.
LAMBDAS = tuple(k / 10 for k in range(11))
#: What `differs` says of the setting that the model was made with.
OWN = "nothing"


def rank_settings(
    swept: Mapping[str, Array], labelled: Callable[[Array], tuple[Array, Array]]
) -> Iterator[dict[str, Any]]:
    """AUROC of lambda E_recon + (1 - lambda) E_feat; NaN where a score is not finite. A score of one term has lambda 1.

    Args:
        swept: errors (S, N, terms), weight (terms,), the model's own, and start, calls, from_noise (S,). The first of
            the S settings is the model's own.
        labelled: scores of the N samples -> (labels, scores) of what carries a label.

    Yields:
        lambda, start (T'), calls (K), from_noise, differs (which of the four differ from the model's own, "nothing"
        or names with blanks between) and auroc.
    """
    own = {name: swept[name][0].item() for name in ("start", "calls", "from_noise")}
    own["lambda"] = round(float(swept["weight"][0]), 4)
    lambdas = sorted({*LAMBDAS, own["lambda"]}) if len(swept["weight"]) > 1 else [1.0]
    for i, errors in enumerate(swept["errors"]):
        for weight in lambdas:
            setting = {name: swept[name][i].item() for name in ("start", "calls", "from_noise")} | {"lambda": weight}
            scores = errors @ np.array([weight, 1 - weight][: errors.shape[1]])
            value = auroc(*labelled(scores)) if np.isfinite(scores).all() else float("nan")
            differs = " ".join(name for name in own if setting[name] != own[name])
            yield setting | {"differs": differs or OWN, "auroc": value}
