"""What a suite's `features` and `audio_features` may name: the weights that files of two folders offer.

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

#: By the key of a suite, the folder whose files offer weights for it: networks for pictures, and for sounds.
FOLDERS = {"features": "backbones", "audio_features": "listeners"}
DETECTORS = ROOT / "anomark" / "detectors"
#: The keys that a source of weights may have.
SOURCES = ({"recipe"}, {"file", "url", "sha256"}, {"file", "package", "sha256"})
EXPECTED = (
    '{"recipe": name of a function}, {"file": ..., "url": ..., "sha256": ...} or '
    '{"package": ..., "file": ..., "sha256": ...}'
)


@dataclass(frozen=True)
class Weights:
    """One name that `features` or `audio_features` may have.

    need
        Which of the two.
    path
        The network's file.
    source
        Where the weights come from, one of `EXPECTED`.
    """

    id: str
    need: str
    path: Path
    source: dict[str, Any]

    @property
    def module(self) -> str:
        """The import name of the network's file."""
        return f"anomark.detectors.{FOLDERS[self.need]}.{self.path.stem}"

    def owned(self, root: Path | None) -> Path | None:
        """The file of weights in the data folder, if the source names one and it is there."""
        path = root / self.source["file"] if root and "url" in self.source else None
        return path if path and path.is_file() else None


@lru_cache(maxsize=1)
def weights() -> dict[str, Weights]:
    """Every name that `features` or `audio_features` may have.

    Raises:
        AnomarkError: a file says no WEIGHTS, a name or a source in it is malformed, or two files offer the same name.
    """
    found: dict[str, Weights] = {}
    files = [(need, path) for need, name in FOLDERS.items() for path in sorted((DETECTORS / name).glob("*.py"))]
    for need, path in files:
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
            found[name] = Weights(name, need, path, source)
    return found


def find_weights(name: str) -> Weights:
    """The weights of that name.

    Raises:
        AnomarkError: there are none; the sentence suggests the nearest name.
    """
    if name not in weights():
        raise AnomarkError(f"unknown features {name!r}; {nearest(name, weights())}")
    return weights()[name]


def offered(need: str) -> list[str]:
    """The names that a key of a suite may have."""
    return [name for name, found in weights().items() if found.need == need]
