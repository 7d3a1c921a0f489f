"""What the checks of all types share: importing a file wherever it lies, and an error in one line."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from anomark.contracts import AnomarkError
from anomark.suite.dropins import ROOT


def load(path: Path, folder: str) -> ModuleType:
    """The module of a drop-in file as `anomark_<folder>.<name>`, also of a file that lies elsewhere."""
    name = f"anomark_{folder}.{path.stem}"
    if path.parent == ROOT / folder:
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def sentence(error: Exception) -> str:
    """The first line of an error; of one that isn't a promise broken in words, the kind as well."""
    kind = "" if isinstance(error, (AssertionError, AnomarkError)) else f"{type(error).__name__}: "
    return f"{kind}{error}".splitlines()[0] if str(error) else type(error).__name__
