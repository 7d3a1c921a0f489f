"""SMAP: telemetry of NASA's soil moisture satellite, one dataset a channel. Steps in labelled ranges are anomalous."""

from __future__ import annotations

from functools import partial

from anomark.data.telemanom import prepare_channel

NAME = "Soil Moisture Active Passive telemetry"
LABEL = "SMAP"
MODALITY = "series"
LEVEL = "point"
LICENCE = "Caltech, BSD-like"
SOURCE = "https://github.com/khundman/telemanom"
CITATION = "Hundman et al.: Detecting Spacecraft Anomalies Using LSTMs, KDD 2018"
ITEMS: dict[str, dict] = {
    "A-1": {},
    "A-2": {},
    "A-3": {},
    "A-4": {},
    "A-5": {},
    "A-6": {},
    "A-7": {},
    "A-8": {},
    "A-9": {},
    "B-1": {},
    "D-1": {},
    "D-2": {},
    "D-3": {},
    "D-4": {},
    "D-5": {},
    "D-6": {},
    "D-7": {},
    "D-8": {},
    "D-9": {},
    "D-11": {},
    "D-12": {},
    "D-13": {},
    "E-1": {},
    "E-2": {},
    "E-3": {},
    "E-4": {},
    "E-5": {},
    "E-6": {},
    "E-7": {},
    "E-8": {},
    "E-9": {},
    "E-10": {},
    "E-11": {},
    "E-12": {},
    "E-13": {},
    "F-1": {},
    "F-2": {},
    "F-3": {},
    "G-1": {},
    "G-2": {},
    "G-3": {},
    "G-4": {},
    "G-6": {},
    "G-7": {},
    "P-1": {},
    "P-2": {},
    "P-3": {},
    "P-4": {},
    "P-7": {},
    "R-1": {},
    "S-1": {},
    "T-1": {},
    "T-2": {},
    "T-3": {},
}
DEFAULTS = {"window": 100, "stride_divisor": 8}
FILES = (
    ("smap.zip",),
    ("telemanom/data/train/{item}.npy", "telemanom/data/test/{item}.npy", "telemanom/labeled_anomalies.csv"),
)

prepare = partial(prepare_channel, layouts=FILES)
