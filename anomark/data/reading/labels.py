"""Columns of labels as people write them: how they are called, and what their values mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anomark.contracts import DataError

#: Usual names of the column of labels, the first of them that a table has. In a table of cases the last three are
#: labels too, where in a series they are what was measured.
LABELS = ("label", "labels", "anomaly", "is_anomaly", "outlier", "is_outlier")
LABELS_OF_CASES = (*LABELS, "class", "target", "y")
NORMAL = frozenset({"0", "0.0", "false", "f", "no", "n", "normal", "inlier", "ok", "good"})
ANOMALOUS = frozenset({"1", "1.0", "true", "t", "yes", "y", "anomaly", "anomalous", "abnormal", "outlier", "bad"})
#: Signs, where these are all values: what scikit-learn gives.
SIGNS = {"-1": 1, "-1.0": 1, "1": 0, "1.0": 0}


def usual_label(columns: Sequence[str], label: str, names: Sequence[str] = LABELS) -> str | None:
    """The column called `label`, or where that is empty the first of the usual names, in capitals or not; or None."""
    if label:
        return label if label in columns else None
    usual = {column.strip().lower(): column for column in reversed(columns)}
    return next((usual[known] for known in names if known in usual), None)


def label_column(name: str, columns: Sequence[str], label: str, names: Sequence[str] = LABELS) -> str:
    """The column of labels of a table.

    Args:
        name: of the table, for messages.
        label: its name; empty for the usual ones, in capitals or not.
        names: the usual ones.

    Raises:
        DataError: there is none.
    """
    found = usual_label(columns, label, names)
    if found is None:
        shown = ", ".join(columns[:8]) + " ..." * (len(columns) > 8)
        raise DataError(
            f"{name}: columns are {shown}, expected one of labels called {label or ' or '.join(names)}; give its "
            "name as `label` in dataset_params"
        )
    return found


def meaning(name: str, lines: Mapping[str, int], normal: str = "") -> dict[str, int]:
    """What each value of a column of labels means: 1 an anomaly, 0 a normal row.

    Args:
        name: of the table, for messages.
        lines: the first line of each value; values are stripped and in small letters.
        normal: the value of normal rows, where it is none of the usual ones.

    Raises:
        DataError: a value is empty, or none of the usual ones.
    """
    if lines.keys() <= SIGNS.keys() and lines.keys() & {"-1", "-1.0"} and not normal:
        return {value: SIGNS[value] for value in lines}
    for value, line in lines.items():
        if not value or (not normal and value not in NORMAL | ANOMALOUS):
            raise DataError(
                f"{name}: line {line} has the label {value!r}, expected 0 for a normal or 1 for an anomalous row; mend "
                "it, or give the label of normal rows as `normal` in dataset_params"
            )
    if normal:
        return {value: int(value != normal.strip().lower()) for value in lines}
    return {value: int(value in ANOMALOUS) for value in lines}
