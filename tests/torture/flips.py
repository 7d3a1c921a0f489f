"""A finished suite whose stored files are damaged, of every kind, and run again by the same plain command.

The run must end well, name every damaged file, and leave every stored file as it was: times and costs alone may differ,
of cells that were computed again.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from anomark import seals
from anomark.suite.keys import digest
from tests.conftest import Checkout
from tests.torture.case import Case

FULL, SHORT = 200, 6
FLIP, OTHER = "flipped byte in a stored file", "stored file cut short, emptied or missing"
#: Flipped bytes of one run, each in another cell, dataset or file; and half as many files hurt otherwise.
A_RUN = 20

#: Files that hold how long cells took, and the seals of such files.
TIMED = ("fit.json", "outcomes.csv", "coverage.csv", "coverage.csv.sha256", seals.SUMS)

SUITE = """
suite: torture
datasets: [%s]
seeds: [0]
preprocessing: {size: 8}
budget: {steps: 2, batch_size: 4, width: 8}
only: [%s]
features: random
sweep: {methods: [wavediff], samples: 8}
core_seconds: {other: 1}
"""


def run(count: int, folder: Path) -> Iterator[Case]:
    """Damage a finished suite until `count` bytes were flipped."""
    rng = random.Random(0)
    copy = Checkout(folder / "flips")
    small = count <= SHORT
    parts = ("digits-0", "vae, iforest") if small else ("digits-0, beats", "wavediff, iforest, vae, constant")
    copy.suite(SUITE % parts)
    for _ in range(2):  # the second run looks at what the first has stored, and remembers it in its cache
        done = copy.snakemake("--configfile", "suite.yaml")
    if done.returncode:
        yield Case(FLIP, "before anything was damaged", False, done.stdout[-300:])
        return
    tried: Counter[str] = Counter()
    left = count
    while left:
        before = {path: (copy.path / path).read_bytes() for path in stored(copy.path)}
        hurt = choose(before, min(left, A_RUN), tried, rng)
        how = {path: damage(copy.path / path, flip, rng) for path, flip in hurt.items()}
        done = copy.snakemake("--configfile", "suite.yaml")
        common = whole_run(copy, before, hurt, done.returncode, done.stdout)
        for path, flip in hurt.items():
            problems = [*common]
            cache = path.name == "fingerprints.json"
            if not cache and f"{path}: " not in done.stdout:
                problems.append("no sentence names it")
            said = "written anew, and nothing of it was used" if cache else "named, and made again"
            yield Case(
                FLIP if flip else OTHER,
                f"{kind(path)}: {path}",
                not problems,
                "; ".join(problems) or f"{how[path]}: {said}",
            )
            left -= flip
        for aside in copy.path.rglob(seals.ASIDE):
            shutil.rmtree(aside)


def stored(root: Path) -> list[Path]:
    """Every file that a run stored and that somebody may read, relative to the checkout."""
    found = (path for top in ("results", "reports") for path in (root / top).rglob("*") if path.is_file())
    names = (path.relative_to(root) for path in found)
    return sorted(p for p in names if "logs" not in p.parts and not any(part.startswith(".") for part in p.parts))


def thing(path: Path) -> Path:
    """What is made again where this file is damaged: its folder, or it alone."""
    if path.parts[0] == "reports":
        return Path(*path.parts[:2])
    if path.parts[1] in ("cells", "data") or "evaluation" in path.parts:
        return path.parent
    return path.with_name(path.name.removesuffix(seals.SUFFIX))


def kind(path: Path) -> str:
    """What a file is: where it lies, and its name where that is no key."""
    if path.parts[0] == "reports":
        return f"report {path.name if len(path.parts) == 3 else path.parts[2] + path.suffix}"
    place = "evaluation" if "evaluation" in path.parts else path.parts[1]
    keyed = place in ("labels", "features", "sweeps")
    return f"{place} {''.join(path.suffixes[-2:]) if keyed else path.name}"


def choose(files: dict[Path, bytes], flips: int, tried: Counter[str], rng: random.Random) -> dict[Path, bool]:
    """Files to damage, one of each thing, those of kinds that were tried least first; and whether by a flipped bit."""
    order = [path for path in files if files[path]]
    rng.shuffle(order)
    chosen: dict[Path, bool] = {}
    for path in sorted(order, key=lambda path: tried[kind(path)]):
        if thing(path) not in map(thing, chosen):
            chosen[path] = len(chosen) < flips
            tried[kind(path)] += 1
        if len(chosen) == flips + flips // 2:
            break
    return chosen


def damage(path: Path, flip: bool, rng: random.Random) -> str:
    """Damage a file, and say how; its date may be set back to what it was."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    if flip:
        place = rng.randrange(len(content))
        content[place] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        how = f"byte {place} of {len(content)}"
    elif (what := rng.choice(("cut", "emptied", "removed"))) == "removed":
        path.unlink()
        return what
    else:
        path.write_bytes(content[: rng.randrange(1, len(content)) if what == "cut" else 0])
        how = what
    if rng.random() < 0.5:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        how += ", with its date as before"
    return how


def whole_run(copy: Checkout, before: dict[Path, bytes], hurt: dict[Path, bool], status: int, log: str) -> list[str]:
    """What is wrong after the run, a sentence each."""
    problems = [f"exit status {status}: {log[-200:]}"] if status else []
    problems += ["a traceback was printed"] if "Traceback" in log else []
    after = {path: (copy.path / path).read_bytes() for path in stored(copy.path)}
    if after.keys() != before.keys():
        problems.append(f"{sorted(map(str, after.keys() ^ before.keys()))[:3]}: files are missing or more than before")
    timed = any(path.parts[1] == "cells" for path in hurt)
    for path in after.keys() & before.keys():
        if path.name == "fingerprints.json":
            cache = json.loads(after[path])
            same = cache["sha256"] == digest(cache["files"])
        elif timed and (path.parts[0] == "reports" or path.name in TIMED):
            same = comparable(path, after[path]) == comparable(path, before[path])
        else:
            same = after[path] == before[path]
        if not same:
            problems.append(f"{path} has other bytes than before")
    for folder in {path.parent for path in after if path.name == seals.SUMS}:
        try:
            seals.verify(copy.path / folder)
        except seals.Damaged as error:
            problems.append(str(error))
    return problems


def comparable(path: Path, content: bytes) -> object:
    """What may not differ of a file that holds times and costs."""
    if path.name == "fit.json":
        record = json.loads(content)
        return {name: record[name] for name in record if name not in ("cost", "log")}
    if path.parts[0] == "results" and path.name in ("outcomes.csv", "coverage.csv"):
        table = pd.read_csv(io.BytesIO(content), keep_default_na=False)
        return table[["dataset", "method", "seed", "status", "reason", "key", "model"]].to_csv()
    if path.name == "results.json":
        return json.loads(content)["numbers"]
    return bool(content)
