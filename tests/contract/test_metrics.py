"""Every metric keeps the contract at every kind of level that it applies to, and each check can fail."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from anomark.checks import metrics as check
from anomark.contracts import AnomarkError
from anomark.suite import literals, registry
from anomark.suite.metric_files import read_metric
from anomark.suite_records import MetricInfo

FILES = sorted({metric.base: metric for metric in registry.metrics().values()})


def outputs(base: str) -> list[MetricInfo]:
    return [metric for metric in registry.metrics().values() if metric.base == base]


@cache
def subject(base: str, level: str) -> check.Subject:
    return check.Subject(outputs(base), registry.load_metric(base), level)


@pytest.mark.parametrize("contract", check.CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize(("base", "level"), [(b, level) for b in FILES for level in check.levels_of(outputs(b))])
def test_contract(base: str, level: str, contract: Callable[[check.Subject], None]) -> None:
    contract(subject(base, level))


def test_every_metric_says_where_it_comes_from() -> None:
    for metric in registry.metrics().values():
        assert metric.source and metric.what and metric.name, metric.id


GOOD = """
import numpy as np
from anomark.statistics.ranking import auroc, best_threshold
LABEL = "Mine"
RANGE = (0.0, 1.0)
HIGHER_IS_BETTER = True
def compute(labels, scores, context):
    return auroc(labels, scores)
"""
COMPUTE = "return auroc(labels, scores)"
#: What breaks the good metric -> the check that catches it.
BROKEN = {
    "two numbers": (COMPUTE, "return {'mine': auroc(labels, scores), 'other': 0.0}"),
    "range": ("(0.0, 1.0)", "(0.6, 1.0)"),
    "direction": ("HIGHER_IS_BETTER = True", "HIGHER_IS_BETTER = False"),
    "perfect": (COMPUTE, "return 0.9 * auroc(labels, scores)"),
    "ties": (COMPUTE, "return auroc(labels, scores) if len(set(scores.ravel())) > 9 else float('nan')"),
    "one class": (COMPUTE, "return auroc(labels, scores) if 0 < labels.sum() < labels.size else 0.0"),
    "order": (COMPUTE, "return auroc(labels, scores) * (1 - scores[0] % 1 / 9)"),
    "float32": (COMPUTE, "return auroc(labels, scores) * (0.9 if scores.dtype == np.float32 else 1)"),
    "random": (COMPUTE, "return auroc(labels, scores) ** (1 + np.random.default_rng().random())"),
    "in place": (COMPUTE, "value = auroc(labels, scores); scores.sort(); return value"),
}
CAUGHT_BY = dict(zip(BROKEN, check.CHECKS, strict=True))


@pytest.mark.parametrize("what", BROKEN)
def test_each_check_catches_a_broken_metric(what: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    assert not any(problem for _, problem in check.check(path))
    path.write_text(GOOD.replace(*BROKEN[what]))
    failed = [name for name, problem in check.check(path) if problem]
    assert any(CAUGHT_BY[what].__name__.replace("_", " ") in name for name in failed), failed


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("def compute", "def measure", "compute"),
        ("RANGE = (0.0, 1.0)", "", "RANGE"),
        ("RANGE = (0.0, 1.0)", "RANGE = (1.0, 0.0)", "(1.0, 0.0)"),
        ("HIGHER_IS_BETTER = True", "", "HIGHER_IS_BETTER"),
        ("HIGHER_IS_BETTER = True", "HIGHER_IS_BETTER = 1", "int"),
        ("LABEL", "LEVELS = ('points',)\nLABEL", "'point'"),
        ("LABEL", "LEVELS = ('point', 'pixel')\nLABEL", "pixel"),
        ("LABEL", "NEEDS = ('heldout',)\nLABEL", "'held_out'"),
        ("LABEL", "OUTPUTS = {'a': {'COLOUR': 1}}\nLABEL", "COLOUR"),
        ("LABEL", "OUTPUTS = {'a': {'HIGHER_IS_BETTER': 'no'}}\nLABEL", "bool"),
    ],
)
def test_a_malformed_file_is_refused_in_one_sentence(tmp_path: Path, old: str, new: str, found: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(AnomarkError) as error:
        read_metric(path)
    assert found in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_no_two_files_give_the_same_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metrics").mkdir()
    for name in ("first", "second"):
        (tmp_path / f"metrics/{name}.py").write_text(GOOD.replace("LABEL", 'OUTPUTS = {"same": {}}\nLABEL'))
    monkeypatch.setattr(literals, "ROOT", tmp_path)
    with pytest.raises(AnomarkError, match="first"):
        registry.metrics.__wrapped__()
