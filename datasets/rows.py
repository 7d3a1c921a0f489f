"""Own rows: your table as a CSV or Parquet file, a row a case, with a column that tells normal from anomalous ones.

It needs no code: `rows-orders` in a suite reads `rows/orders.csv` of the data folder. Columns may hold numbers or
words, and cells may be empty; `dataset_params` sets what differs.
"""

from __future__ import annotations

from glob import escape
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from anomark.contracts import Array, Columns, DataError, Prepared
from anomark.data.rawfiles import RawFiles, named
from anomark.data.reading.labels import LABELS_OF_CASES, label_column, meaning, usual_label
from anomark.data.rows import halves, split_rows
from anomark.data.streamed import read_csv
from anomark.seeds import seed_of

NAME = "Own rows"
LABEL = "Own rows"
MODALITY = "tabular"
LEVEL = "row"
LICENCE = "yours"
SOURCE = "your own table"
CITATION = ""
#: Any name of a table.
ITEMS: dict[str, dict] = {"*": {}}
#: The column of labels, found by its usual names where this is empty, and the label of normal rows, likewise; columns
#: of numbers that are names of kinds; whether the order of the file, and not a seeded one, splits the normal rows; the
#: file, where it does not lie in the data folder.
DEFAULTS: dict = {"label": "", "normal": "", "categorical": [], "in_order": False, "path": ""}
FILES = (("rows/{item}.csv",), ("rows/{item}.parquet",), ("rows/{item}.tsv",))
ENDINGS = (".csv", ".parquet", ".tsv")

#: A column with a share of so many numbers is one of numbers, and a word in it a mistake.
MOSTLY = 0.5
#: The most frequent values of a categorical column have a column of their own each, all others share one.
MOST_CATEGORIES = 20
#: Fewer rows than these say nothing of any method.
FEWEST = 10


def prepare(
    raw: Path, *, item: str, label: str, normal: str, categorical: list[str], in_order: bool, path: str = ""
) -> Prepared:
    """Half of the normal rows train, in a seeded order or in that of the file; the rest and all anomalies are tested.

    A missing number becomes the median of its column, a missing word a kind of its own, and words are one-hot encoded.
    Medians, kinds and scales are those of the training part.

    Raises:
        DataError: the file is missing or no table, has no labels or one class, or a cell is not what its column holds.
    """
    files = RawFiles(raw, FILES, item=item, path=path)
    name = files.one(*([escape(named(path).name)] if path else [f"{item}{ending}" for ending in ENDINGS]))
    table = pd.concat(read_csv(files, name))
    if len(table) < FEWEST:
        raise DataError(f"{name}: has {len(table)} rows below its header, expected {FEWEST} at least; add rows")
    known = [*map(str, table.columns)]
    column = label_column(name, known, label, LABELS_OF_CASES) if label else usual_label(known, "", LABELS_OF_CASES)
    labels = None if column is None else _labels(name, table[column], normal)
    table = table.drop(columns=column or [])
    if unknown := [c for c in categorical if c not in table]:
        raise DataError(f"{name}: has no column {unknown[0]!r}, which `categorical` names; correct dataset_params")
    if not len(table.columns):
        raise DataError(f"{name}: has no column but {column!r}; add the columns that methods should see")
    if not in_order:
        order = np.random.default_rng(seed_of(dataset=f"rows-{item}", purpose="split")).permutation(len(table))
        table, labels = table.iloc[order], None if labels is None else labels[order]
    numbers = {c: _numbers(name, table[c]) for c in table if c not in categorical}
    numeric = [str(c) for c, values in numbers.items() if values is not None]
    words = [str(c) for c in table if c not in numeric]
    train, _ = halves(name, np.zeros(len(table)) if labels is None else labels, labels is not None)
    frame = pd.concat([pd.DataFrame({c: numbers[c] for c in numeric}, index=table.index), table[words]], axis=1)
    encoder = ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median", keep_empty_features=True), numeric),
            (
                "words",
                make_pipeline(
                    SimpleImputer(strategy="constant", fill_value="", missing_values=np.nan),
                    OneHotEncoder(
                        handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES, sparse_output=False
                    ),
                ),
                words,
            ),
        ]
    ).fit(frame.iloc[train])
    rows = np.asarray(encoder.transform(frame), np.float64)
    missing, still = int(frame.isna().to_numpy().sum()), [c for c in table if table[c].iloc[train].nunique(False) == 1]
    notes = [f"{len(numeric)} columns of numbers, {len(words)} of words; {rows.shape[1]} after encoding"]
    notes += [f"{missing} missing cells"] * bool(missing)
    if labels is None:
        notes.append(f"nothing says whether the {len(train)} rows that train are normal; anomalies may be among them")
    notes += [f"constant in the training part: {', '.join(map(str, still[:5]))}{' ...' * (len(still) > 5)}"] * bool(
        still
    )
    return split_rows(
        name,
        rows,
        labels,
        columns=_columns(encoder, numeric, words),
        names=tuple(f"line {row + 2}" for row in table.index),
        normal_class="" if labels is None else normal or "normal",
        choices=(
            f"{'normal ' * (labels is not None)}rows in {'the order of the file' if in_order else 'a seeded order'}",
            "missing numbers are the median of the training part, missing words a kind of their own",
            f"words one-hot encoded, the {MOST_CATEGORIES - 1} most frequent of a column at most, all others together",
        ),
        notes=tuple(notes),
    )


def _columns(encoder: ColumnTransformer, numeric: list[str], words: list[str]) -> Columns:
    """What the encoder learnt of the training part."""
    fitted, kinds = encoder.named_transformers_, {}
    if words:
        one_hot = fitted["words"][-1]
        for column, known, rare in zip(words, one_hot.categories_, one_hot.infrequent_categories_, strict=True):
            few = set() if rare is None else set(rare)
            kinds[column] = (*(word for word in known if word not in few), *([None] if few else []))
    return Columns(tuple(numeric), tuple(fitted["numbers"].statistics_.tolist()) if numeric else (), kinds)


def _labels(name: str, column: pd.Series, normal: str) -> Array:
    """uint8 (N,), 1 where a row is anomalous."""
    text = column.fillna("").str.strip().str.lower()
    first = text.drop_duplicates()
    lines = dict(zip(first, (first.index + 2).tolist(), strict=True))
    return text.map(meaning(name, lines, normal)).to_numpy(np.uint8)


def _numbers(name: str, column: pd.Series) -> Array | None:
    """float64 (N,), NaN where a cell is empty; None if the column holds words.

    Raises:
        DataError: most cells are numbers, and one is not, or is infinite.
    """
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    given, read = column.notna().to_numpy(), ~np.isnan(values)
    if read.sum() < MOSTLY * given.sum():
        return None
    wrong = given & ~np.isfinite(values)
    if wrong.any():
        place = int(np.argmax(wrong))
        raise DataError(
            f"{name}: line {column.index[place] + 2} has {column.name} {column.iloc[place]!r}, expected a finite "
            f"number as in the other lines; correct it, or name {column.name} under `categorical` in dataset_params"
        )
    return values
