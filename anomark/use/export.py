"""A stored model as one folder that needs no results: for another machine, or for keeping.

It holds the model, its calibration, how samples are prepared, the weights of the frozen network if it looks through
one, the source of its method to read, and a card. No code in it is ever run: a model is loaded by the installed method
of the same source alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from anomark import seals
from anomark.contracts import AnomarkError
from anomark.files import partial_name
from anomark.suite.registry import find_method
from anomark.use import calibration, onnx
from anomark.use.card import card
from anomark.use.model import Model
from anomark.use.stored import EXPORTED


def export(model: Model, folder: Path, as_onnx: bool = False) -> Iterator[str]:
    """Write a model into a new folder, which is there whole or not at all.

    Args:
        as_onnx: add model.onnx, where the method allows it.

    Yields:
        What was written, in lines to print.

    Raises:
        AnomarkError: the model is not stored as a file, or the method has no ONNX file.
    """
    stored = model.stored
    known = stored.record.model
    if known is None or known.file is None:
        why = known.why if known else "nothing is known of it"
        raise AnomarkError(
            f"{model.name}: its model is no file ({why}), it is fitted anew from the training data each time, so it "
            "can't be taken elsewhere; export another method"
        )
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    work = partial_name(folder.absolute())
    work.mkdir()
    try:
        seals.verify(stored.folder)
        shutil.copy(stored.folder / known.file, work / known.file)
        stored.record.model_copy(update={"log": ""}).save(work / "fit.json")  # it may name places on this machine
        stored.meta.save(work / EXPORTED)
        with (work / "calibration.npz").open("wb") as stream:
            calibration.save(model.calibration, stream)
        if stored.features:
            seals.verify(stored.features)
            shutil.copy(stored.features, work / "features.safetensors")
        method = find_method(stored.record.method)
        shutil.copy(method.path, work / "method.py")
        told = []
        if as_onnx:
            gap = onnx.write(model.method, model.method_spec, work / "model.onnx", model.name)
            told.append(f"model.onnx: its scores equal the model's to {gap:.1g} of their size")
        (work / "README.md").write_text(card(model, method, (work / "model.onnx").exists()), encoding="utf-8")
        seals.publish(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    yield f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}"
    yield from told
