"""The parsers that are fuzzed: valid files for each, and how they are read.

A parser of one's own is a further entry of PARSERS: small valid files by name, and a function that reads a folder
which holds them.
"""

from __future__ import annotations

import importlib
import io
import json
import tempfile
import unicodedata
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import yaml
from PIL import Image

from anomark import modality
from anomark.contracts import AnomarkError
from anomark.data import arrange, fetch
from anomark.files import read_yaml
from anomark.records import Meta
from anomark.suite import config, papers, registry, select
from anomark.suite.dropins import ROOT
from tests.fuzz.breaking import Files


@dataclass(frozen=True)
class Parser:
    """What is fuzzed.

    files
        Small valid files, by their path in a folder.
    read
        Reads the folder; it may raise AnomarkError and nothing else.
    share
        How many of the cases it gets, beside the other parsers.
    """

    name: str
    files: Callable[[], dict[str, bytes]]
    read: Callable[[Path], object]
    share: int = 1

    @property
    def valid(self) -> dict[str, bytes]:
        return _valid(self)


@cache
def _valid(parser: Parser) -> dict[str, bytes]:
    return parser.files()


def accepts(parser: Parser, files: Files) -> bool:
    """Whether the parser takes the files; False where it refuses them in a sentence as the house wants it.

    Raises:
        AssertionError: the refusal is no single line of printable text.
        Exception: the parser let something else out.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in files.items():
            if content is not None:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parser.read(folder)
        except AnomarkError as error:
            said = str(error)
            strange = [char for char in said if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
            assert said and not strange, f"the refusal holds {strange[:3]}: {said[:300]!r}"
            assert len(said) < 2000, f"a refusal of {len(said)} characters: {said[:300]!r}"
            return False
    return True


# -- the parsers ---------------------------------------------------------------------------------------------------


def _suite(folder: Path) -> object:
    raw = read_yaml(folder / "suite.yaml")
    suite = config.validate(config.merge(_default(), raw), "suite.yaml")
    suite.data_folder()
    chosen, methods = select.datasets(suite), select.methods(suite)
    select.check_parameters(suite, chosen)
    return methods, suite.model_dump(mode="json")


@cache
def _default() -> dict[str, Any]:
    return read_yaml(ROOT / "config/default.yaml")


def _suite_files() -> dict[str, bytes]:
    text = """suite: mine
