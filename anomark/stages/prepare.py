"""Stage 1: from the owner's files to `train.npy`, `test.npy`, `meta.json`, and, apart from them, the labels.

Methods see the folder of the data; only `evaluate` is given the labels. Both are written from the same call of the
dataset's `prepare`, by two rules, so that neither job holds what the other must not see.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from anomark import modality as modalities
from anomark.contracts import Array, DataError, Prepared
from anomark.data.series import InjectedSeries
from anomark.data.streamed import blocks
from anomark.data.windows import window_starts
from anomark.files import replacing
from anomark.seeds import seed_of

#: Share of the normal training data held out for methods that calibrate or select on it (SPEC section 6).
HELD_OUT = 0.2


def load(job: dict[str, Any]) -> Prepared:
    """The dataset as its file in `datasets/` gives it, checked against the contract."""
    prepare = importlib.import_module(job["module"]).prepare
    prepared: Prepared = prepare(Path(job["raw"]) if job["raw"] else Path(), **job["params"])
    check(prepared, job["modality"], job["level"], job["id"])
    return prepared


def check(p: Prepared, modality: str, level: str, dataset: str) -> None:
    """Raise DataError, in one sentence, where a prepared dataset breaks the contract or can't be evaluated."""
    rules = modalities.load(modality)
    axes = rules.LEVELS[level]

    def refuse(message: str) -> None:
        raise DataError(f"{dataset}: {message}")

    for name, array in (("train", p.train), ("test", p.test)):
        if array.dtype != np.float32 or array.ndim != axes:
            refuse(
                f"{name} is {array.dtype} with {array.ndim} axes, expected float32 with {axes} "
                f"({modality}, level {level})"
            )
        if not len(array):
            refuse(f"{name} is empty")
        if not all(np.isfinite(block).all() for block in blocks(array)):
            refuse(f"{name} holds NaN or infinite values; mask or drop them in prepare")
        if p.value_range and any(b.min() < p.value_range[0] or b.max() > p.value_range[1] for b in blocks(array)):
            refuse(f"{name} holds values outside its value_range {p.value_range}; clip them in prepare")
    if p.train.shape[1:] != p.test.shape[1:]:
        refuse(f"train rows have shape {p.train.shape[1:]}, test rows {p.test.shape[1:]}")
    if p.labels.shape != (len(p.test),):
        refuse(f"labels have shape {p.labels.shape}, expected ({len(p.test)},)")
    if p.labels.dtype != np.uint8 or not np.isin(p.labels, (0, 1)).all():
        refuse(f"labels are {p.labels.dtype}, expected uint8, 0 (normal) or 1 (anomalous)")
    if p.labels.all() or not p.labels.any():
        refuse(f"undefined: one class (the test part is all {'anomalous' if p.labels.all() else 'normal'})")
    if isinstance(p, InjectedSeries) and (p.left_out.shape != p.labels.shape or p.left_out.dtype != bool):
        refuse(f"left_out is {p.left_out.dtype} of shape {p.left_out.shape}, expected bool of shape {p.labels.shape}")
    if p.masks is not None and p.masks.shape != (len(p.test), *p.test.shape[2:]):
        refuse(f"masks have shape {p.masks.shape}, expected {(len(p.test), *p.test.shape[2:])}")
    if level == "point":
        if not p.window or not p.stride:
            refuse("level is point, but window and stride are not given")
        elif p.window > min(len(p.train), len(p.test)):
            refuse(
                f"the window is {p.window} steps, longer than the series (train {len(p.train)}, test {len(p.test)}); "
                "lower it in dataset_params"
            )
    elif p.window is not None:
        refuse(f"a window is given, but only a series of level point is cut into windows, and the level is {level}")
    if problem := rules.check(p):
        refuse(problem)


def test_order(p: Prepared, dataset: str) -> Array:
    """A seeded permutation of test rows (windows of a series), because folder order would tell the labels.

    Here and in `hold_out`, variants of a dataset go by its id, so that they differ from it in their protocol alone.
    """
    rows = len(_test_starts(p)) if p.window else len(p.test)
    return np.random.default_rng(seed_of(dataset=dataset, purpose="test order")).permutation(rows)


def _test_starts(p: Prepared) -> Array:
    assert p.window and p.stride
    return window_starts(len(p.test), p.window, p.stride)


