"""Finds a stored model, by the name of its method and dataset or by its folder, and opens what lies there."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from anomark.contracts import AnomarkError, DataError, nearest
from anomark.outcomes import Outcome
from anomark.records import FitRecord, Meta
from anomark.suite import registry
from anomark.suite.keys import closure

#: Record of an exported model; where a folder has it, the folder needs no other one.
EXPORTED = "meta.json"


@dataclass(frozen=True)
class Stored:
    """A fitted model and what its data was like.

    folder
        Where its files lie: a cell below `results/cells`, or what `anomark export` wrote.
    data
        Folder of the samples that it was fitted on; None of an exported model.
    features
        File of the weights of the frozen network that it looks through, or None.
    """

    folder: Path
    record: FitRecord
    meta: Meta
    data: Path | None
    features: Path | None

    @property
    def name(self) -> str:
        return f"{self.record.method}@{self.record.dataset}"

    @property
    def calibration(self) -> Path:
        """The file of the scores of held-out normal samples."""
        if self.data is None:
            return self.folder / "calibration.npz"
        return self.folder.with_name(f"{self.folder.name}.calibration.npz")

    @property
    def noun(self) -> str:
        """What one score stands for, in the plural."""
        return f"{self.meta.level}s"


def find(name: str | Path, results: Path = Path("results")) -> Stored:
    """The stored model that a name or a folder means.

    Args:
        name: `<method>@<dataset>`, which is the model of the lowest seed; a folder of `results/cells`; or a folder that
            `anomark export` wrote.
        results: the folder of the results, where a name is looked up.

    Raises:
        AnomarkError: there is no such model, there are several, or its method is not the installed one.
    """
    folder = Path(name)
    if not folder.is_dir():
        folder = _named(str(name), Path(os.environ.get("ANOMARK_CELLS") or results / "cells"))
    elif not (folder / "fit.json").is_file():
        raise AnomarkError(
            f"{folder}: expected the folder of a stored model, with fit.json in it; name one below results/cells or "
            "one that `anomark export` wrote"
        )
    record = FitRecord.load_sealed(folder / "fit.json")
    if record.status != Outcome.DONE:
        raise AnomarkError(f"{folder}: no model is stored there, since its fit is {record.status} ({record.reason})")
    if record.model and record.model.file and Path(record.model.file).name != record.model.file:
        raise DataError(f"{folder}: its model is said to lie at {record.model.file!r}, outside of it; leave it alone")
    _check_code(folder, record)
    if (folder / EXPORTED).exists():
        meta = Meta.load_sealed(folder / EXPORTED, dataset=record.dataset, key=record.parts.data)
        features = folder / "features.safetensors" if record.parts.features else None
        return Stored(folder, record, meta, None, features)
    root = folder.absolute().parents[3] if folder.absolute().parents[2].name == "cells" else results
    data = root / "data" / record.dataset / record.parts.data
    if not (data / "meta.json").exists():
        raise AnomarkError(
            f"{data}: the data that {record.method} was fitted on is not there; `anomark run {record.dataset} "
            f"{record.method}` prepares it again"
        )
    meta = Meta.load_sealed(data / "meta.json", dataset=record.dataset, key=record.parts.data)
    return Stored(folder, record, meta, data, _features(root, record))


def _named(name: str, cells: Path) -> Path:
    """The cell of a method on a dataset, of the lowest seed that is stored."""
    known = {f"{path.parent.name}@{path.parent.parent.name}" for path in cells.glob("*/*/*/") if path.is_dir()}
    method, _, dataset = name.partition("@")
    if name not in known:
        if not known:
            found = f"{cells} holds no model; run snakemake or `anomark run`, which fit some"
        else:
            found = f"{nearest(name, sorted(known))} (the folder {cells} holds what has been fitted)"
        raise AnomarkError(f"{name}: no such folder, and no stored model of that name, <method>@<dataset>; {found}")
    done = [path for path in (cells / dataset / method).iterdir() if path.is_dir() and _is_done(path)]
    if not done:
        raise AnomarkError(f"{name}: none of its fits gave a model; `anomark run {dataset} {method}` says why")
    seeds = {path: int(path.name.partition("-")[0]) for path in done}
    lowest = [path for path in done if seeds[path] == min(seeds.values())]
    current = [path for path in lowest if not changed(FitRecord.load(path / "fit.json"))]
    if len(chosen := current or lowest) > 1:
        raise AnomarkError(
            f"{name}: {len(chosen)} models of seed {min(seeds.values())} are stored, made with other settings each; "
            f"name one by its folder: {', '.join(sorted(map(str, chosen)))}"
        )
    return chosen[0]


def _is_done(folder: Path) -> bool:
    try:
        return FitRecord.load(folder / "fit.json").status == Outcome.DONE
    except DataError:
        return False


def changed(record: FitRecord) -> list[str]:
    """The files of code that a model was fitted with and that are others now, or gone."""
    from anomark.suite.plan import FIT_SCORE

    known = registry.methods().get(record.base)
    now = closure([known.path, FIT_SCORE])[0] if known else {}
    return sorted(path for path, content in record.parts.sources.items() if now.get(path) != content)


def _check_code(folder: Path, record: FitRecord) -> None:
    """Let a model be loaded by the very code of its method alone; no code of its folder is ever run.

    Raises:
        AnomarkError: that method is not installed, or is another one now.
    """
    own = f"methods/{record.base}.py"
    others = changed(record)
    source = folder / "method.py"
    advice = (
        f"read {source}, and if you trust it, copy it to {own}"
        if source.exists()
        else f"`anomark run {record.dataset} {record.method}` fits it anew"
    )
    if record.base not in registry.methods():
        raise AnomarkError(f"{folder}: its method {record.base} is not installed here; {advice}")
    if own in others:
        raise AnomarkError(f"{folder}: it was fitted by another {own} than the installed one; {advice}")
    if others:
        print(
            f"anomark: {folder}: the code has changed since it was fitted ({', '.join(others[:3])}"
            f"{' ...' * (len(others) > 3)}), so scores may differ; {advice}",
            file=sys.stderr,
        )


def _features(results: Path, record: FitRecord) -> Path | None:
    key = record.parts.features
    if key is None:
        return None
    found = next((results / "features").glob(f"*-{key}.safetensors"), None)
    if found is None:
        raise AnomarkError(
            f"{results / 'features'}: the network that {record.method} looks through is not there; `anomark run "
            f"{record.dataset} {record.method}` makes it again"
        )
    return found
