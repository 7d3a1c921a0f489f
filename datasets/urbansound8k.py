"""UrbanSound8K: sounds of a city of ten classes. One class is normal, the nine others are anomalous."""

from __future__ import annotations

from pathlib import Path

from anomark.contracts import Prepared
from anomark.data.audio import prepare_clips, read_table
from anomark.data.rawfiles import locate

NAME = "UrbanSound8K"
LABEL = "UrbanSound8K"
MODALITY = "audio"
LEVEL = "clip"
LICENCE = "CC BY-NC 3.0"
SOURCE = "https://urbansounddataset.weebly.com/urbansound8k.html"
CITATION = "Salamon, Jacoby, Bello: A Dataset and Taxonomy for Urban Sound Research, ACM Multimedia 2014"
ITEMS: dict[str, dict] = {
    "air_conditioner": {},
    "car_horn": {},
    "children_playing": {},
    "dog_bark": {},
    "drilling": {},
    "engine_idling": {},
    "gun_shot": {},
    "jackhammer": {},
    "siren": {},
    "street_music": {},
}
#: The owner's ten folds are kept; clips last up to 4 s. Its slowest files have 8,000 samples a second.
DEFAULTS = {"test_fold": 10, "rate": 8000, "seconds": 4.0}
FILES = (
    ("urbansound8k/metadata/UrbanSound8K.csv", "urbansound8k/audio/fold*/*.*"),
    ("UrbanSound8K/metadata/UrbanSound8K.csv", "UrbanSound8K/audio/fold*/*.*"),
)
SUFFIXES = {".wav", ".flac"}


def prepare(raw: Path, *, item: str, test_fold: int, rate: int, seconds: float) -> Prepared:
    """Clips (N, 1, rate * seconds) in [-1, 1]; the recording on freesound.org (fsID) is the group.

    Raises:
        DataError: files are missing or broken, or a class has no clip.
    """
    metadata, *files = locate(raw, FILES, item=item)
    table = read_table(metadata, {"slice_file_name": "name", "fsID": "recording", "fold": "fold", "class": "kind"})
    here = {(path.parent.name, path.stem): str(path) for path in files if path.suffix.lower() in SUFFIXES}
    table["path"] = [
        here.get((f"fold{fold}", Path(name).stem)) for fold, name in zip(table["fold"], table["name"], strict=True)
    ]
    return prepare_clips(table, normal=item, test_fold=test_fold, rate=rate, seconds=seconds, source=str(metadata))
