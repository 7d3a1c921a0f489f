"""ESC-50: fifty classes of environmental sounds; one is normal, the others are anomalous."""

from __future__ import annotations

from functools import partial

from anomark.data.audio import prepare_esc

NAME = "ESC-50: Dataset for Environmental Sound Classification"
LABEL = "ESC-50"
MODALITY = "audio"
LEVEL = "clip"
LICENCE = "CC BY-NC 3.0"
SOURCE = "https://github.com/karolpiczak/ESC-50"
CITATION = "Piczak: ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015"
#: Any class as its owner writes it: esc50-dog.
ITEMS: dict[str, dict] = {"*": {}}
#: The owner's five folds are kept; all clips last 5 s at 44.1 kHz.
DEFAULTS = {"test_fold": 5, "rate": 8000, "seconds": 5.0}
FILES = (
    ("ESC-50-master/meta/esc50.csv", "ESC-50-master/audio/*.*"),
    ("ESC-50/meta/esc50.csv", "ESC-50/audio/*.*"),
)

prepare = partial(prepare_esc, layouts=FILES, smaller=False)
