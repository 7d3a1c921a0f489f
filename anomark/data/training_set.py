"""Which rows of a training set are kept, and which are replaced by anomalies, in the variants of a dataset."""

from __future__ import annotations

import numpy as np

from anomark.contracts import Array, DataError
from anomark.seeds import seed_of


def count_of(rows: int, share: float) -> int:
    """How many rows a share of them is. A share above 0 is one row at least.

    Raises:
        DataError: the share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise DataError(f"a share of the training data is {share:g}, expected one from 0 to 1; mend dataset_params")
    return max(round(share * rows), int(share > 0))


def first_share(rows: int, share: float, **axes: str | int) -> Array:
    """The first rows in a seeded order, so that a smaller share lies within a larger one.

    Args:
        rows: how many there are.
        share: of them, from 0 to 1.
        axes: what the order is drawn from, as in `seed_of`.

    Returns:
        int (n,), in their seeded order.
    """
    return np.random.default_rng(seed_of(**axes)).permutation(rows)[: count_of(rows, share)]


def describe(train_share: float, contamination: float) -> tuple[str, ...]:
    """What to print with a dataset whose training set is smaller than the whole one, or holds anomalies."""
    choices = []
    if train_share < 1:
        choices.append(f"{train_share:.0%} of the training data")
    if contamination > 0:
        choices.append(f"{contamination:.0%} of the training data, held-out normals among it, are anomalous")
    return tuple(choices)
