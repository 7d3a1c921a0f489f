"""Attempts at breaking a checkout, made one after the other by one process of that checkout.

An attempt plants files, asks the benchmark for something, and takes the files away. What it came to is a sentence that
refuses it, an outcome, "done", or an error that got out, which is a loss.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT, Checkout

#: A suite whose one cell needs no data.
SMALL = {"suite": "mine", "datasets": ["beats"], "only": ["median_distance"], "seeds": [0], "papers": []}
LIMITS = {"seconds": 30, "memory_gb": 1.5}


@dataclass(frozen=True)
class Attempt:
    """What is tried.

    ask
        "plan" (what a run does before it starts), "prepare" (of `dataset`), "cell" (`method` on `dataset`), "unpack"
        (data.zip) or "manifest" (manifest.yaml).
    files
        Planted files, path -> content.
    suite
        The suite's file, or what it holds beside SMALL.
    """

    name: str
    ask: str = "plan"
    files: dict[str, bytes] = field(default_factory=dict)
    suite: bytes | dict[str, Any] = field(default_factory=dict)
    dataset: str = "beats"
    method: str = "median_distance"
    env: dict[str, str] = field(default_factory=dict)

    @property
    def planted(self) -> dict[str, bytes]:
        text = self.suite if isinstance(self.suite, bytes) else _yaml(SMALL | {"limits": LIMITS} | self.suite)
        return self.files | {"attempt.yaml": text}


@dataclass(frozen=True)
class Came:
    """What an attempt came to: how it ended ("refused", "error", or the outcome of a cell), and what was said."""

    how: str
    said: str

    @property
    def clear(self) -> bool:
        """Whether it is one line that anybody can read; what is done needs none."""
        strange = [char for char in self.said if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
        return self.how != "error" and not strange and "Traceback" not in self.said and bool(self.said or self.ran)

    @property
    def ran(self) -> bool:
        return self.how == "done"


def make(attempts: Sequence[Attempt], copy: Checkout) -> Iterator[Came]:
    """Make the attempts in one process of the checkout, and say what each came to; if it dies, the rest is lost."""
    environment = os.environ | {"PYTHONPATH": f"{copy.path}{os.pathsep}{ROOT}", "ANOMARK_DATA": ""}
    command = [sys.executable, "-m", "tests.torture.attempts"]
    log = (copy.path / "attempts.log").open("w")
    with (
        log,
        subprocess.Popen(
            command,
            cwd=copy.path,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdin and process.stdout
        for attempt in attempts:
            told = asdict(attempt) | {
                "suite": "",
                "files": {p: c.decode("latin-1") for p, c in attempt.planted.items()},
            }
            try:
                process.stdin.write(json.dumps(told) + "\n")
                process.stdin.flush()
                yield Came(**json.loads(process.stdout.readline()))
            except (OSError, ValueError):
                yield Came("error", f"the process died: exit status {process.poll()}")
        process.stdin.close()


def _yaml(content: dict[str, Any]) -> bytes:
    return yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "surrogateescape")


# -- in the process of the checkout -----------------------------------------------------------------------------------


def _ask(what: str, dataset: str, method: str) -> Came:
    from anomark.data import fetch
    from anomark.records import Meta
    from anomark.stages import local, prepare
    from anomark.suite import config
    from anomark.suite.plan import Plan

    here = Path.cwd()
    if what == "unpack":
        fetch.unpack(here / "data.zip", here / "out", "mine")
        return Came("done", "")
    if what == "manifest":
        fetch.read_manifest(here / "manifest.yaml")
        return Came("done", "")
    suite = config.load("attempt.yaml")
    if what == "cell":
        _, record = local.run_one(suite, dataset, method, 0)
        return Came(str(record.status), record.reason)
    plan = Plan(suite)
    if what == "prepare":
        prepare.write(plan.data[dataset])
        if refused := Meta.load(Path(plan.data[dataset].folder) / "meta.json").refused:
            return Came("refused", refused)
    return Came("done", "")


def _attempt(told: dict[str, Any]) -> Came:
    from anomark.contracts import AnomarkError
    from anomark.suite import registry

    for cached in (registry.methods, registry.families, registry.metrics):
        cached.cache_clear()
    planted: list[Path] = []
    try:
        os.environ.update(told["env"])
        for name, content in told["files"].items():
            path = Path(name)
            planted += [path] if not path.exists() else []
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode("latin-1"))
        return _ask(told["ask"], told["dataset"], told["method"])
    except AnomarkError as error:
        return Came("refused", str(error))
    except BaseException as error:
        return Came("error", f"{type(error).__name__}: {error}"[:500])
    finally:
        for name in told["env"]:
            os.environ.pop(name, None)
        for path in planted:
            path.unlink(missing_ok=True)


def main() -> None:
    answer = os.fdopen(os.dup(1), "w")  # what the benchmark prints is no answer
    os.dup2(2, 1)
    for line in iter(partial(sys.stdin.readline), ""):
        print(json.dumps(asdict(_attempt(json.loads(line)))), file=answer, flush=True)


if __name__ == "__main__":
    main()
