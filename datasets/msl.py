"""MSL: telemetry of NASA's Curiosity rover, one dataset a channel. Steps in the labelled ranges are anomalous."""

from __future__ import annotations

from functools import partial

from anomark.data.telemanom import prepare_channel

NAME = "Mars Science Laboratory telemetry"
LABEL = "MSL"
MODALITY = "series"
LEVEL = "point"
LICENCE = "Caltech, BSD-like"
SOURCE = "https://github.com/khundman/telemanom"
CITATION = "Hundman et al.: Detecting Spacecraft Anomalies Using LSTMs, KDD 2018"
ITEMS: dict[str, dict] = {
    "C-1": {},
    "C-2": {},
    "D-14": {},
    "D-15": {},
    "D-16": {},
    "F-4": {},
    "F-5": {},
    "F-7": {},
    "F-8": {},
    "M-1": {},
    "M-2": {},
    "M-3": {},
    "M-4": {},
    "M-5": {},
    "M-6": {},
    "M-7": {},
    "P-10": {},
    "P-11": {},
    "P-14": {},
    "P-15": {},
    "S-2": {},
    "T-12": {},
    "T-13": {},
    "T-4": {},
    "T-5": {},
    "T-8": {},
    "T-9": {},
}
DEFAULTS = {"window": 100, "stride_divisor": 8}
FILES = (
    ("msl.zip",),
    ("msl/data/train/{item}.npy", "msl/data/test/{item}.npy", "msl/labeled_anomalies.csv"),
    ("telemanom/data/train/{item}.npy", "telemanom/data/test/{item}.npy", "telemanom/labeled_anomalies.csv"),
)

prepare = partial(prepare_channel, layouts=FILES)
