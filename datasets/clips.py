"""Own sounds: a folder of your recordings, normal ones to train on, normal and faulty ones to test on.

The folder is laid out as one of images is: `train/good`, `test/good`, `test/<kind of fault>`. It needs no code:
`clips-pump` in a suite reads `clips/pump` of the data folder. A folder of normal recordings beside one of suspects will
do too: name them as `normal` and `suspects` in `dataset_params`. Files may be WAV, FLAC, Ogg or MP3, at any rate, in
any depth, with any number of channels, which are averaged.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from anomark.contracts import Array, DataError, Prepared
from anomark.data.audio import ENDINGS, read_clip
from anomark.data.rawfiles import locate, named
from anomark.data.reading.folders import laid_out

NAME = "Own sounds"
LABEL = "Own sounds"
MODALITY = "audio"
LEVEL = "clip"
LICENCE = "yours"
SOURCE = "your own folder"
CITATION = ""
#: Any name of a folder.
ITEMS: dict[str, dict] = {"*": {}}
#: Samples a second and seconds of every clip: where they are 0, the rate of the slowest file (16,000 at most), and the
#: median length of training files (10 s at most). `normal` and `suspects` name folders, in place of train/ and test/.
#: `path` names the folder, where it does not lie in the data folder.
#: `suspects: "*"` stands for every folder but those of normal files and of masks.
DEFAULTS = {"rate": 0, "seconds": 0.0, "normal": "", "suspects": "", "path": ""}
FILES = (("clips/{item}/**/*.*",),)
FASTEST, LONGEST = 16_000, 10.0
ADVICE = "replace it by a whole copy, or remove it"


def prepare(raw: Path, *, item: str, rate: int, seconds: float, normal: str, suspects: str, path: str = "") -> Prepared:
    """Clips (N, 1, rate * seconds) in [-1, 1]; shorter ones are repeated, longer ones cut.

    With `normal` and `suspects`, 70% of the normal recordings train, and the others are tested beside the suspects.

    Raises:
        DataError: files are missing or broken.
    """
    if bool(normal) != bool(suspects):
        raise DataError(f"{item}: dataset_params name a folder of normal recordings or of suspects; name both")
    root = named(path) if path else raw / "clips" / item
    laid = laid_out(
        root, locate(raw, FILES, item=item, path=path), ENDINGS, "recording", (normal, suspects) if normal else None
    )
    files = [*laid.train, *laid.test]
    facts = [_facts(path) for path in files]
    slowest = min(own for own, _ in facts)
    rate = rate or min(FASTEST, slowest)
    lengths = [length for _, length in facts]
    seconds = seconds or min(LONGEST, float(np.median(lengths[: len(laid.train)])))

    def clips(paths: list[Path]) -> Array:
        return np.stack([read_clip(path, rate, seconds, ADVICE) for path in paths])[:, None]

    repeated = sum(length < seconds for length in lengths)
    return Prepared(
        train=clips(laid.train),
        test=clips(laid.test),
        labels=laid.labels,
        names=laid.names(root),
        value_range=(-1.0, 1.0),
        rate=rate,
        normal_class="" if laid.labels is None else normal or "good",
        choices=(f"{rate} Hz, {seconds:g} s", "shorter recordings are repeated, longer ones cut"),
        notes=(
            laid.counted("recording"),
            *laid.told,
            *([f"{repeated} recordings are shorter than {seconds:g} s and were repeated"] if repeated else []),
            *laid.aside("recordings"),
        ),
    )


def _facts(path: Path) -> tuple[int, float]:
    """Samples a second, and seconds."""
    try:
        found = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise DataError(f"{path}: not a readable sound file ({error}); {ADVICE}") from error
    return int(found.samplerate), found.frames / found.samplerate
