"""Patterns meet what a family lists, and of a family that takes any item those that are in the data folder."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from anomark.contracts import AnomarkError
from anomark.data import rawfiles
from anomark.suite import config, registry, select
from anomark.suite.plan import Plan


def chosen(*patterns: str) -> list[str]:
    suite = config.load().model_copy(update={"datasets": list(patterns)})
    return [dataset.id for dataset in select.datasets(suite)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two image folders, two tables, half a table, and a zip archive with two series."""
    for name in (
        "folder/screws/train/good/1.png",
        "folder/cups/test/good/a.b.jpg",
        "folder/empty/readme",
        "folder/.hidden/train/good/1.png",
        "table/pump.csv",
        "table/fan/train.csv",
        "table/fan/test.csv",
        "table/half/train.csv",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    with zipfile.ZipFile(tmp_path / "ucr_anomaly.zip", "w") as archive:
        for name in ("deep/down/007_UCR_Anomaly_x_1_2_3.txt", "012_UCR_Anomaly_UCR_Anomaly_y_1_2_3.txt", "notes.txt"):
            archive.writestr(name, "")
    monkeypatch.setenv("ANOMARK_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("folder-*",), ["folder-cups", "folder-screws"]),
        (("folder-s*", "folder-cups"), ["folder-screws", "folder-cups"]),
        (("table-*",), ["table-fan", "table-pump"]),
        (("ucr-anomaly-*",), ["ucr-anomaly-007", "ucr-anomaly-012"]),
        (("ucr-anomaly-?1[12]",), ["ucr-anomaly-012"]),
        (("ucr-FordA_*",), ["ucr-FordA_pos", "ucr-FordA_neg"]),
        (("*-brick", "beats*"), ["textures-brick", "beats"]),
    ],
)
def test_patterns_meet_items(folder: Path, patterns: tuple[str, ...], expected: list[str]) -> None:
    assert chosen(*patterns) == expected


def test_a_pattern_reaches_no_folder_whose_family_it_does_not_name(folder: Path) -> None:
    assert not {d for d in chosen("*") if registry.find_dataset(d).family.open}
    assert not {d for d in chosen("ucr-*") if d.startswith("ucr-anomaly")}


def test_a_pattern_that_meets_nothing_says_where_it_looked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnomarkError, match=re.escape(f"'table-x*': {folder} holds")) as error:
        chosen("beats", "table-x*")
    assert "table/<item>.csv or table/<item>/train.csv and table/<item>/test.csv" in str(error.value)
    monkeypatch.delenv("ANOMARK_DATA")
    with pytest.raises(AnomarkError, match="no data folder is named"):
        chosen("beats", "table-*")


def test_a_name_that_can_not_be_a_dataset_is_refused(folder: Path) -> None:
    for name in ("my {pump}", "a[b]", "x" * 151, ".hidden", "two\nlines", "up/../down"):
        with pytest.raises(AnomarkError, match="can't name an item of table") as error:
            chosen(f"table-{name}") if "[" not in name else registry.find_dataset(f"table-{name}")
        assert "\n" not in str(error.value)


def test_every_open_family_says_in_its_files_what_an_item_is(tmp_path: Path) -> None:
    """Files named as FILES has it make an item of every family that takes any, without code of its own."""
    for family in registry.families().values():
        if not family.open:
            continue
        for number, patterns in enumerate(family.files):
            raw = tmp_path / family.id / str(number)
            for pattern in patterns:
                name = pattern.format(item="mine", **family.items["*"]).replace("**/", "a/b/").replace("*", "x")
                outer, archive, inner = name.partition(".zip/")
                file = raw / (f"{outer}.zip" if archive else name)
                file.parent.mkdir(parents=True, exist_ok=True)
                if archive:
                    with zipfile.ZipFile(file, "w") as target:
                        target.writestr(inner, "")
                else:
                    file.touch()
            assert select.in_folder(family, raw) == [f"{family.id}-mine"]
            assert rawfiles.locate(raw, family.files, item="mine", **family.items["*"])


def test_the_series_of_the_real_archive(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (data_root / "ucr_anomaly.zip").is_file():
        pytest.skip(f"{data_root} holds no ucr_anomaly.zip")
    monkeypatch.setenv("ANOMARK_DATA", str(data_root))
    with zipfile.ZipFile(data_root / "ucr_anomaly.zip") as archive:
        numbers = sorted(re.findall(r"/(\d{3})_UCR_Anomaly", "\n".join(archive.namelist())))
    suite = config.load().model_copy(update={"datasets": ["ucr-anomaly-*"]})
    plan = Plan(suite)
    assert numbers and list(plan.data) == [f"ucr-anomaly-{number}" for number in numbers] and not plan.absent
