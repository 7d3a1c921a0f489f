"""Sound clips of one class against those of the others, in the folds of their owner."""

from __future__ import annotations

from math import gcd
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from scipy.signal import resample_poly

from anomark.contracts import Array, DataError, Prepared
from anomark.data.rawfiles import locate

#: Endings of the files that are taken for sounds.
ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff")
#: Samples a second that no recorder exceeds.
FASTEST = 768_000


def prepare_clips(
    table: pd.DataFrame, *, normal: str, test_fold: int, rate: int, seconds: float, source: str
) -> Prepared:
    """Train on one class outside the test fold, test on all classes of the test fold.

    A training clip whose recording also occurs in the test fold is dropped, because the two would share sound.

    Args:
        table: one row a clip of the whole dataset: `path` (None where this copy lacks the file), `kind`, `fold` and
            `recording`, which clips cut from one recording share.
        rate: samples per second, to which clips are brought.
        seconds: length of every sample. A shorter clip is repeated: silence behind it would tell its length.
        source: file name for error messages.

    Returns:
        Clips (N, 1, rate * seconds) in [-1, 1]; recordings are the groups.

    Raises:
        DataError: a class or fold is missing, or a file is broken.
    """
    here = table["path"].notna()
    in_fold = table["fold"] == test_fold
    usual = table["kind"] == normal
    for what, rows in ((f"class {normal!r}", usual), (f"fold {test_fold}", in_fold)):
        if not rows.any():
            known = sorted(table["kind" if rows is usual else "fold"].unique())
            raise DataError(f"{source}: no clip of {what}; it holds {', '.join(map(str, known))}")
    candidates = here & usual & ~in_fold
    leaking = candidates & table["recording"].isin(table.loc[in_fold, "recording"])
    train, test = candidates & ~leaking, here & in_fold
    for what, rows in (("training", train), (f"normal test (fold {test_fold})", test & usual)):
        if not rows.any():
            raise DataError(
                f"{source}: no {what} clip of class {normal!r} is here; fetch the whole dataset, or name another class"
            )
    if not (test & ~usual).any():
        raise DataError(
            f"{source}: undefined: one class; no clip of another class is here in fold {test_fold}; "
            "choose another test_fold in dataset_params"
        )
    groups = pd.Series(pd.factorize(table["recording"], sort=True)[0], index=table.index)
    notes = [f"{int(leaking.sum())} training clips dropped: their recording occurs in the test fold"]
    if not here.all():
        notes.append(f"partial: {int(here.sum())} of {len(table)} clips are here")
    return Prepared(
        train=np.stack([read_clip(Path(path), rate, seconds) for path in table.loc[train, "path"]])[:, None],
        test=np.stack([read_clip(Path(path), rate, seconds) for path in table.loc[test, "path"]])[:, None],
        labels=(~usual[test]).to_numpy(dtype=np.uint8),
        train_groups=groups[train].to_numpy(),
        test_groups=groups[test].to_numpy(),
        value_range=(-1.0, 1.0),
        rate=rate,
        normal_class=normal,
        choices=(
            f"class {normal} is normal, fold {test_fold} is the test part",
            f"{rate} Hz, shorter clips repeated to {seconds:g} s",
        ),
        notes=tuple(notes),
    )


def prepare_esc(
    raw: Path,
    *,
    layouts: tuple[tuple[str, ...], ...],
    smaller: bool,
    item: str,
    test_fold: int,
    rate: int,
    seconds: float,
) -> Prepared:
    """ESC-50, or the ten classes of it that are ESC-10; the recording on freesound.org is the group.

    Args:
        layouts: `FILES` of the dataset: the owner's table and the clips.

    Returns and raises as `prepare_clips` does.
    """
    metadata, *files = locate(raw, layouts, item=item)
    table = read_table(
        metadata, {"filename": "name", "src_file": "recording", "category": "kind", "fold": "fold", "esc10": "esc10"}
    )
    if smaller:
        table = table[table["esc10"].astype(bool)].copy()
    here = {path.stem: str(path) for path in files}
    table["path"] = [here.get(Path(name).stem) for name in table["name"]]
    return prepare_clips(table, normal=item, test_fold=test_fold, rate=rate, seconds=seconds, source=str(metadata))


def read_clip(path: Path, rate: int, seconds: float, advice: str = "delete it and fetch it again") -> Array:
    """One clip as float32 (rate * seconds,) in [-1, 1]: channels are averaged, and it is resampled and repeated or cut.

    Args:
        advice: what to do about a broken file, for the error.

    Raises:
        DataError: the file is broken, empty, or sampled more slowly than `rate`.
    """
    try:
        samples, own_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise DataError(f"{path}: not a readable sound file ({error}); {advice}") from error
    if not len(samples):
        raise DataError(f"{path}: a sound of 0 samples; {advice}")
    if not np.isfinite(samples).all():
        raise DataError(f"{path}: holds NaN or infinite samples; {advice}")
    if own_rate < rate:
        raise DataError(f"{path}: sampled at {own_rate} Hz, expected {rate} Hz or more; lower rate in dataset_params")
    if own_rate > FASTEST:  # the filter that resamples is as long as the rate is high
        raise DataError(f"{path}: sampled at {own_rate} Hz, expected {FASTEST} Hz or less; {advice}")
    common = gcd(rate, own_rate)
    mono = resample_poly(samples.mean(axis=1), rate // common, own_rate // common)
    return np.clip(np.resize(mono, round(rate * seconds)), -1, 1).astype(np.float32)


def read_table(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    """The owner's table of clips, its columns renamed as {owner's name: ours}.

    Raises:
        DataError: not a table, or a column is missing.
    """
    try:
        table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: not a CSV table ({error}); delete it and fetch it again") from error
    if missing := [name for name in columns if name not in table]:
        raise DataError(
            f"{path}: no column {missing[0]!r}, found {', '.join(table.columns)}; delete it and fetch it again"
        )
    for name in columns:
        if (absent := table[name].isna()).any():
            raise DataError(
                f"{path}: line {int(np.argmax(absent)) + 2} has no {name}; delete the table and fetch it again"
            )
    names = [name for name, ours in columns.items() if ours in ("name", "kind")]
    return table.astype(dict.fromkeys(names, str)).rename(columns=columns)
