"""Tables that ship with scikit-learn, as one-class problems: one class is normal, every other is anomalous."""

from __future__ import annotations

from pathlib import Path

from sklearn import datasets

from anomark.contracts import Columns, Prepared
from anomark.data.rows import split_rows

NAME = "Tables of scikit-learn"
LABEL = "Bundled"
MODALITY = "tabular"
LEVEL = "row"
LICENCE = "CC BY 4.0"
SOURCE = ""
CITATION = (
    "Dua, Graff: UCI Machine Learning Repository, 2019 (Breast Cancer Wisconsin Diagnostic; Wine; Optical Digits)"
)
#: The normal class of each: benign, the most frequent cultivar, and a digit that others resemble.
ITEMS = {"breast_cancer": {"normal": 1}, "wine": {"normal": 1}, "digits": {"normal": 8}}


def prepare(raw: Path, *, item: str, normal: int) -> Prepared:
    """Rows (N, D), standardised on the training part: the first half of the normal rows; `raw` is not used."""
    table = getattr(datasets, f"load_{item}")()
    return split_rows(
        item,
        table.data,
        table.target != normal,
        columns=Columns(tuple(map(str, table.feature_names))),
        normal_class=str(table.target_names[normal]),
        choices=(f"class {table.target_names[normal]} is normal, every other is anomalous",),
    )
