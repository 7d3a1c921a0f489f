"""ESC-10: environmental sounds of ten classes. One class is normal, the nine others are anomalous."""

from __future__ import annotations

from functools import partial

from anomark.data.audio import prepare_esc

NAME = "ESC-10: Dataset for Environmental Sound Classification"
LABEL = "ESC-10"
MODALITY = "audio"
LEVEL = "clip"
LICENCE = "CC BY"
SOURCE = "https://github.com/karolpiczak/ESC-50"
CITATION = "Piczak: ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015"
#: The classes, as the owner writes them.
ITEMS: dict[str, dict] = {
    "chainsaw": {},
    "clock_tick": {},
    "crackling_fire": {},
    "crying_baby": {},
    "dog": {},
    "helicopter": {},
    "rain": {},
    "rooster": {},
    "sea_waves": {},
    "sneezing": {},
}
#: The owner's five folds are kept; all clips last 5 s at 44.1 kHz.
DEFAULTS = {"test_fold": 5, "rate": 8000, "seconds": 5.0}
FILES = (
    ("ESC-50-master/meta/esc50.csv", "ESC-50-master/audio/*.*"),
    ("ESC-50/meta/esc50.csv", "ESC-50/audio/*.*"),
)

prepare = partial(prepare_esc, layouts=FILES, smaller=True)
