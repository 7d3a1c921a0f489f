"""Rows with a label each as a one-class problem: half of the normal ones train, and they alone set the scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.preprocessing import StandardScaler

from anomark.contracts import Array, Columns, DataError, Prepared

TRAIN_SHARE = 0.5


def split_rows(
    name: str,
    rows: Array,
    labels: Array | None,
    *,
    names: tuple[str, ...] | None = None,
    normal_class: str,
    columns: Columns | None = None,
    choices: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Prepared:
    """The first half of the normal rows trains; the rest of them and all anomalous ones are the test part.

    Where nobody knows which are normal, the first half of all rows trains, and the rest is the test part.

    Args:
        name: of the table, for messages.
        rows: finite numbers (N, D).
        labels: (N,), true or 1 where a row is anomalous, or None.
        names: what the owner calls each row.
        columns: how the rows were made of the owner's columns; mean and deviation are added.

    Returns:
        Columns have mean 0 and deviation 1 on the training part; one that is constant there is 0.
    """
    train, test = halves(name, np.zeros(len(rows)) if labels is None else labels, labels is not None)
    split = "the first half of all rows; test = the other half"
    if labels is not None:
        split = "the first half of the normal rows; test = the other half and all anomalous rows"
    scaler = StandardScaler().fit(rows[train])
    return Prepared(
        train=scaler.transform(rows[train]).astype(np.float64),
        test=scaler.transform(rows[test]).astype(np.float64),
        labels=None if labels is None else np.asarray(labels, np.uint8)[test],
        names=None if names is None else tuple(names[row] for row in test),
        columns=replace(columns or Columns(), mean=tuple(scaler.mean_.tolist()), scale=tuple(scaler.scale_.tolist())),
        normal_class=normal_class,
        choices=(
            *choices,
            f"train = {split}",
            "columns standardised on the training part",
        ),
        notes=notes,
    )


def halves(name: str, labels: Array, both: bool = True) -> tuple[Array, Array]:
    """Indices of the training rows and of the test rows, normal ones first.

    Args:
        both: whether there must be anomalous rows.

    Raises:
        DataError: there is no row to train on, or the test part lacks a class.
    """
    normal, anomalous = np.flatnonzero(np.equal(labels, 0)), np.flatnonzero(labels)
    if len(normal) < 2 or (both and not len(anomalous)):
        raise DataError(
            f"{name}: has {len(normal)} normal and {len(anomalous)} anomalous rows, expected two normal ones and one "
            "anomalous at least; add rows, or mend their labels"
        )
    train, rest = np.split(normal, [round(TRAIN_SHARE * len(normal))])
    return train, np.concatenate([rest, anomalous])
