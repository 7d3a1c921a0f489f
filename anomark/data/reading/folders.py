"""Files in folders, whatever they hold: what trains and what tests is told by where a file lies.

The layout is train/good, test/good and test/<kind>, or one folder of normal files beside one of suspects. A folder that
tells less than that has no labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from anomark.contracts import Array, DataError
from anomark.seeds import seed_of

#: Files that systems leave beside what people put there.
LEFT_BY_SYSTEMS = frozenset({"thumbs.db", "desktop.ini"})
PARTS = ("training", "good test", "defective test")
#: Files that train, good and defective ones that test, and those that test and of which nobody knows.
Files = tuple[list[Path], list[Path], list[Path], list[Path]]
#: What a folder of normal files may be called, and one of masks.
GOOD = frozenset({"good", "normal", "ok"})
MASK_FOLDERS = ("ground_truth", "masks", "mask", "gt")
#: What stands for every folder but those of normal files and of masks.
ALL_OTHERS = "*"
#: Share of the normal files that test where normal and suspect ones lie in a folder each.
TEST_SHARE = 0.3


@dataclass(frozen=True)
class Laid:
    """The files that train, and those that test: good ones, defective ones, and those of which nobody knows.

    meant
        All files of the kind that is looked for, masks among them.
    others
        Files of another kind.
    told
        What a reader must know of how the files were laid out, in short sentences.
    """

    train: list[Path]
    good: list[Path]
    defects: list[Path]
    unknown: list[Path]
    meant: list[Path]
    others: list[Path]
    told: tuple[str, ...] = ()

    @property
    def counts(self) -> tuple[int, int, int]:
        return len(self.train), len(self.good), len(self.defects)

    @property
    def test(self) -> list[Path]:
        return [*self.good, *self.defects, *self.unknown]

    @property
    def labels(self) -> Array | None:
        """uint8, 1 where a test file is defective; None where only one kind is here, or nobody knows of which it is."""
        if self.unknown or not self.good or not self.defects:
            return None
        return np.repeat(np.array([0, 1], dtype=np.uint8), [len(self.good), len(self.defects)])

    def names(self, root: Path) -> tuple[str, ...]:
        """What the test files are called below a folder."""
        return tuple(path.relative_to(root).as_posix() for path in self.test)

    def counted(self, what: str) -> str:
        """How many files there are, for a note."""
        if self.labels is None:
            return f"{len(self.train)} training and {len(self.test)} test {what}s, without labels"
        return "{} training, {} good and {} defective test {}s".format(*self.counts, what)

    def aside(self, what: str) -> list[str]:
        """A note on the files that are of another kind, if there are any."""
        if not self.others:
            return []
        return [f"{len(self.others)} files are no {what} and were left aside (the first is {self.others[0].name})"]


def laid_out(
    root: Path,
    files: Iterable[Path],
    suffixes: Iterable[str],
    what: str,
    flat: tuple[str, str] | None = None,
    labelled: bool = False,
) -> Laid:
    """The files below a folder, by what they are for; folders inside may be nested.

    Where train/ is missing, all files are of one kind; where test/ is missing, a seeded share of the training files
    tests. Without good or without defective test files there are no labels.

    Args:
        root: the folder that holds train/ and test/.
        files: what lies below it.
        suffixes: endings of the files that are meant, in small letters with their dot.
        what: one of them is called, for messages.
        flat: names of a folder of normal files and of one of suspects, which lie in `root` instead of train/ and test/.
            Every other folder holds suspects where that is "*". A seeded share of the normal files tests.
        labelled: whether the layout must tell labels.

    Raises:
        DataError: a part is empty that can't be, two files have one name, or train/ holds other folders than good.
    """
    known = frozenset(suffixes)
    seen = sorted(path for path in files if visible(path, root))
    meant = [path for path in seen if path.suffix.lower() in known]
    others = [path for path in seen if path.suffix.lower() not in known]
    found = _flat(root, meant, *flat) if flat else _sorted(root, meant, what)
    laid = Laid(*found, meant, others)
    must = labelled or bool(flat)
    folders = (flat[0], flat[0], flat[1]) if flat else ("train/good", "test/good", "test")
    for number, part, folder, needed in zip(laid.counts, PARTS, folders, (True, must, must), strict=True):
        if not number and needed:
            aside = "".join(f"; {note}" for note in laid.aside(f"{what}s"))
            why = ", so the score has one class only" if must else ""
            raise DataError(f"{root}: no {part} {what} under {folder}{why}; complete it{aside}")
    if not laid.test:
        laid = _shared_out(root, laid, what)
    elif laid.labels is None and not laid.unknown:
        lacking, folder = ("good", "test/good") if laid.defects else ("defective", "test/<kind of defect>")
        laid = replace(
            laid,
            told=(*laid.told, f"no {lacking} test {what} lies in {folder}, so there is nothing to compare with"),
        )
    if labelled and laid.labels is None:
        raise DataError(f"{root}: {laid.counted(what)}; sort the test {what}s into test/good and test/<kind of defect>")
    return laid


def _shared_out(root: Path, laid: Laid, what: str) -> Laid:
    """A seeded share of the training files tests."""
    train, test = _parted(root, laid.train)
    if not test:
        raise DataError(f"{root}: holds {len(train)} {what}, expected 2 at least; add more")
    told = (
        f"there is no test {what}: a seeded {TEST_SHARE:.0%} of all {len(laid.train)} are scored, and the others "
        "train; anomalies may be among them"
    )
    return replace(laid, train=train, unknown=test, told=(*laid.told, told))


def _parted(root: Path, files: list[Path]) -> tuple[list[Path], list[Path]]:
    """Files that train, and a seeded share of them all that tests."""
    rng = np.random.default_rng(seed_of(dataset=root.name, purpose="split"))
    tested = set(rng.permutation(len(files))[: round(TEST_SHARE * len(files))].tolist())
    return (
        [path for i, path in enumerate(files) if i not in tested],
        [path for i, path in enumerate(files) if i in tested],
    )


def visible(path: Path, root: Path) -> bool:
    """Whether a file below `root` was put there on purpose: neither it nor a folder of it is hidden or a system's."""
    parts = path.relative_to(root).parts
    return not any(part.startswith(".") or part == "__MACOSX" for part in parts) and (
        path.name.lower() not in LEFT_BY_SYSTEMS
    )