def hold_out(p: Prepared, dataset: str) -> tuple[Array, Array]:
    """Indices of training rows (windows) to fit on, and of the held-out normals.

    A series gives its last block, with a gap of one window so that the two share no step; rows with recordings are
    split by recording; other rows at random. Too little data gives no held-out part rather than no training part.
    """
    rng = np.random.default_rng(seed_of(dataset=dataset, purpose="held-out normals"))
    if p.window:
        assert p.stride
        starts = window_starts(len(p.train), p.window, p.stride)
        begin = min(len(p.train) - round(HELD_OUT * len(p.train)), len(p.train) - p.window)
        held = np.flatnonzero(starts >= begin)
        kept = np.flatnonzero(starts + 2 * p.window <= begin)
        return (kept, held) if len(kept) else (np.arange(len(starts)), np.array([], dtype=int))
    groups = np.arange(len(p.train)) if p.train_groups is None else np.asarray(p.train_groups)
    names = rng.permutation(np.unique(groups))
    held_groups: list[Any] = []
    for name in names[:-1]:
        if np.isin(groups, held_groups).mean() >= HELD_OUT:
            break
        held_groups.append(name)
    held_mask = np.isin(groups, held_groups)
    return np.flatnonzero(~held_mask), np.flatnonzero(held_mask)


def write_data(job: dict[str, Any]) -> None:
    """Write train.npy, test.npy and meta.json of one dataset; no label reaches them."""
    p = load(job)
    order = test_order(p, job["base"])
    fit, valid = hold_out(p, job["base"])
    meta = {
        "dataset": job["id"],
        "label": job["label"],
        "modality": job["modality"],
        "level": job["level"],
        "shape": [p.train.shape[1], p.window] if p.window else list(p.train.shape[1:]),
        "value_range": p.value_range,
        "n_train": len(fit) + len(valid),
        "n_test": len(order),
        "fit": fit.tolist(),
        "valid": valid.tolist(),
        "window": p.window,
        "stride": p.stride,
        "train_starts": window_starts(len(p.train), p.window, p.stride).tolist() if p.window else None,  # type: ignore[arg-type]
        "test_starts": _test_starts(p)[order].tolist() if p.window else None,
        "normal_class": p.normal_class,
        "licence": job["licence"],
        "source": job["source"],
        "params": job["params"],
        "choices": p.choices,
        "notes": p.notes,
        "key": job["key"],
    }
    folder = Path(job["folder"])
    _save(folder / "train.npy", p.train)
    _save(folder / "test.npy", p.test if p.window else p.test[order])
    with replacing(folder / "meta.json") as partial:
        partial.write_text(json.dumps(meta, indent=1))


def write_labels(job: dict[str, Any]) -> None:
    """Write the labels (and masks, and recordings) of one dataset, in the order of its test rows."""
    p = load(job)
    order = slice(None) if p.window else test_order(p, job["base"])
    arrays = {"labels": p.labels[order]}
    if p.masks is not None:
        arrays["masks"] = p.masks[order]
    if p.test_groups is not None:
        arrays["groups"] = np.asarray(p.test_groups)[order]
    if isinstance(p, InjectedSeries):
        arrays |= {"left_out": p.left_out, "recipe": np.array(json.dumps(p.recipe))}
    with replacing(Path(job["labels"])) as partial, partial.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def _save(path: Path, array: Array) -> None:
    with replacing(path) as partial, partial.open("wb") as stream:
        np.save(stream, np.ascontiguousarray(array))


def write_refusal(job: dict[str, Any], part: str, reason: str) -> None:
    """Write what stands in the place of a refused dataset's data, or of its labels.

    Its arrays are empty and its meta.json says why under `refused`: the cell and evaluate stages pass that on, so every
    other dataset runs and the report is built.

    Args:
        job: its entry in plan.json.
        part: "data" or "labels".
        reason: one sentence.
    """
    if part == "labels":
        with replacing(Path(job["labels"])) as partial, partial.open("wb") as stream:
            np.savez(stream, labels=np.empty(0, np.uint8))
        return
    folder = Path(job["folder"])
    for name in ("train.npy", "test.npy"):
        _save(folder / name, np.empty(0, np.float32))
    known = {name: job[name] for name in ("label", "modality", "level", "licence", "source", "params", "key")}
    with replacing(folder / "meta.json") as partial:
        partial.write_text(json.dumps({"dataset": job["id"], **known, "refused": reason}, indent=1))


def write(job: dict[str, Any], part: str) -> None:
    """Write the "data" or the "labels" of one dataset; its refusal is an outcome, printed and written."""
    try:
        (write_data if part == "data" else write_labels)(job)
    except DataError as error:
        print(f"{job['id']}: refused: {error}", file=sys.stderr)
        write_refusal(job, part, str(error))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("part", choices=("data", "labels"))
    args = parser.parse_args()
    job = json.loads(args.plan.read_text())["data"][args.dataset]
    out = Path(job["folder"]) if args.part == "data" else Path(job["labels"]).parent
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.tempdir = str(out)  # what is too large for memory lies on the disk of the results meanwhile
        write(job, args.part)
    except OSError as error:  # a full disk, a folder that can't be written to
        raise SystemExit(
            f"anomark prepare: {error.filename or out}: {args.dataset} can't be written ({error.strerror or error}); "
            "free space or choose another folder, and run again"
        ) from None


if __name__ == "__main__":
    main()
