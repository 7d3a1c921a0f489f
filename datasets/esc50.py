"""ESC-50: environmental sounds of fifty classes. One class is normal, the others are anomalous."""

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
#: The classes, as the owner writes them.
ITEMS: dict[str, dict] = {
    "airplane": {},
    "breathing": {},
    "brushing_teeth": {},
    "can_opening": {},
    "car_horn": {},
    "cat": {},
    "chainsaw": {},
    "chirping_birds": {},
    "church_bells": {},
    "clapping": {},
    "clock_alarm": {},
    "clock_tick": {},
    "coughing": {},
    "cow": {},
    "crackling_fire": {},
    "crickets": {},
    "crow": {},
    "crying_baby": {},
    "dog": {},
    "door_wood_creaks": {},
    "door_wood_knock": {},
    "drinking_sipping": {},
    "engine": {},
    "fireworks": {},
    "footsteps": {},
    "frog": {},
    "glass_breaking": {},
    "hand_saw": {},
    "helicopter": {},
    "hen": {},
    "insects": {},
    "keyboard_typing": {},
    "laughing": {},
    "mouse_click": {},
    "pig": {},
    "pouring_water": {},
    "rain": {},
    "rooster": {},
    "sea_waves": {},
    "sheep": {},
    "siren": {},
    "sneezing": {},
    "snoring": {},
    "thunderstorm": {},
    "toilet_flush": {},
    "train": {},
    "vacuum_cleaner": {},
    "washing_machine": {},
    "water_drops": {},
    "wind": {},
}
#: The owner's five folds are kept; all clips last 5 s at 44.1 kHz.
DEFAULTS = {"test_fold": 5, "rate": 8000, "seconds": 5.0}
FILES = (
    ("ESC-50-master/meta/esc50.csv", "ESC-50-master/audio/*.*"),
    ("ESC-50/meta/esc50.csv", "ESC-50/audio/*.*"),
)

prepare = partial(prepare_esc, layouts=FILES, smaller=False)