data_root: /nowhere
datasets: [series, beats, ucr-ECG200, table-pump]
only: [knn, pca]
exclude: []
seeds: [0, 1]
threads: 1
resolution: 16
budget: {steps: 20}
preprocessing: {size: 16}
params: {knn: {n_neighbors: 3}}
dataset_params: {table-pump: {window: 40, label: label}}
limits: {seconds: 60, memory_gb: 2}
sweep: {methods: [], samples: 8}
core_seconds: {other: 5, knn: 1.5}
"""
    return {"suite.yaml": text.encode()}


def dataset(family: str, item: str | None = None, **params: Any) -> Callable[[Path], object]:
    """Reads a dataset of a family and checks it as the stage `prepare` does."""

    def read(folder: Path) -> object:
        known = registry.families()[family]
        own = {} if item is None else {"item": item}
        given = known.defaults | known.items.get(item or "", {}) | own | params
        if item is not None and item not in known.items:
            given |= known.items.get("*", {})
        prepared = importlib.import_module(known.module).prepare(folder, **given)
        arrange.check(prepared, modality.load(known.modality), known.level, family)
        return arrange.arrange(prepared, family)

    return read


def _wave(steps: int, channels: int = 1) -> np.ndarray:
    return np.round(np.sin(np.arange(steps * channels) / 3).reshape(steps, channels), 3)


def _table_files() -> dict[str, bytes]:
    frame = pd.DataFrame(_wave(120, 2), columns=["flow", "heat"])
    frame.insert(0, "timestamp", pd.date_range("2024-01-01", periods=120, freq="min").astype(str))
    frame["label"] = (np.arange(120) // 5 == 20).astype(int)
    return {"table/pump.csv": frame.to_csv(index=False).encode()}


def _parts_files() -> dict[str, bytes]:
    frame = pd.read_csv(io.BytesIO(_table_files()["table/pump.csv"])).drop(columns="timestamp")
    train = frame[:60].drop(columns="label").to_csv(index=False).encode()
    return {"table/pump/train.csv": train, "table/pump/test.csv": frame[60:].to_csv(index=False).encode()}


def _rows_files() -> dict[str, bytes]:
    rows = ["size,colour,weight,label"]
    rows += [f"{i * 7 % 11},{('red', 'blue', '')[i % 3]},{i / 3:.2f},{int(i % 8 == 0)}" for i in range(32)]
    return {"rows/mine.csv": "\n".join([*rows, ""]).encode()}


def _ucr_files(form: str) -> dict[str, bytes]:
    files = {}
    for part in ("TRAIN", "TEST"):
        rows = []
        for number, row in enumerate(_wave(8, 12)):
            kind, values = str((-1) ** number), [f"{value:g}" for value in row]
            cells = [kind, *values] if form == "tsv" else [*values, kind]
            rows.append("\t".join(cells) if form == "tsv" else ",".join(cells))
            if form == "ts":
                rows[-1] = ",".join(values) + ":" + kind
        head = {"tsv": [], "ts": ["@problemName x", "@data"], "arff": ["% about", "@RELATION x", "@DATA"]}[form]
        files[f"ucr/ECG200/ECG200_{part}.{form}"] = "\n".join([*head, *rows, ""]).encode()
    return files


def _anomaly_files() -> dict[str, bytes]:
    text = "\n".join(f"{value:g}" for value in _wave(200)[:, 0])
    return {"UCR_Anomaly_FullData/001_UCR_Anomaly_x_100_150_155.txt": text.encode()}


def _nab_files() -> dict[str, bytes]:
    times = pd.date_range("2024-01-01", periods=200, freq="3h")
    frame = pd.DataFrame({"timestamp": times.strftime("%Y-%m-%d %H:%M:%S"), "value": _wave(200)[:, 0]})
    windows = {"realKnownCause/nyc_taxi.csv": [[f"{times[150]}.000000", f"{times[160]}.000000"]]}
    return {
        "NAB/data/realKnownCause/nyc_taxi.csv": frame.to_csv(index=False).encode(),
        "NAB/labels/combined_windows.json": json.dumps(windows).encode(),
    }


def _telemanom_files() -> dict[str, bytes]:
    files = {}
    for part, steps in (("train", 40), ("test", 30)):
        stream = io.BytesIO()
        np.save(stream, _wave(steps, 3))
        files[f"telemanom/data/{part}/C-1.npy"] = stream.getvalue()
    table = 'chan_id,spacecraft,anomaly_sequences,class,num_values\nC-1,MSL,"[[5, 9], [20, 24]]","[point]",30\n'
    return files | {"telemanom/labeled_anomalies.csv": table.encode()}


def _zipped(files: dict[str, bytes], name: str, inside: str = "") -> dict[str, bytes]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(inside + path, content)
    return {name: stream.getvalue()}


def _unpack(folder: Path) -> object:
    if not (folder / "data.zip").exists():
        return None
    try:
        return fetch.unpack(folder / "data.zip", folder / "out", "mine")
    except OSError as error:  # the store of downloads says this in a sentence
        return error


def _manifest(folder: Path) -> object:
    sources = fetch.read_manifest(folder / "manifest.yaml")
    store = fetch.Store(folder)
    files = [file for source in fetch.choose(sources, ()).values() for file in source.files]
    return [store.verify(file) for file in files if store.can_verify(file) and not store.has(file)], sum(
        source.size for source in sources.values()
    )


def _manifest_files() -> dict[str, bytes]:
    entry = {
        "url": "https://example.org/a.zip",
        "path": "mine/a.zip",
        "unpack": "mine",
        "brings": ["mine/a"],
        "sha256": "unverified",
        "size": 1000,
    }
    plain = {"url": "https://example.org/b.csv", "path": "mine/b.csv", "sha256": "0" * 64, "size": 10}
    terms = {"families": ["mine"], "version": "1", "licence": "MIT", "allows": "all", "form": False}
    receipts = {"mine/a.zip": {"url": entry["url"], "sha256": "0" * 64, "files": {"mine/a/x": "0" * 64}}}
    return {
        "manifest.yaml": yaml.safe_dump({"mine": terms | {"files": [entry, plain]}}).encode(),
        fetch.RECEIPTS: json.dumps(receipts).encode(),
        "mine/b.csv": b"a,b\n",
    }


def _paper_files() -> dict[str, bytes]:
    folder = ROOT / "papers/chen2025"
    return {f"mine/{path.name}": path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def _esc_files() -> dict[str, bytes]:
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    files = {}
    for number, (fold, kind) in enumerate([(1, "dog"), (1, "rain"), (2, "dog"), (2, "rain")]):
        rows.append(f"{number}.wav,{fold},0,{kind},True,{number},A")
        stream = io.BytesIO()
        soundfile.write(stream, _wave(100)[:, 0], 100, format="WAV")
        files[f"ESC-50/audio/{number}.wav"] = stream.getvalue()
    return {"ESC-50/meta/esc50.csv": "\n".join([*rows, ""]).encode()} | files


def _image_files() -> dict[str, bytes]:
    files = {}
    for place in ("train/good", "test/good", "test/spot"):
        stream = io.BytesIO()
        Image.fromarray((_wave(12, 12) * 100 + 100).astype(np.uint8)).save(stream, "PNG")
        files[f"folder/mine/{place}/0.png"] = stream.getvalue()
    stream = io.BytesIO()
    Image.fromarray(np.eye(12, dtype=np.uint8) * 255).save(stream, "PNG")
    return files | {"folder/mine/ground_truth/spot/0_mask.png": stream.getvalue()}


def _record_files() -> dict[str, bytes]:
    meta = Meta(dataset="mine", modality="series", level="window", shape=(1, 8), n_train=3, n_test=4, fit=[0, 1, 2])
    return {"meta.json": meta.model_dump_json().encode()}


def _method_files() -> dict[str, bytes]:
    text = """\"\"\"A method. It has a docstring.\"\"\"
