"""Looks at a user's files and says which dataset they make: photographs, recordings, series or rows of a table.

What a file holds is read by the functions that read it in a run; nothing here has rules of its own for that.
"""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from anomark.contracts import Array, DataError, Prepared
from anomark.data.arrange import HELD_OUT
from anomark.data.audio import ENDINGS
from anomark.data.image_folder import masks_of
from anomark.data.rawfiles import RawFiles
from anomark.data.reading.folders import ALL_OTHERS, GOOD, MASK_FOLDERS, Laid, laid_out, visible
from anomark.data.reading.labels import LABELS, LABELS_OF_CASES, usual_label
from anomark.data.reading.photographs import suffixes
from anomark.data.reading.tables import MOST_ENTITIES
from anomark.data.reading.values import MISSING, Clock, clock_column
from anomark.data.streamed import read_csv
from anomark.evaluation.held_out import FEWEST, SHORTEST
from anomark.suite.registry import Family, families

#: Families of datasets that take files of anybody.
PHOTOGRAPHS, RECORDINGS, SERIES, ROWS = "folder", "clips", "table", "rows"
TABLES = frozenset({".csv", ".tsv", ".parquet"})
#: What else than GOOD people call a folder of normal files.
NORMAL = GOOD | {"fine", "healthy", "pass", "passed", "clean", "nominal", "intact", "goods"}
#: How people call a column that counts the rows.
COUNTS = frozenset({"", "index", "idx", "step", "t", "unnamed: 0"})
#: From this correlation of neighbouring rows on, the order of rows that are counted means something; or of any rows.
COUNTED, ALIKE = 0.5, 0.8
#: An entity has so many rows on average.
ROWS_EACH = 32
#: Datasets that a folder is taken apart into at most, and photographs whose sizes are looked up.
MOST, SEEN = 50, 500


@dataclass(frozen=True)
class Found:
    """One dataset that files make.

    item
        A short name for it, of small letters, digits, _ and -.
    path
        The file or folder, absolute.
    params
        Parameters of the dataset that differ from the family's defaults.
    said
        What was found, in sentences for the user.
    photographs
        How many of them there are.
    enough
        Whether there are enough normal samples to hold some out and rank methods without labels.
    """

    family: Family
    item: str
    path: Path
    params: dict[str, Any] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    photographs: int = 0
    enough: bool = True

    @property
    def dataset(self) -> str:
        return f"{self.family.id}-{self.item}"


def own_families() -> tuple[str, ...]:
    """The families that take files of anybody."""
    return PHOTOGRAPHS, RECORDINGS, SERIES, ROWS


