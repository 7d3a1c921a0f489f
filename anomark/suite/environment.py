"""Where a suite runs: the versions that can move a number, and the state of the checkout."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import version
from typing import Any

from anomark.suite.dropins import ROOT
from anomark.suite.keys import NUMERICAL


def environment() -> dict[str, str]:
    """Python, platform and the versions of the libraries that can move a number."""
    names = sorted({d for group in NUMERICAL.values() for d in group} | {"snakemake"})
    return {"python": sys.version.split()[0], "platform": platform.platform(), "machine": platform.machine()} | {
        name: version(name) for name in names
    }


def commit() -> dict[str, Any]:
    """The commit of the checkout, its date, and whether files differ from it; all None outside of git."""
    try:
        run = [
            subprocess.run(["git", "-C", str(ROOT), *args], capture_output=True, text=True, check=True).stdout.strip()
            for args in (["rev-parse", "HEAD"], ["show", "-s", "--format=%cs"], ["status", "--porcelain"])
        ]
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "date": None, "modified": None}
    return {"commit": run[0], "date": run[1], "modified": bool(run[2])}
