"""Between prepare and fit: f's maps of a dataset, for all the cells that look through f at its samples as they are.

A map that a method asks for and that is not here is computed by the method, so this stage may store any part of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from anomark import seals
from anomark.detectors.frontend import front_end, too_short
from anomark.detectors.latent import stored_maps
from anomark.detectors.perceptual import FeatureExtractor
from anomark.records import Cell
from anomark.runtime.fit_score import pin, spec_of, test_data, training_data
from anomark.runtime.locks import making
from anomark.suite_records import Jobs

#: Training samples whose maps are stored, evenly spaced where there are more; no method keeps more.
TRAINING_MAPS = 4096
#: Samples per forward pass.
BATCH = 16


def write(cell: Cell, again: bool = True) -> None:
    """Write the maps that a cell, and every other one with the same `maps`, looks at, and seal them.

    Args:
        again: also where they are stored.
    """
    out = Path(str(cell.maps))
    with making(out, f"the maps of {cell.dataset}") as work:
        if again or not (out / seals.SUMS).exists():
            _fill(work, cell)
            seals.publish(work, out)


def _fill(folder: Path, cell: Cell) -> None:
    data, meta = Path(cell.data), cell.meta()
    pin(cell.parts.threads)
    if meta.refused or too_short(spec := spec_of(meta)):
        stored_maps.write(folder, "", (), 0, (), list)
        return
    for path in (data, Path(str(cell.features))):
        seals.verify(path)
    extractor = FeatureExtractor(spec, cell.features, "cpu")
    f, side = extractor.f, extractor.side
    wanted = {*f.patch_levels, *f.map_levels}
    f.select([f"features.{i}" for i in range(len(f.features)) if f"features.{i}" in wanted])
    X, _ = training_data(data, meta, uses_valid=False)
    front = front_end(spec)
    front.fit(X)

    def batches() -> Iterator[Tensor]:
        """The samples as methods show them to f."""
        test = test_data(data, meta)
        kept = np.unique(np.linspace(0, len(X) - 1, TRAINING_MAPS).astype(int))
        for samples, rows in ((X, kept), (test, np.arange(len(test)))):
            for i in range(0, len(rows), BATCH):
                batch = np.array(samples[rows[i : i + BATCH]], dtype=np.float32)
                yield extractor.seen(front(torch.from_numpy(batch)))

    with torch.no_grad():
        stored_maps.write(folder, f.name, f.levels, side, batches(), lambda seen: f(extractor.enlarged(seen, side)))


def ensure(cell: Cell) -> None:
    """Write the maps of a cell, unless they are stored."""
    write(cell, again=False)


def run(jobs: Jobs, out: str) -> None:
    """Write the maps whose seal is the file `out`."""
    folder = str(Path(out).parent)
    ensure(next(cell for cell in jobs.cells.values() if cell.maps == folder))