LABEL = "Mine"
MODALITIES = ("series",)
DEFAULTS = {"a": 1, "b": 2.5}
VARIANTS = {"mine-no-b": {"b": 0, "LABEL": "Mine, plain", "FAMILY": "control"}}
SWEEP = {"a": (1, 2)}
USES_VALID = True

class Method: ...
"""
    return {"mine.py": text.encode()}


def _metric_files() -> dict[str, bytes]:
    text = """\"\"\"A metric.\"\"\"
NAME = "Mine"
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
LEVELS = ("point",)
OUTPUTS = {"mine_a": {"LABEL": "a"}, "mine_b": {"RANGE": (0, None)}}

def compute(labels, scores, context): ...
"""
    return {"mine.py": text.encode()}


def _family_files() -> dict[str, bytes]:
    text = """\"\"\"A dataset.\"\"\"
LABEL = "Mine"
MODALITY = "series"
LEVEL = "window"
ITEMS = {"a": {}, "b": {"c": 1}}
DEFAULTS = {"c": 2, "contamination": 0.0, "train_share": 1.0}
VARIANTS = {"odd": {"LABEL": "odd", "c": 3}}
FILES = (("mine/{item}.csv",),)

def prepare(raw): ...
"""
    return {"mine.py": text.encode()}


def _dropin(read: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: read(folder / "mine.py")


PARSERS = (
    Parser("suite", _suite_files, _suite, share=6),
    Parser("table", _table_files, dataset("table", "pump", window=10), share=4),
    Parser("table in two files", _parts_files, dataset("table", "pump", window=10), share=2),
    Parser("rows", _rows_files, dataset("rows", "mine"), share=3),
    Parser("ucr tsv", lambda: _ucr_files("tsv"), dataset("ucr", "ECG200"), share=2),
    Parser("ucr ts", lambda: _ucr_files("ts"), dataset("ucr", "ECG200"), share=2),
    Parser("ucr arff", lambda: _ucr_files("arff"), dataset("ucr", "ECG200"), share=2),
    Parser("ucr anomaly", _anomaly_files, dataset("ucr-anomaly", "001"), share=2),
    Parser("nab", _nab_files, dataset("nab", "nyc_taxi"), share=5),
    Parser("nab zipped", lambda: _zipped(_nab_files(), "nab.zip", ""), dataset("nab", "nyc_taxi"), share=2),
    Parser("telemanom", _telemanom_files, dataset("msl", "C-1", window=5), share=5),
    Parser("manifest", _manifest_files, _manifest, share=5),
    Parser("archive", lambda: _zipped(_table_files(), "data.zip"), _unpack, share=3),
    Parser("paper", _paper_files, lambda folder: papers.read_paper(folder / "mine"), share=3),
    Parser("images", _image_files, dataset("folder", "mine", size=8), share=2),
    Parser("sounds", _esc_files, dataset("esc10", "dog", test_fold=2, rate=100, seconds=1.0), share=2),
    Parser("record", _record_files, lambda folder: Meta.load(folder / "meta.json")),
    Parser("method", _method_files, _dropin(registry.read_method)),
    Parser("dataset", _family_files, _dropin(registry.read_family)),
    Parser("metric", _metric_files, _dropin(registry.read_metric)),
)
