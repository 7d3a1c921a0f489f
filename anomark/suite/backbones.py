"""What a suite's `features` may name: the weights that the files of `anomark/detectors/backbones/` offer.

They are read from the files' literals, as those of methods are, so that a config is validated without torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from anomark.contracts import AnomarkError, nearest
from anomark.suite.dropins import ROOT
from anomark.suite.literals import read_literals

FOLDER = ROOT / "anomark" / "detectors" / "backbones"
#: The keys that a source of weights may have.
SOURCES = ({"recipe"}, {"file", "url", "sha256"}, {"file", "package", "sha256"})
EXPECTED = (
    '{"recipe": name of a function}, {"file": ..., "url": ..., "sha256": ...} or '
    '{"package": ..., "file": ..., "sha256": ...}'
)


@dataclass(frozen=True)
class Weights:
    """One name that `features` may have.

    path
        The backbone's file.
    source
        Where the weights come from, one of `EXPECTED`.
    """

    id: str
    path: Path
    source: dict[str, Any]

    def owned(self, root: Path | None) -> Path | None:
        """The file of weights in the data folder, if the source names one and it is there."""
        path = root / self.source["file"] if root and "url" in self.source else None
        return path if path and path.is_file() else None


@lru_cache(maxsize=1)
def weights() -> dict[str, Weights]:
    """Every name that `features` may have.

    Raises:
        AnomarkError: a file says no WEIGHTS, a name or a source in it is malformed, or two files offer the same name.
    """
    found: dict[str, Weights] = {}
    for path in sorted(FOLDER.glob("*.py")):
        if path.stem == "base" or path.name.startswith("_"):
            continue
        offered = read_literals(path, {"WEIGHTS": dict}).get("WEIGHTS")
        if not offered:
            raise AnomarkError(f"{path}: it says no WEIGHTS; give the names of its weights and where they come from")
        for name, source in offered.items():
            if not re.fullmatch("[a-z0-9_]+", name):
                raise AnomarkError(f"{path}: WEIGHTS names {name!r}; use small letters, digits and _, for file names")
            if not isinstance(source, dict) or source.keys() not in SOURCES:
                raise AnomarkError(f"{path}: WEIGHTS[{name!r}] is {source!r}, expected {EXPECTED}")
            if name in found:
                raise AnomarkError(f"{path}: WEIGHTS names {name!r}, which {found[name].path} has; rename one of them")
            found[name] = Weights(name, path, source)
    return found


def find_weights(name: str) -> Weights:
    """The weights of that name.

    Raises:
        AnomarkError: there are none; the sentence suggests the nearest name.
    """
    if name not in weights():
        raise AnomarkError(f"unknown features {name!r}; {nearest(name, weights())}")
    return weights()[name]