def _sorted(root: Path, files: list[Path], what: str) -> Files:
    """Training, good, defective and unknown files of the layout with train/ and test/."""
    below = {path: path.relative_to(root).parts for path in files}
    if spoilt := sorted({parts[1] for parts in below.values() if parts[0] == "train" and len(parts) > 2} - GOOD):
        raise DataError(
            f"{root / 'train' / spoilt[0]}: training {what}s that are not good; "
            "train/ holds the folder good alone, so move the others to test/"
        )
    tops = {parts[0] for parts in below.values()}
    if not tops & {"train", "test"}:
        masks = {name for name in tops if name in MASK_FOLDERS}
        every = [path for path, parts in below.items() if parts[0] not in masks]
        return _distinct(every, what), [], [], []
    kinds = sorted({parts[1] for parts in below.values() if parts[0] == "test" and len(parts) > 2} - GOOD)
    good = [path for name in sorted(GOOD) for path in _unique(files, root / "test" / name, what)]
    loose = [path for path, parts in below.items() if parts[0] == "test" and len(parts) == 2]
    return (
        _unique(files, root / "train", what),
        good,
        [path for kind in kinds for path in _unique(files, root / "test" / kind, what)],
        _distinct(loose, what),
    )


def _flat(root: Path, files: list[Path], normal: str, suspect: str) -> Files:
    """Training, good and suspect files of a folder of normal and one of suspect files, and no other."""
    usual = _unique(files, root / normal, "file")
    if suspect == ALL_OTHERS:
        tops = {path: path.relative_to(root).parts[0] for path in files if path.parent != root}
        suspects = _distinct([path for path, top in tops.items() if top not in (normal, *MASK_FOLDERS)], "file")
    else:
        suspects = _unique(files, root / suspect, "file")
    train, good = _parted(root, usual)
    return train, good, suspects, []


def _unique(files: Iterable[Path], folder: Path, what: str) -> list[Path]:
    """Files below a folder in the order of their names without endings, which must be unique."""
    return _distinct([path for path in files if folder in path.parents], what)


def _distinct(files: list[Path], what: str) -> list[Path]:
    inside = sorted(files)
    twice = [name for name, count in Counter(path.with_suffix("") for path in inside).items() if count > 1]
    if twice:
        names = ", ".join(path.name for path in inside if path.with_suffix("") == twice[0])
        raise DataError(f"{twice[0].parent}: two files hold {what} {twice[0].name} ({names}); keep one of them")
    return inside
