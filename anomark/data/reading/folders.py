"""Files in folders, whatever they hold: what trains and what tests is told by where a file lies.

The layout is train/good, test/good and test/<kind>, or one folder of normal files beside one of suspects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomark.contracts import DataError
from anomark.seeds import seed_of

#: Files that systems leave beside what people put there.
LEFT_BY_SYSTEMS = frozenset({"thumbs.db", "desktop.ini"})
PARTS = ("training", "good test", "defective test")
#: Share of the normal files that test where normal and suspect ones lie in a folder each.
TEST_SHARE = 0.3


@dataclass(frozen=True)
class Laid:
    """The files that train, the good ones that test, the others that test; all of these, and files of another kind."""

    train: list[Path]
    good: list[Path]
    defects: list[Path]
    meant: list[Path]
    others: list[Path]

    @property
    def counts(self) -> tuple[int, int, int]:
        return len(self.train), len(self.good), len(self.defects)

    def aside(self, what: str) -> list[str]:
        """A note on the files that are of another kind, if there are any."""
        if not self.others:
            return []
        return [f"{len(self.others)} files are no {what} and were left aside (the first is {self.others[0].name})"]


def laid_out(
    root: Path, files: Iterable[Path], suffixes: Iterable[str], what: str, flat: tuple[str, str] | None = None
) -> Laid:
    """The files below a folder, by what they are for; folders inside may be nested.

    Args:
        root: the folder that holds train/ and test/.
        files: what lies below it.
        suffixes: endings of the files that are meant, in small letters with their dot.
        what: one of them is called, for messages.
        flat: names of a folder of normal files and of one of suspects, which lie in `root` instead of train/ and test/.
            A seeded share of the normal files tests.

    Raises:
        DataError: a part is empty, two files have one name, or train/ holds other folders than good.
    """
    known = frozenset(suffixes)
    seen = sorted(path for path in files if visible(path, root))
    meant = [path for path in seen if path.suffix.lower() in known]
    others = [path for path in seen if path.suffix.lower() not in known]
    found = Laid(*(_flat(root, meant, *flat) if flat else _sorted(root, meant, what)), meant, others)
    folders = (flat[0], flat[0], flat[1]) if flat else ("train/good", "test/good", "test")
    for number, part, folder in zip(found.counts, PARTS, folders, strict=True):
        if not number:
            aside = "".join(f"; {note}" for note in found.aside(f"{what}s"))
            raise DataError(
                f"{root}: no {part} {what} under {folder}, so the score has one class only; complete it{aside}"
            )
    return found


def visible(path: Path, root: Path) -> bool:
    """Whether a file below `root` was put there on purpose: neither it nor a folder of it is hidden or a system's."""
    parts = path.relative_to(root).parts
    return not any(part.startswith(".") or part == "__MACOSX" for part in parts) and (
        path.name.lower() not in LEFT_BY_SYSTEMS
    )


def _sorted(root: Path, files: list[Path], what: str) -> tuple[list[Path], list[Path], list[Path]]:
    """Training, good and defective files of the layout with train/ and test/."""
    below = [path.relative_to(root).parts for path in files]
    if spoilt := sorted({parts[1] for parts in below if parts[0] == "train" and len(parts) > 2} - {"good"}):
        raise DataError(
            f"{root / 'train' / spoilt[0]}: training {what}s that are not good; "
            "train/ holds the folder good alone, so move the others to test/"
        )
    kinds = sorted({parts[1] for parts in below if parts[0] == "test" and len(parts) > 2} - {"good"})
    return (
        _unique(files, root / "train" / "good", what),
        _unique(files, root / "test" / "good", what),
        [path for kind in kinds for path in _unique(files, root / "test" / kind, what)],
    )


def _flat(root: Path, files: list[Path], normal: str, suspect: str) -> tuple[list[Path], list[Path], list[Path]]:
    """Training, good and suspect files of a folder of normal and one of suspect files."""
    usual, suspects = (_unique(files, root / name, "file") for name in (normal, suspect))
    rng = np.random.default_rng(seed_of(dataset=root.name, purpose="split"))
    tested = set(rng.permutation(len(usual))[: round(TEST_SHARE * len(usual))].tolist())
    return (
        [path for i, path in enumerate(usual) if i not in tested],
        [path for i, path in enumerate(usual) if i in tested],
        suspects,
    )


def _unique(files: Iterable[Path], folder: Path, what: str) -> list[Path]:
    """Files below a folder in the order of their names without endings, which must be unique."""
    inside = sorted(path for path in files if folder in path.parents)
    twice = [name for name, count in Counter(path.with_suffix("") for path in inside).items() if count > 1]
    if twice:
        names = ", ".join(path.name for path in inside if path.with_suffix("") == twice[0])
        raise DataError(f"{twice[0].parent}: two files hold {what} {twice[0].name} ({names}); keep one of them")
    return inside