def short(name: str) -> str:
    """A name as it can stand in an id: "Größe (2).csv" gives "grosse_2"."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40] or "own"


def look(path: Path, kind: str = "") -> list[Found]:
    """The datasets that a file or a folder makes.

    Args:
        kind: the family, where the user says it.

    Raises:
        DataError: nothing can be made of it; the sentence says what was found and what to do.
    """
    path = Path(path).expanduser().absolute()
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; give the path of your own")
    if path.is_file():
        if path.suffix.lower() not in TABLES:
            raise DataError(f"{path}: is one file and no table (.csv); give the folder that holds all your files")
        return [_table(path, kind)]
    files = sorted(file for file in path.rglob("*") if file.is_file() and visible(file, path))
    endings = {
        PHOTOGRAPHS: suffixes(),
        RECORDINGS: frozenset(ENDINGS),
        SERIES: TABLES,
    }
    kinds = {family: [f for f in files if f.suffix.lower() in known] for family, known in endings.items()}
    if kind:
        kinds = {family: found for family, found in kinds.items() if family == (SERIES if kind == ROWS else kind)}
    family = max(kinds, key=lambda family: len(kinds[family]))
    if not kinds[family]:
        seen = ", ".join(f"{n} {end or 'without ending'}" for end, n in Counter(f.suffix for f in files).most_common(5))
        raise DataError(
            f"{path}: holds no photographs, recordings or tables ({seen or 'no files at all'}); give a folder with some"
        )
    if family == SERIES:
        return _tables(path, kinds[family], kind)
    return _folders(path, kinds[family], len(files) - len(kinds[family]), families()[family], endings[family])


# -- folders -------------------------------------------------------------------------------------------------------


def _folders(path: Path, files: list[Path], others: int, family: Family, endings: frozenset[str]) -> list[Found]:
    """The dataset of a folder, or of each folder in it that is laid out with train/."""
    inside = [folder for folder in sorted(path.iterdir()) if (folder / "train").is_dir()]
    if inside:
        return [_folder(folder, files, 0, family, endings) for folder in inside[:MOST]]
    return [_folder(path, files, others, family, endings)]


def _folder(path: Path, files: list[Path], others: int, family: Family, endings: frozenset[str]) -> Found:
    files = [file for file in files if path in file.parents]
    what = "photograph" if family.id == PHOTOGRAPHS else "recording"
    params, how = _layout(path, files, what)
    flat = (params["normal"], params["suspects"]) if params else None
    laid = laid_out(path, files, endings, what, flat)
    tested = f"{laid.counts[1]} normal and {laid.counts[2]} anomalous ones"
    if laid.labels is None:
        tested = f"{len(laid.test)} without labels"
    said = [
        f"{len(files)} {what}s, {_endings(files)}{_sizes(files) if family.id == PHOTOGRAPHS else ''}.",
        f"{how} That makes {laid.counts[0]} to train on, and {tested} to test on.",
        *(f"{_sentence(note)}." for note in laid.told),
    ]
    if others:
        said.append(f"{others} files of other kinds are left aside.")
    count = len(files) if family.id == PHOTOGRAPHS else 0
    enough = HELD_OUT * laid.counts[0] > FEWEST
    return Found(family, short(path.name), path, params, (*said, *_masks(path, laid, family)), count, enough)


def _layout(path: Path, files: list[Path], what: str) -> tuple[dict[str, str], str]:
    """The parameters that say where normal and suspect files lie, and the same for the user."""
    tops = Counter(parts[0] for file in files if len(parts := file.relative_to(path).parts) > 1)
    if "train" in tops or "test" in tops:
        return {}, "They are laid out in train and test."
    normal = [name for name in tops if name.casefold() in NORMAL]
    suspects = [name for name in tops if name not in (*normal, *MASK_FOLDERS)]
    if len(normal) == 1 and suspects:
        hold = f"{suspects[0]!r} suspects" if len(suspects) == 1 else f"the {len(suspects)} others suspects"
        how = f"The folder {normal[0]!r} holds normal ones, {hold}; of the normal ones a share tests."
        return {"normal": normal[0], "suspects": suspects[0] if len(suspects) == 1 else ALL_OTHERS}, how
    if not normal or not suspects:
        return {}, "Nothing says which of them are anomalous."
    held = ", ".join(f"{name} ({count})" for name, count in tops.most_common(6))
    raise DataError(
        f"{path}: its folders are {held}, of which {len(normal)} seem to hold normal {what}s; put these into one, or "
        "lay all out as train/good, test/good and test/<kind>"
    )


def _masks(path: Path, laid: Laid, family: Family) -> list[str]:
    """What a reader says of the masks, where there may be some."""
    if family.id != PHOTOGRAPHS or not laid.defects:
        return []
    found, notes = masks_of(path, laid.meant, laid.defects)
    if not found:
        return ["None has a mask, so there will be no figures of single pixels."]
    return [f"{len(found)} of {len(laid.defects)} anomalous ones have a mask.", *(f"{_sentence(n)}." for n in notes)]


def _endings(files: Sequence[Path]) -> str:
    counts = Counter(file.suffix.lower() for file in files).most_common()
    return " and ".join(f"{count} {ending}" for ending, count in counts[:4])


def _sizes(files: list[Path]) -> str:
    """The widths and heights of photographs, from the heads of at most so many files."""
    sizes = []
    for file in files[:: max(1, len(files) // SEEN)]:
        try:
            with Image.open(file) as image:
                sizes.append(image.size)
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"{file}: not a readable image; replace it by a whole copy, or remove it") from error
    low, high = min(sizes), max(sizes)
    alike = f"{low[0]}x{low[1]}"
    return f", of {alike} pixels" if low == high else f", of {alike} to {high[0]}x{high[1]} pixels"


# -- tables --------------------------------------------------------------------------------------------------------


def _tables(path: Path, files: list[Path], kind: str) -> list[Found]:
    """The dataset of train.csv and test.csv, or one of each table in a folder."""
    names = {file.name for file in files if file.parent == path}
    for ending in sorted(TABLES):
        if {f"train{ending}", f"test{ending}"} <= names:
            said = f"train{ending} and test{ending} are the two parts of one series."
            return [_read(families()[SERIES], path, {}, (said,))]
    found = [_table(file, kind) for file in files[:MOST]]
    twice = [name for name, count in Counter(f.dataset for f in found).items() if count > 1]
    if twice:
        raise DataError(f"{path}: two tables would be called {twice[0]}; rename one of them")
    return found


def _table(path: Path, kind: str) -> Found:
    """The dataset of one table: a series where the order of its rows means something, else rows of cases."""
    files = RawFiles(Path(), (("{item}" + path.suffix.lower(),),), path=str(path))
    head = next(read_csv(files, path.as_posix(), keep_default_na=False))
    if not len(head):
        raise DataError(f"{path}: has no rows below its header; give a table with some")
    columns = [str(column) for column in head.columns]
    entity = _entity(path, head)
    series, why = _is_series(head, entity)
    if kind:
        series, why = kind == SERIES, "You said so."
    said = [f"{len(columns)} columns: {', '.join(map(repr, columns[:8]))}{' ...' * (len(columns) > 8)}."]
    other = "a row a case" if series else "one series over time"
    way = f"If it is {other}, say --as {ROWS if series else SERIES}." * (not kind)
    said.append(f"It is {'a series over time' if series else 'a table with a row a case'}. {why} {way}".strip())
    label = usual_label(columns, "", LABELS if series else LABELS_OF_CASES)
    said.append(f"The column of labels is {label!r}." if label else "No column of labels was found.")
    params = {"entity": entity} if series and entity else {}
    return _read(families()[SERIES if series else ROWS], path, params, tuple(said))


def _entity(path: Path, head: pd.DataFrame) -> str:
    """The column that tells whose row it is: times go on within each of its values, and not from row to row."""
    columns = [str(column) for column in head.columns]
    clock, label = clock_column(columns, "", head), usual_label(columns, "")
    if not clock or _goes_on(path, clock, head):
        return ""
    for column in columns:
        groups = head.groupby(column, sort=False) if column not in (clock, label) else None
        if groups is None or not 2 <= groups.ngroups <= min(MOST_ENTITIES, len(head) / ROWS_EACH):
            continue
        if all(_goes_on(path, clock, rows) for _, rows in groups):
            return column
    return ""


def _goes_on(path: Path, clock: str, rows: pd.DataFrame) -> bool:
    """Whether time goes on from row to row."""
    try:
        Clock(str(path), clock).check(rows[clock])
    except DataError:
        return False
    return True


def _is_series(head: pd.DataFrame, entity: str) -> tuple[bool, str]:
    """Whether rows stand in an order in time, and how that was told."""
    columns = [str(column) for column in head.columns]
    clock, label = clock_column(columns, "", head), usual_label(columns, "", LABELS_OF_CASES)
    given = head[[c for c in columns if c not in (clock, label, entity)]]
    numbers = given.apply(pd.to_numeric, errors="coerce")
    empty = given.apply(lambda column: column.str.strip().str.lower().isin(MISSING))
    if words := [c for c in given if (numbers[c].isna() & ~empty[c]).any()]:
        return False, f"The column {words[0]!r} holds words."
    counted = clock is not None and clock.startswith("Unnamed:")
    if clock and not counted:
        each = head if not entity else head[head[entity] == head[entity].iloc[0]]
        whose = f", and {entity!r} tells whose row it is: each makes a dataset" if entity else ""
        return True, f"The column {clock!r} tells the time{_step(each[clock])}{whose}."
    counts = [c for c in numbers if c.casefold() in COUNTS and len(set(np.diff(numbers[c]))) == 1 and len(numbers) > 2]
    correlation = _correlation(numbers.drop(columns=counts).ffill().bfill().to_numpy(np.float64))
    if correlation >= (COUNTED if counts or counted else ALIKE):
        return True, f"Neighbouring rows are alike (their correlation is {correlation:.2f})."
    return False, f"No column tells the time, and neighbouring rows are not alike (correlation {correlation:.2f})."


def _step(times: pd.Series) -> str:
    """The usual time from one row to the next, for the user."""
    if pd.to_numeric(times, errors="coerce").notna().all():
        return f", in steps of {np.median(np.diff(times.astype(float))):g}"
    clock = pd.to_datetime(times, format="mixed", errors="coerce", utc=True).dropna()
    return f", in steps of {clock.diff().median()}".replace("0 days ", "") if len(clock) > 1 else ""


def _correlation(values: Array) -> float:
    """The median over columns of the correlation of each row's value with the next row's."""
    values = values - values.mean(axis=0)
    power = (values**2).sum(axis=0)
    moving = power > 0
    if len(values) < 3 or not moving.any():
        return 0.0
    return float(np.median((values[1:] * values[:-1]).sum(axis=0)[moving] / power[moving]))


def _read(family: Family, path: Path, params: dict[str, Any], said: tuple[str, ...]) -> Found:
    """A dataset of tables, read as a run would read it; where anomalies come early, less of a series trains."""
    item = short(path.stem)
    module = importlib.import_module(family.module)

    def read() -> Prepared:
        given = family.defaults | {"item": item, "path": str(path)} | params
        if given.get("entity"):  # the first of them stands for all
            given["only"] = module.entities(Path(), **given)[0]
        prepared: Prepared = module.prepare(Path(), **given)
        return prepared

    try:
        prepared = read()
    except DataError as error:
        share = re.search(r"with train_share below ([0-9.]+)", str(error))
        if not share or (lower := np.floor(100 * float(share[1]) - 1e-9) / 100) < 0.05:
            raise
        params = params | {"train_share": float(lower)}
        prepared = read()
        said += (f"The first anomaly comes early, so the first {lower:.0%} of the rows train.",)
    parts = (
        f"{len(prepared.train)} rows train, {len(prepared.test)} are tested",
        *prepared.choices,
        *prepared.notes,
    )
    held, needed = HELD_OUT * len(prepared.train), SHORTEST * prepared.window if prepared.window else FEWEST
    said += tuple(f"{_sentence(part)}." for part in parts)
    return Found(family, item, path, params, said, enough=held > needed)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].removesuffix(".")
