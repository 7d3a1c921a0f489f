"""Malformed configs, data, archives and methods: each ends in one clear sentence, and the other cells are unharmed."""

from __future__ import annotations

import io
import json
import struct
import wave
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.conftest import Checkout
from tests.torture.attempts import Attempt, make
from tests.torture.case import Case

FULL, SHORT = 60, 6

#: What a suite's file may not be.
CONFIGS: dict[str, bytes] = {
    "empty": b"",
    "binary": bytes(range(256)),
    "a list": b"- a\n- b\n",
    "cut off": b"suite: mine\ndatasets: [beats",
    "unknown key": b"suite: mine\nsedes: [0]\n",
    "negative seed": b"seeds: [-1]\n",
    "text for a seed": b"seeds: [zero]\n",
    "infinite limit": b"limits: {seconds: .inf}\n",
    "key named twice": b"seeds: [0]\nseeds: [1]\n",
    "seed named twice": b"seeds: [0, 0]\n",
    "cycle": b"params: &a {knn: *a}\n",
    "bomb": b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (i + 1, i + 1, i, i) for i in range(97, 120)),
    "depth": b"[" * 20_000,
    "command": b"suite: !!python/object/apply:os.system [touch pwned]\n",
    "impossible date": b"suite: 2014-02-30\n",
}


def _table(**change: Any) -> bytes:
    """120 steps of a wave with a label; `change` puts a text into the line of that number (`line7`)."""
    lines = ["flow,label"] + [f"{np.sin(i / 3):.3f},{int(100 <= i < 104)}" for i in range(120)]
    for name, text in change.items():
        lines[int(name.removeprefix("line"))] = text
    return "\n".join([*lines, ""]).encode("utf-8", "surrogateescape")


TABLES: dict[str, bytes] = {
    "0 bytes": b"",
    "header alone": b"flow,label\n",
    "one row": b"flow,label\n1,0\n",
    "infinite": _table(line7="inf,0"),
    "1e400": _table(line7="1e400,0"),
    "text": _table(line7="high,0"),
    "date": _table(line7="2024-01-01,0"),
    "ragged row": _table(line7="1,0,3"),
    "short row": _table(line7="1"),
    "all rows longer": _table().replace(b",", b",5,").replace(b"flow,5,", b"flow,"),
    "no label": _table(line0="flow,heat"),
    "one class": _table().replace(b",1\n", b",0\n"),
    "NUL bytes": _table(line7="\0\0,0"),
    "mixed encodings": _table(line0="flöw,label", line7="\udcff,0"),
    "UTF-16, cut": _table().decode().encode("utf-16")[:-1],
}


def _png(mode: str = "L", size: tuple[int, int] = (12, 12), fill: int = 7, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, fill).save(stream, **({"format": "PNG"} | options))
    return stream.getvalue()


def _huge(width: int) -> bytes:
    """A header of so many pixels a side, with the right checksum."""
    import zlib

    png = bytearray(_png())
    png[16:24] = struct.pack(">II", width, width)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    return bytes(png)


IMAGES: dict[str, bytes] = {
    "0 bytes": b"",
    "truncated": _png(size=(64, 64))[:60],
    "decompression bomb": _huge(60_000),
    "text": b"no image",
    "two pictures": _png(format="TIFF", save_all=True, append_images=[Image.new("L", (12, 12))]),
    "fractions": _png("F", format="TIFF"),
    "32 bits": _png("I", format="TIFF", fill=70_000),
}


def _images(bad: bytes) -> dict[str, bytes]:
    files = {f"own/folder/mine/{place}/0.png": _png() for place in ("train/good", "test/good", "test/spot")}
    return files | {"own/folder/mine/train/good/1.png": bad}


