"""Makes `methods/<id>.py` importable as `anomark_methods.<id>`, and the files of datasets/ and metrics/ alike.

The folders stay plain folders of files. Each is given a module object whose search path is the folder, and Python's
own import system does the rest, so dataclasses, pickling and spawned workers find what they expect.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

#: The checkout: the folder that holds Snakefile, methods/, datasets/, metrics/ and config/.
ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"anomark_methods": "methods", "anomark_datasets": "datasets", "anomark_metrics": "metrics"}


def install() -> None:
    """Register the folders; called once by `import anomark`."""
    for name, folder in FOLDERS.items():
        module = ModuleType(name, f"The drop-in files of {folder}/.")
        module.__path__ = [str(ROOT / folder)]
        sys.modules.setdefault(name, module)


def export(**variables: str) -> None:
    """Let child processes (`python -m anomark...`) run with this Python, this checkout and the given variables."""
    os.environ.update(variables)
    for variable, folder in (("PATH", str(Path(sys.executable).parent)), ("PYTHONPATH", str(ROOT))):
        os.environ[variable] = os.pathsep.join(filter(None, [folder, os.environ.get(variable)]))
