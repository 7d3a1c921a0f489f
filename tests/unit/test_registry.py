"""Drop-in files describe themselves in literals; a malformed one is named with file and line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from anomark import registry
from anomark.contracts import AnomarkError


def write(tmp_path: Path, text: str, name: str = "mine.py") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_class_as_it_stands_needs_no_metadata(tmp_path: Path) -> None:
    (method,) = registry.read_method(write(tmp_path, "from pyod.models.knn import KNN as Method\n"))
    assert (method.id, method.label) == ("mine", "mine")
    assert method.modalities == ("image", "series", "audio")


def test_variants_are_methods_of_their_own(tmp_path: Path) -> None:
    text = """
LABEL: str = "Mine"
DEFAULTS = {"a": 1, "b": 2}
VARIANTS = {"mine-no-b": {"b": 0}, "other": {"a": 5, "LABEL": "Other", "CONTROL": True}}
class Method: ...
"""
    base, no_b, other = registry.read_method(write(tmp_path, text))
    assert (base.id, no_b.id, other.id) == ("mine", "mine-no-b", "other")
    assert no_b.label == "Mine no b" and no_b.overrides == {"b": 0}
    assert other.label == "Other" and other.control and other.overrides == {"a": 5}
    assert {base.base, no_b.base, other.base} == {"mine"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NAME = 'a' + b\nclass Method: ...", ("line 1", "NAME", "literal")),
        ("\nMODALITIES = 'image'\nclass Method: ...", ("line 2", "MODALITIES", "('image',)")),
        ("MODALITIES = ('imge',)\nclass Method: ...", ("imge", "'image'")),
        ("class Methd: ...", ("Method",)),
        ("def f(:\n", ("line 1", "not valid Python")),
        ("VARIANTS = {'x': 3}\nclass Method: ...", ("'x'", "3")),
    ],
)
def test_malformed_files_are_named(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(AnomarkError) as error:
        registry.read_method(path)
    assert str(path) in str(error.value) and all(word in str(error.value) for word in words), error.value


def test_open_families_take_any_item() -> None:
    found = registry.find_dataset("ucr-anomaly-109")
    assert (found.family.id, found.item) == ("ucr-anomaly", "109")


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(AnomarkError, match="did you mean 'mvtec-bottle'"):
        registry.find_dataset("mvtec-botle")
    with pytest.raises(AnomarkError, match="did you mean 'iforest'"):
        registry.find_method("ifores")


def test_dropins_pickle() -> None:
    """Spawned workers find what they are sent: a drop-in's class lives in an importable module."""
    cls = registry.load_method("constant")
    assert pickle.loads(pickle.dumps(cls)) is cls and cls.__module__ == "anomark_methods.constant"