def _wav(seconds: float = 1.0, width: int = 2) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setparams((1, width, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(width * round(8000 * seconds)))
    return stream.getvalue()


SOUNDS: dict[str, bytes] = {
    "0 bytes": b"",
    "0 samples": _wav(0),
    "no RIFF": b"RIFX" + _wav()[4:],
    "unknown codec": _wav()[:20] + b"\x99\x99" + _wav()[22:],
}


def _sounds(bad: bytes) -> dict[str, bytes]:
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    rows += [f"{i}.wav,{1 + i // 2},0,{('dog', 'rain')[i % 2]},True,{i},A" for i in range(4)]
    files = {f"own/ESC-50/audio/{i}.wav": _wav() for i in range(4)} | {"own/ESC-50/audio/0.wav": bad}
    return files | {"own/ESC-50/meta/esc50.csv": "\n".join([*rows, ""]).encode()}


def _zip(content: bytes = b"x" * 100, twice: bool = False) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", content)
        if twice:
            archive.writestr("a/b", content)
    return stream.getvalue()


ARCHIVES: dict[str, bytes] = {
    "no archive": b"no archive",
    "truncated": _zip()[:-10],
    "encrypted": _zip().replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"),
    "bomb": _zip(bytes(10_000_000)),
    "damaged stream": _zip(np.random.default_rng(0).bytes(1000))[:200]
    + bytes(50)
    + _zip(np.random.default_rng(0).bytes(1000))[250:],
}
MANIFESTS: dict[str, bytes] = {
    "path that leads out": json.dumps({"a": {"files": [{"path": "../x"}]}}).encode(),
    "a number": b"a: 5\n",
}

_METHOD = """
import os, sys, threading, time
import numpy as np
%s
class Method:
    def __init__(self, spec, seed, device, **params): ...
    def fit(self, X, X_valid):
        %s
    def decision_function(self, X):
        %s
    def state_dict(self): return {"a": np.zeros(1, np.float32)}
    def load_state_dict(self, state): return self
"""
_SCORES = "return np.asarray(X).reshape(len(X), -1).mean(axis=1)"
#: At import, in fit, in decision_function.
METHODS: dict[str, tuple[str, str, str]] = {
    "raises at import": ("raise ValueError('no\\n\\x1b[31mway')", "pass", _SCORES),
    "raises in fit": ("", "raise RuntimeError('no way')", _SCORES),
    "NaN": ("", "pass", "return np.full(len(X), np.nan)"),
    "wrong shape": ("", "pass", "return np.zeros((len(X), 3))"),
    "text for scores": ("", "pass", "return ['a'] * len(X)"),
    "sys.exit": ("", "sys.exit(0)", _SCORES),
    "os._exit": ("", "os._exit(0)", _SCORES),
    "os.abort": ("", "os.abort()", _SCORES),
    "allocates without end": ("", "self.a = [np.ones(10_000_000) for _ in range(10_000)]", _SCORES),
    "hangs": ("", "time.sleep(10_000)", _SCORES),
    "binary garbage and an error": (
        "",
        "os.write(1, os.urandom(5_000_000)); raise ValueError(os.urandom(9).decode('latin-1'))",
        _SCORES,
    ),
    "thread without end": (
        "",
        "threading.Thread(target=time.sleep, args=(10_000,)).start(); raise KeyError('x')",
        _SCORES,
    ),
    "changes its folder": ("", "os.chdir('/'); raise OSError(5, 'gone')", _SCORES),
    "breaks numpy": ("np.save = np.savez = np.asarray = None", "pass", _SCORES),
}


def attempts() -> list[Attempt]:
    """The 60 that are made; most come to a refusal, methods to an outcome."""
    own = {"data_root": "own"}
    found = [Attempt(f"config: {name}", suite=text) for name, text in CONFIGS.items()]
    table = own | {"datasets": ["table-pump"], "dataset_params": {"table": {"window": 10}}}
    for name, content in TABLES.items():
        found.append(Attempt(f"table: {name}", "prepare", {"own/table/pump.csv": content}, table, "table-pump"))
    image = own | {"datasets": ["folder-mine"], "preprocessing": {"size": 8}}
    found += [Attempt(f"image: {name}", "prepare", _images(bad), image, "folder-mine") for name, bad in IMAGES.items()]
    sound = own | {"datasets": ["esc10-dog"], "dataset_params": {"esc10": {"test_fold": 2, "seconds": 0.5}}}
    found += [Attempt(f"sound: {name}", "prepare", _sounds(bad), sound, "esc10-dog") for name, bad in SOUNDS.items()]
    found += [Attempt(f"archive: {name}", "unpack", {"data.zip": content}) for name, content in ARCHIVES.items()]
    found += [
        Attempt(f"manifest: {name}", "manifest", {"manifest.yaml": content}) for name, content in MANIFESTS.items()
    ]
    for number, (name, parts) in enumerate(METHODS.items()):
        limits = {"limits": {"seconds": 20, "memory_gb": 1.0}}
        file = {f"methods/bad{number}.py": (_METHOD % parts).encode()}
        found.append(
            Attempt(f"method: {name}", "cell", file, limits | {"only": [f"bad{number}"]}, method=f"bad{number}")
        )
    return found


def run(count: int, folder: Path) -> Iterator[Case]:
    """Cases spread over all that is malformed. A good cell runs before and is compared with itself after."""
    copy, known = Checkout(folder / "copy"), attempts()
    number = min(count - 1, len(known))
    chosen = [known[i * len(known) // number] for i in range(number)]
    good = Attempt("good", "cell")
    came = make([good, *chosen], copy)
    first = next(came)
    before = _bytes(copy)
    for attempt, end in zip(chosen, came, strict=True):
        clear = end.how not in ("done", "error") and end.clear and "its prepare ended with" not in end.said
        yield Case("malformed input", attempt.name, clear, f"{end.how}: {end.said}")
    again = Checkout(folder / "again")
    (end,) = make([good], again)
    unharmed = first.ran and end.ran and _bytes(again) == before == _bytes(copy)
    yield Case("malformed input", "the good cell beside", unharmed, end.how)


def _bytes(copy: Checkout) -> list[bytes]:
    return [path.read_bytes() for path in sorted(copy.path.glob("results/cells/beats/median_distance/*/scores.npz"))]
