"""Writes the suite of a user's own datasets: the first answer of their kind of data, with a comment at every key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from anomark.contracts import AnomarkError, one_line
from anomark.files import read_yaml, replacing
from anomark.start.look import Found
from anomark.suite.config import SHARED, load, merge, suites, validate

#: The suite that a kind of data takes its methods and settings from, by the name of its modality.
FIRST = "start-{}"
#: Sides that photographs are prepared in, and the most of them that each is taken for: memory grows with both.
SIDES = ((224, 1500), (128, 6000), (64, 10**9))
#: What each key of the file says.
COMMENTS = {
    "suite": "Results go to results/<suite>/, the report to reports/<suite>/index.html.",
    "datasets": "Your data: the kind of dataset and a name. Other datasets can stand beside: `anomark list datasets`.",
    "dataset_params": "Where it lies and how it is read. The file of its kind in datasets/ describes every parameter.",
    "papers": "No paper's tables stand beside yours.",
    "highlight": "Methods with a colour of their own in every picture.",
    "seeds": "More seeds, as [0, 1, 2], tell how far training alone moves the numbers, and take longer.",
    "features": "The pretrained network of the methods that look through one; this one comes with the installation.",
    "preprocessing": "Side in pixels that images are prepared in. Larger shows smaller defects, and takes longer.",
    "resolution": "Side that methods without the pretrained network get.",
    "only": "Methods for a first answer within minutes. `anomark list methods` lists all; without this key all run.",
    "choose": "Ranks the methods without labels, on synthetic anomalies: see `Which method to use` in the report.",
    "sweep": "No settings are tried on stored models.",
    "limits": "What one method may take, in seconds and GiB.",
    "core_seconds": "Expected seconds of one method, for the estimate of the time left.",
}


def compose(found: Sequence[Found], name: str) -> dict[str, Any]:
    """The keys and values of the suite of some datasets.

    Raises:
        AnomarkError: the name can't be that of a suite.
    """
    merged: dict[str, Any] = {}
    methods: list[str] = []
    for modality in dict.fromkeys(each.family.modality for each in found):
        first = read_yaml(suites()[FIRST.format(modality)])
        methods += first["only"]
        merged = merge(merged, first)
    content: dict[str, Any] = {
        "suite": name,
        "datasets": [each.dataset for each in found],
        "dataset_params": {each.dataset: {"path": str(each.path)} | each.params for each in found},
    }
    content = content | {key: value for key, value in merged.items() if key not in content}
    content |= {"only": list(dict.fromkeys(methods))}
    if "size" in content.get("preprocessing", {}):
        most = max(each.photographs for each in found)
        content["preprocessing"] = {"size": next(side for side, limit in SIDES if most <= limit)}
    content["choose"] = all(each.enough for each in found)
    validate(merge(read_yaml(suites()["default"]), content), f"the name {name!r}")
    return content


def text(content: dict[str, Any], found: Sequence[Found], command: str) -> str:
    """The file: what was found as comments, then each key below what it says."""
    lines = ["A first answer on your own data, written by `anomark init`. Run it with", f"    {command}", ""]
    for each in found:
        lines += [f"{each.dataset}:", *(f"  {said}" for said in each.said)]
    head = "".join(f"# {one_line(line) if line.strip() else ''}".rstrip() + "\n" for line in lines)
    parts = [
        f"# {COMMENTS.get(key, '')}\n"
        + yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=110, default_flow_style=flow(value))
        for key, value in content.items()
    ]
    return head + "\n" + "\n".join(parts)


def flow(value: Any) -> bool | None:
    """Block style for single values and for long lists, a line each; None puts what holds no more into one line."""
    return None if isinstance(value, dict) or (isinstance(value, list) and len(str(value)) < 80) else False


def save(path: Path, content: dict[str, Any], written: str, force: bool) -> None:
    """Write the file, unless it is there; what stands in it is what was meant, or nothing is written.

    Raises:
        AnomarkError: it is there and not to be overwritten, or its folder can't be written to.
    """
    if path.exists() and not force:
        raise AnomarkError(f"{path}: is there already; give another --name or --out, or --force to write over it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text(written, encoding="utf-8")
            if read_yaml(partial) != content:
                raise AnomarkError(f"{path}: a path of your data can't be written to YAML; rename its folder")
    except OSError as error:
        raise AnomarkError(f"{path}: can't be written ({error.strerror}); give another --out") from None
    load(str(path))


def suite_name(name: str) -> str:
    """A name for a suite that no folder of results has yet for other things."""
    return f"{name}-own" if name in {*SHARED, *suites()} else name
