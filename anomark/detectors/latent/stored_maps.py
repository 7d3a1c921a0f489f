"""f's maps of a dataset, computed once and read by every method that looks through f.

A stored map is found by the content of what f saw, so it is right for whatever method asks, in whatever order, and what
is not stored is computed: the store saves time and moves no bit. f's maps don't depend on their batch, so a stored map
has the bits that f would give.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

#: The file that is written last: what the maps are of, where each lies, and what they took to compute.
INDEX = "index.json"
#: Bytes of maps of one dataset that are stored; f runs on the samples beyond.
LARGEST = 4 * 2**30

_open: ContextVar[StoredMaps | None] = ContextVar("stored_maps", default=None)


class StoredMaps:
    """The maps of one dataset, read from the disk when they are asked for.

    Attributes:
        saved: seconds that f would have taken for what was read so far.
    """

    def __init__(self, folder: Path) -> None:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        self.name, self.side, self.seconds = index["f"], index["side"], index["seconds"]
        self.rows = {digest: row for row, digest in enumerate(index["digests"])}
        self.levels = {
            level: np.memmap(folder / f"{level}.f32", np.float32, "r", shape=(len(self.rows), *shape))
            for level, shape in index["levels"].items()
        }
        self.saved = 0.0

    def find(self, name: str, levels: Sequence[str], side: int, seen: Tensor) -> list[Tensor] | None:
        """The levels (B, c, h, w) of what f is to see, (B, C, H, W); None unless all of them are stored."""
        if (name, side) != (self.name, self.side) or not self.levels.keys() >= set(levels):
            return None
        wanted = digests(seen)
        if not self.rows.keys() >= set(wanted):
            return None
        rows = [self.rows[digest] for digest in wanted]
        self.saved += self.seconds * len(rows)
        # Rows as f returns them, whose channels lie side by side: sums then have the same order, so the same bits.
        return [torch.from_numpy(self.levels[level][rows]).permute(0, 3, 1, 2).to(seen.device) for level in levels]


@contextmanager
def stored_maps(folder: Path | None) -> Iterator[StoredMaps | None]:
    """Let f's maps be read from a folder inside, if it is there."""
    maps = StoredMaps(folder) if folder and (folder / INDEX).exists() else None
    token = _open.set(maps)
    try:
        yield maps
    finally:
        _open.reset(token)


def current() -> StoredMaps | None:
    """The maps that may be read now."""
    return _open.get()


def digests(seen: Tensor) -> list[str]:
    """One for the content and the shape of each row."""
    shape = str(tuple(seen.shape[1:])).encode()
    rows = seen.detach().cpu().contiguous().numpy()
    return [hashlib.blake2b(row.tobytes() + shape, digest_size=16).hexdigest() for row in rows]


def write(
    folder: Path, name: str, levels: Sequence[str], side: int, batches: Iterable[Tensor], f: Callable[[Tensor], Any]
) -> None:
    """Compute and store the maps of batches of what f sees, a batch at a time; equal rows are stored once.

    Args:
        folder: an existing one, to be filled.
        name: of f.
        levels: that `f` returns of a batch.
        side: see `FeatureExtractor`.
    """
    known: dict[str, None] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    size, seconds = 0, 0.0
    # Seconds of this thread's own work, since the machine may have other work.
    with ExitStack() as stack:
        files = {level: stack.enter_context((folder / f"{level}.f32").open("wb")) for level in levels}
        for seen in batches:
            new = {digest: row for row, digest in enumerate(digests(seen)) if digest not in known}
            if not new:
                continue
            began = time.thread_time()
            maps = f(seen[list(new.values())])
            seconds += time.thread_time() - began
            known |= dict.fromkeys(new)
            for level, values in zip(levels, maps, strict=True):
                rows = np.ascontiguousarray(values.permute(0, 2, 3, 1).numpy())
                shapes[level] = rows.shape[1:]
                size += files[level].write(rows.data)
            if size > LARGEST:
                break
    index = {"f": name, "side": side, "seconds": seconds / max(1, len(known)), "levels": shapes, "digests": [*known]}
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
