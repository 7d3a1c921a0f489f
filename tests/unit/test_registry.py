"""Drop-in files describe themselves in literals; a malformed one is named with file and line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from anomark import modality
from anomark.contracts import AnomarkError
from anomark.suite import registry


def write(tmp_path: Path, text: str, name: str = "mine.py") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_class_as_it_stands_needs_no_metadata(tmp_path: Path) -> None:
    (method,) = registry.read_method(write(tmp_path, "from pyod.models.knn import KNN as Method\n"))
    assert (method.id, method.label) == ("mine", "mine")
    assert method.modalities == modality.ids()


def test_variants_are_methods_of_their_own(tmp_path: Path) -> None:
    text = """
LABEL: str = "Mine"
DEFAULTS = {"a": 1, "b": 2}
VARIANTS = {"mine-no-b": {"b": 0}, "other": {"a": 5, "LABEL": "Other", "FAMILY": "control"}}
class Method: ...
"""
    base, no_b, other = registry.read_method(write(tmp_path, text))
    assert (base.id, no_b.id, other.id) == ("mine", "mine-no-b", "other")
    assert no_b.label == "Mine no b" and no_b.overrides == {"b": 0}
    assert other.label == "Other" and other.control and other.overrides == {"a": 5}
    assert {base.base, no_b.base, other.base} == {"mine"}


def test_a_variant_may_take_smaller_images_and_depend_on_its_batch(tmp_path: Path) -> None:
    text = """
FULL_RESOLUTION = True
VARIANTS = {"small": {"FULL_RESOLUTION": False, "TRANSDUCTIVE": True}}
class Method: ...
"""
    base, small = registry.read_method(write(tmp_path, text))
    assert (base.full_resolution, base.transductive) == (True, False)
    assert (small.full_resolution, small.transductive, small.overrides) == (False, True, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NAME = 'a' + b\nclass Method: ...", ("line 1", "NAME", "literal")),
        ("\nMODALITIES = 'image'\nclass Method: ...", ("line 2", "MODALITIES", "('image',)")),
        ("MODALITIES = ('imge',)\nclass Method: ...", ("imge", "'image'")),
        ("DETERMINISTIC = ('imge',)\nclass Method: ...", ("DETERMINISTIC", "imge", "'image'")),
        ("DETERMINISTIC = 'image'\nclass Method: ...", ("line 1", "DETERMINISTIC", "bool or a tuple")),
        ("VARIANTS = {'a': {'DETERMINISTIC': ['imge']}}\nclass Method: ...", ("DETERMINISTIC", "imge", "'image'")),
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


DATASET = """
MODALITY = "series"
LEVEL = "window"
LABEL = "Mine"
ITEMS = {"a": {"pitch": 1}, "b": {"pitch": 2}}
VARIANTS = {"half": {"LABEL": "50% of training", "share": 0.5}, "other-way": {"swapped": True}}
DEFAULTS = {"share": 1.0, "swapped": False}
def prepare(raw): ...
"""


def test_variants_of_a_dataset_name_it_and_what_they_change(tmp_path: Path) -> None:
    base, _ = registry.read_family(write(tmp_path, DATASET)).datasets
    half, other = base.variants
    assert (half.id, half.base, half.label) == ("mine-a-half", "mine-a", "Mine a, 50% of training")
    assert half.overrides == {"pitch": 1, "share": 0.5} and other.overrides == {"pitch": 1, "swapped": True}
    assert (other.protocol, base.protocol, half.variants) == ("other way", "", [])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"swapped": True', '"swaped": True', ("'other-way'", "swaped", "DEFAULTS")),
        ('{"swapped": True}', "2", ("'other-way'", "2")),
        ('"b":', '"a-half":', ("'a-half'", "'half'", "rename")),
    ],
)
def test_a_malformed_variant_is_named(tmp_path: Path, old: str, new: str, words: tuple[str, ...]) -> None:
    path = write(tmp_path, DATASET.replace(old, new))
    with pytest.raises(AnomarkError) as error:
        registry.read_family(path)
    assert str(path) in str(error.value) and all(word in str(error.value) for word in words), error.value


def test_a_variant_of_a_dataset_is_found_by_its_id_alone() -> None:
    found = registry.find_dataset("textures-brick-contaminated-5")
    assert (found.base, found.item) == ("textures-brick", "brick")
    assert found.overrides == registry.find_dataset("textures-brick").overrides | {"contamination": 0.05}
    assert found.id not in registry.datasets(), "patterns such as textures-* run over these"
    with pytest.raises(AnomarkError, match="did you mean 'ucr-ECG200-swapped'"):
        registry.find_dataset("ucr-ECG200-swaped")


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(AnomarkError, match="did you mean 'mvtec-bottle'"):
        registry.find_dataset("mvtec-botle")
    with pytest.raises(AnomarkError, match="did you mean 'iforest'"):
        registry.find_method("ifores")


def test_dropins_pickle() -> None:
    """Spawned workers find what they are sent: a drop-in's class lives in an importable module."""
    cls = registry.load_method("constant")
    assert pickle.loads(pickle.dumps(cls)) is cls and cls.__module__ == "anomark_methods.constant"
