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
    labels: Array,
    *,
    normal_class: str,
    columns: Columns | None = None,
    choices: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Prepared:
    """The first half of the normal rows trains; the rest of them and all anomalous ones are the test part.

    Args:
        name: of the table, for messages.
        rows: finite numbers (N, D).
        labels: (N,), true or 1 where a row is anomalous.
        columns: how the rows were made of the owner's columns; mean and deviation are added.

    Returns:
        Columns have mean 0 and deviation 1 on the training part; one that is constant there is 0.
    """
    train, test = halves(name, labels)
    scaler = StandardScaler().fit(rows[train])
    return Prepared(
        train=scaler.transform(rows[train]).astype(np.float64),
        test=scaler.transform(rows[test]).astype(np.float64),
        labels=np.asarray(labels, np.uint8)[test],
        columns=replace(columns or Columns(), mean=tuple(scaler.mean_.tolist()), scale=tuple(scaler.scale_.tolist())),
        normal_class=normal_class,
        choices=(
            *choices,
            "train = the first half of the normal rows; test = the other half and all anomalous rows",
            "columns standardised on the training part",
        ),
        notes=notes,
    )


def halves(name: str, labels: Array) -> tuple[Array, Array]:
    """Indices of the training rows and of the test rows, normal ones first.

    Raises:
        DataError: there is no row to train on, or the test part lacks a class.
    """
    normal, anomalous = np.flatnonzero(np.equal(labels, 0)), np.flatnonzero(labels)
    if len(normal) < 2 or not len(anomalous):
        raise DataError(
            f"{name}: has {len(normal)} normal and {len(anomalous)} anomalous rows, expected two normal ones and one "
            "anomalous at least; add rows, or mend their labels"
        )
    train, rest = np.split(normal, [round(TRAIN_SHARE * len(normal))])
    return train, np.concatenate([rest, anomalous])
