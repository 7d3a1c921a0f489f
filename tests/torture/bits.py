"""One suite run under conditions that must not matter: what it stores must be the same to the last byte.

Compared are prepared arrays, labels, scores, models and the table of metrics. What a run says of itself (times, memory)
is not.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import Checkout
from tests.torture.case import Case

FULL, SHORT = 5, 1
KIND = "condition that must not matter"

SUITE = """
suite: bits
datasets: [{datasets}]
seeds: [0]
preprocessing: {{size: 8}}
budget: {{steps: 8, batch_size: 8}}
only: [{methods}]
core_seconds: {{other: 1}}
"""
DATASETS, METHODS = ["digits-0", "beats"], ["vae", "iforest"]
PATTERNS = ("data/*/*/t*.npy", "labels/*/*.npz", "cells/*/*/*/scores.npz", "cells/*/*/*/model.*", "bits/metrics.csv")


def run(count: int, folder: Path) -> Iterator[Case]:
    """Run the suite once as it comes, and once under each of the first `count` conditions."""
    expected, _ = _stored(folder / "plain")
    yield Case(KIND, "the suite as it comes", len(expected) > len(DATASETS) * len(METHODS), f"{len(expected)} files")
    conditions = [
        ("a path with spaces, two cores, another order", "a path with spaces", {}, 2, True, []),
        ("another locale and time zone", "locale", {"LC_ALL": "C", "LANG": "C", "TZ": "Asia/Tokyo"}, 1, False, []),
        ("two cores", "two", {}, 2, False, []),
        ("another order", "order", {}, 1, True, []),
        ("another user", "user", {"HOME": str(folder / "user")}, 1, False, _other_user()),
    ]
    for name, place, variables, cores, turned, prefix in conditions[:count]:
        if prefix is None:
            yield Case(
                KIND, name, True, "left out: only root becomes another user, who must be able to run this Python"
            )
            continue
        found, log = _stored(folder / place, variables, cores, turned, prefix)
        different = sorted(path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path))
        detail = f"{len(different)} of {len(expected)} files differ: {', '.join(different[:3])} {log}"
        yield Case(KIND, name, not different, detail if different else f"{len(expected)} files are equal")


def _stored(
    place: Path,
    variables: dict[str, str] | None = None,
    cores: int = 1,
    turned: bool = False,
    prefix: list[str] | None = None,
) -> tuple[dict[str, str], str]:
    """File -> sha256 of what a run in a checkout of its own stores, and the end of its log."""
    copy = Checkout(place)
    step = -1 if turned else 1
    text = SUITE.format(datasets=", ".join(DATASETS[::step]), methods=", ".join(METHODS[::step]))
    suite = copy.suite(text)
    if prefix:
        place.parent.chmod(0o755)
        for path in (place, *place.rglob("*")):
            shutil.chown(path, "nobody")
    command = [*(prefix or []), sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", suite]
    environment = os.environ | {"PYTHONPATH": str(place)} | (variables or {})
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=900)
    files = {}
    for pattern in PATTERNS:
        for path in (place / "results").glob(pattern):
            content = path.read_bytes()
            if path.name == "metrics.csv":  # its rows come in the order of the suite
                content = "\n".join(sorted(content.decode().splitlines())).encode()
            files[str(path.relative_to(place / "results"))] = hashlib.sha256(content).hexdigest()
    return files, done.stderr[-300:] if done.returncode else ""


def _other_user() -> list[str] | None:
    """What runs a command as another user; None where that can't be, as where Python lies in a user's closed folder."""
    if os.getuid() or not shutil.which("setpriv"):
        return None
    prefix = ["setpriv", "--reuid=nobody", "--clear-groups"]
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    tried = subprocess.run([*prefix, sys.executable, "-c", again], cwd="/", capture_output=True)
    return None if tried.returncode else prefix
