"""The card of an exported model: what it is, what it was fitted on, how good it is, and how to use it."""

from __future__ import annotations

import io
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from anomark import modality, seals
from anomark.contracts import AnomarkError, one_line
from anomark.suite import registry
from anomark.suite.registry import Method
from anomark.suite_records import MetricInfo
from anomark.use.model import Model


def card(model: Model, method: Method, with_onnx: bool) -> str:
    """The page, in Markdown."""
    parts = [
        f"# {model.name}",
        _what(model, method),
        "## Data\n\n" + _data(model),
        "## Numbers\n\n" + _numbers(model),
        "## Use\n\n" + _use(model, with_onnx),
        "## Limits\n\n" + _limits(model),
    ]
    return "\n\n".join(parts) + "\n"


def _what(model: Model, method: Method) -> str:
    record = model.stored.record
    params = ", ".join(f"{name} {value}" for name, value in sorted(record.parts.params.items())) or "none"
    paper = f" ({method.paper})" if method.paper else ""
    return (
        f"A model that finds anomalous {_noun(model)}: {method.name}{paper}, fitted by anomark {version('anomark')} "
        f"with seed {record.seed}. Its parameters: {params}. `method.py` is the source of its method, to read; it "
        "is never run from here."
    )


def _data(model: Model) -> str:
    meta, record = model.stored.meta, model.stored.record
    lines = [f"* {meta.n_train} normal samples of `{record.dataset}`, each of shape {tuple(meta.shape)}."]
    try:
        family = registry.find_dataset(record.dataset).family
    except AnomarkError:
        lines.append("* Its dataset is not installed where this was written, so its licence is not known.")
    else:
        lines += [f"* {family.name}."]
        lines += [f"* Source: {family.source}."] * bool(family.source)
        lines += [f"* Cite: {family.citation}."] * bool(family.citation)
        lines += [f"* Licence of the data: {family.licence or 'not known'}. It may bind what is learnt from them too."]
    lines += [f"* Normal is: {meta.normal_class}."] * bool(meta.normal_class)
    lines += [f"* {_sentence(text)}" for text in (*meta.choices, *meta.notes)]
    return "\n".join(lines)


def _numbers(model: Model) -> str:
    """What suites measured of it, with the interval of its method's AUROC where there is one."""
    found = [lines for folder in _evaluations(model) if (lines := _measured(model, folder))]
    return "\n\n".join(found) or "It has not been evaluated on anomalies with known labels."


def _evaluations(model: Model) -> list[Path]:
    if model.stored.data is None:
        return []
    return sorted(model.stored.data.parents[2].glob(f"*/evaluation/{model.stored.record.dataset}"))


def _measured(model: Model, folder: Path) -> str:
    record, metrics = model.stored.record, registry.metrics()
    try:
        seals.verify(folder)
        table = pd.read_csv(folder / "metrics.csv", dtype={"dataset": str, "method": str})
        replicates = np.load(io.BytesIO(seals.read(folder / "bootstrap.npz")))
    except (AnomarkError, OSError):
        return ""
    of_cell = table[(table["method"] == record.method) & (table["seed"] == record.seed)]
    of_cell = of_cell[of_cell["metric"].isin(metrics) & of_cell["value"].notna()]
    if of_cell.empty:
        return ""
    rows = ["| metric | level | value |", "|---|---|---|"]
    for metric, level, value in of_cell[["metric", "level", "value"]].itertuples(index=False, name=None):
        rows.append(f"| {_label(metrics[metric])} | {level} | {value:.3f} |")
    text = f"Measured in the suite `{folder.parent.parent.name}` on its test part:\n\n" + "\n".join(rows)
    if record.method in replicates:
        low, high = np.quantile(replicates[record.method], [0.025, 0.975])
        text += (
            f"\n\nThe AUROC of the method over its seeds has a 95% interval of [{low:.3f}, {high:.3f}] over draws of "
        )
        text += "the test set."
    return text


def _label(metric: MetricInfo) -> str:
    return f"{metric.label} ({'higher' if metric.higher_is_better else 'lower'} is better)"


def _use(model: Model, with_onnx: bool) -> str:
    text = (
        "With anomark and the same method installed, and this folder as `model`:\n\n"
        "```sh\nanomark score model new/ --out scores --false-alarms 0.05\n```\n\n"
        '```python\nimport anomark\n\nfound = anomark.load("model").score(["new/"], false_alarms=0.05)\n'
        "found.scores, found.probabilities, found.decisions\n```\n\n"
        "New files are prepared as the training data was; `meta.json` says how."
    )
    if with_onnx:
        spec = model.method_spec
        bounds = f", values from {spec.value_range[0]:g} to {spec.value_range[1]:g}" if spec.value_range else ""
        text += (
            f"\n\n`model.onnx` takes `samples` (N, {', '.join(map(str, spec.shape))}), float32{bounds}, which are "
            "prepared already, and gives `scores` (N,) and `maps`."
        )
    return text


def _limits(model: Model) -> str:
    held_out = len(model.calibration.scores)
    lines = []
    if held_out:
        lines.append(
            f"* Tail probabilities come from {held_out} held-out normal {model.stored.noun}. The lowest is "
            f"{1 / (held_out + 1):.2g}. They hold for new normal samples of the same kind and circumstances, and no "
            "longer once these drift."
        )
    lines += [f"* {note}" for note in model.calibration.notes(0.05, model.stored.meta)]
    return "\n".join([*lines, "* It was fitted on normal samples alone, and has seen no anomaly."])


def _noun(model: Model) -> str:
    return modality.load(model.stored.meta.modality).NOUN


def _sentence(text: str) -> str:
    line = one_line(text)
    return line[:1].upper() + line[1:] + "." * (not line.endswith("."))
