"""Names that are commands, paths, formulas or markup: each runs or is refused in one sentence, and none is executed."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from tests.conftest import Checkout
from tests.torture.attempts import SMALL, Attempt, make
from tests.torture.case import Case

FULL, SHORT = 60, 8
#: Whatever is executed leaves a file whose name begins so.
CANARY = "pwned"

METHOD = b"class Method:\n    def __init__(self, *a, **k): ...\n"
FAMILY = b'MODALITY = "series"\nLEVEL = "window"\n%b\ndef prepare(raw): ...\n'
METRIC = b"RANGE = (0.0, 1.0)\nHIGHER_IS_BETTER = True\n%b\ndef compute(labels, scores, context): ...\n"

#: Items of one's own data that the workflow runs.
RUN = (
    "with space $(touch pwned)",
    "`touch pwned`;touch pwned|touch pwned&&touch pwned",
    "quote'\";touch pwned;'\"",
    "-rf --help",
    "$a$b$ %s ~ # ^ & _",
    "<img src=x onerror=alert(1)>",
    "größe-测试-e\N{COMBINING ACUTE ACCENT}-\N{HEBREW LETTER ALEF}-\N{GRINNING FACE}",
    "=1+1",
    "-".join(map(str, range(45))),
)
#: Items that can't be a folder, a pattern and a wildcard at once.
REFUSED = ("..", "../x", "/etc", ".hidden", "a/b", "{x}", "{item.__class__}", "a\nb", "a\rb", "a\x1b[31mb", "x" * 99)
REFUSED += ("a\N{LINE SEPARATOR}b", "a\N{RIGHT-TO-LEFT OVERRIDE}b", "a\\b")
FILES = (
    "$(touch pwned)",
    "-rf",
    "a b",
    "a.b",
    "`touch pwned`",
    ";touch pwned;",
    "{x}",
    "\N{GRINNING FACE}",
    "a\nb",
    "b\udcff",
)
IDS = ("../../x", "$(touch pwned)", "a b", "{x}", "", "-x", "a\\nb", "=1+1")


def refusals() -> list[Attempt]:
    """Attempts that must be refused before anything starts."""
    folder = {"data_root": "own", "datasets": []}
    found = [
        Attempt(f"item {item!r}", suite=folder | {"datasets": [f"folder-{item}"]}, files={"own/x": b""})
        for item in REFUSED
    ]
    bad = "own/folder/b\udcff/train/good/0.png"
    found += [Attempt("item that is not UTF-8", suite=folder | {"datasets": ["folder-*"]}, files={bad: b""})]
    found += [Attempt(f"methods/{name!r}.py", files={f"methods/{name}.py": METHOD}) for name in FILES]
    found += [Attempt("datasets/$(touch pwned).py", files={"datasets/$(touch pwned).py": FAMILY % b""})]
    found += [Attempt("metrics/$(touch pwned).py", files={"metrics/$(touch pwned).py": METRIC % b""})]
    for name in IDS:
        key = f'"{name}"'.encode()
        found += [Attempt(f"variant {name!r}", files={"methods/mine.py": b"VARIANTS = {%b: {}}\n%b" % (key, METHOD)})]
    found += [Attempt("item of a family", files={"datasets/mine.py": FAMILY % b'ITEMS = {"../x": {}}'})]
    found += [
        Attempt(f"pattern {p!r}", files={"datasets/mine.py": FAMILY % f"FILES = (({p!r},),)".encode()})
        for p in ("/etc/*", "../*")
    ]
    found += [Attempt("output of a metric", files={"metrics/mine.py": METRIC % b'OUTPUTS = {"=1+1": {}}'})]
    found += [Attempt("label", files={"methods/mine.py": b'LABEL = "a\\nb"\n' + METHOD})]
    found += [
        Attempt(f"suite {name!r}", suite={"suite": name}) for name in ("$(touch pwned)", "../x", "cells", "x" * 300)
    ]
    found += [Attempt(f"paper {name!r}", suite={"papers": [name]}) for name in ("$(touch pwned)", "../papers/chen2025")]
    found += [Attempt("data_root", suite={"data_root": "$(touch pwned)", "datasets": ["table-x"]})]
    found += [Attempt("ANOMARK_CELLS", env={"ANOMARK_CELLS": "{dataset}/$(touch pwned)"})]
    found += [
        Attempt(f"zip member {name!r}", "unpack", {"data.zip": _zip(name)})
        for name in ("../pwned", "/tmp/pwned", "a\nb", "c:\\pwned")
    ]
    return [*found, Attempt("tar link", "unpack", {"data.zip": _tar_link()})]


def run(count: int, folder: Path) -> Iterator[Case]:
    """Cases of which a share runs through the whole workflow, if there are so many, and the rest is refused."""
    copy, known = Checkout(folder / "copy of $(touch pwned)"), refusals()
    ran = count - len(known)
    chosen = known if ran > 0 else [known[i * len(known) // count] for i in range(count)]
    for attempt, came in zip(chosen, make(chosen, copy), strict=True):
        yield Case(
            "hostile name", attempt.name, came.how == "refused" and came.clear and not _canaries(folder), came.said
        )
    if ran > 0:
        yield from _workflow(copy, RUN[:ran], folder)


def _workflow(copy: Checkout, names: tuple[str, ...], folder: Path) -> Iterator[Case]:
    """Own images and a table under such names, with such names inside, by Snakemake."""
    root = copy.path / "own data; touch pwned"
    for name in names:
        _images(root / "folder" / name)
    label = b'LABEL = "</script><script>touch pwned</script>$(touch pwned)"\n'
    (copy.path / "methods/hostile_label.py").write_bytes(label + b"from pyod.models.knn import KNN as Method\n")
    suite = SMALL | {
        "suite": "hostile",
        "data_root": str(root),
        "datasets": [f"folder-{name}" for name in names],
        "only": ["hostile_label"],
        "preprocessing": {"size": 16},
    }
    done = copy.snakemake(
        "--configfile", copy.suite(yaml.safe_dump(suite, allow_unicode=True)), env={"ANOMARK_DATA": ""}
    )
    path = copy.path / "results/hostile/metrics.csv"
    measured = set(pd.read_csv(path)["dataset"]) if path.exists() else set()
    page = copy.path / "reports/hostile/index.html"
    shown = page.read_text() if page.exists() else "<img src=x"
    unharmed = done.returncode == 0 and "<img src=x" not in shown and "<script>touch" not in shown
    for name in names:
        fine = unharmed and f"folder-{name}" in measured and not _canaries(folder)
        yield Case("hostile name", f"folder {name!r}", fine, "it ran" if fine else done.stdout[-300:])


def _images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for part, kind, count in (("train", "good", 6), ("test", "good", 3), ("test", "$(touch pwned) {x}", 3)):
        (folder / part / kind).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(90, 110 if kind == "good" else 250, size=(16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / part / kind / f"`touch pwned` {number}.png")


def _canaries(folder: Path) -> list[Path]:
    places = (folder, Path("/tmp"), Path.cwd(), Path.home())
    return [p for place in places for p in (place.rglob(f"{CANARY}*") if place == folder else place.glob(f"{CANARY}*"))]


def _zip(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"x")
    return stream.getvalue()


def _tar_link() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return stream.getvalue()
