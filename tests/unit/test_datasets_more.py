"""Sounds, spacecraft and tables of one's own: counts on the owners' files, protocol, and one sentence on bad input."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from anomark.data.audio import read_clip
from tests.samples import prepared, refusal

urbansound8k, esc10, esc50, smap, nasa, table = (
    importlib.import_module(f"anomark_datasets.{name}")
    for name in ("urbansound8k", "esc10", "esc50", "smap", "nasa", "table")
)


# ---- sounds -----------------------------------------------------------------------------------------------------


def test_urbansound8k_counts(data_root: Path) -> None:
    p = prepared(urbansound8k, data_root, "engine_idling")
    assert p.train.shape == (140, 1, 32_000) and p.test.shape == (190, 1, 32_000)
    assert p.labels.sum() == 130
    assert p.train_groups is not None and p.test_groups is not None
    assert len(set(p.train_groups)) == 18 and len(set(p.test_groups[p.labels == 0])) == 4
    assert not set(p.train_groups) & set(p.test_groups)
    assert "partial: 330 of 8732 clips are here" in p.notes
    assert max(abs(p.train.min()), p.train.max()) <= 1


def sound(path: Path, samples: Any, rate: int = 8000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.asarray(samples, dtype=np.float32), rate)
    return path


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """Four dogs of three recordings and a siren; recording 7 spans folds 1 and 2. One file is flac."""
    clips = [(7, 1, "dog_bark"), (8, 1, "dog_bark"), (7, 2, "dog_bark"), (9, 2, "siren"), (10, 3, "siren")]
    rows = ["slice_file_name,fsID,fold,class"]
    for i, (recording, fold, kind) in enumerate(clips):
        rows.append(f"{recording}-{i}.wav,{recording},{fold},{kind}")
        ending = "flac" if i == 1 else "wav"
        sound(tmp_path / f"UrbanSound8K/audio/fold{fold}/{recording}-{i}.{ending}", np.full(2000, i / 8))
    (tmp_path / "UrbanSound8K/metadata").mkdir()
    (tmp_path / "UrbanSound8K/metadata/UrbanSound8K.csv").write_text("\n".join(rows))
    return tmp_path


def test_a_training_clip_whose_recording_is_in_the_test_fold_is_dropped(city: Path) -> None:
    p = prepared(urbansound8k, city, "dog_bark", test_fold=2)
    np.testing.assert_allclose(p.train[..., 100:-100], 1 / 8, atol=0.01)  # recording 8, not 7
    assert len(p.train) == 1 and p.labels.tolist() == [0, 1]
    assert "1 training clips dropped: their recording occurs in the test fold" in p.notes


def test_urbansound8k_names_what_is_missing(city: Path) -> None:
    assert "undefined: one class" in refusal(urbansound8k, city, "siren", test_fold=3)
    assert "no clip of fold 4; it holds 1, 2, 3" in refusal(urbansound8k, city, "dog_bark", test_fold=4)
    assert "no normal test (fold 3) clip of class 'dog_bark'" in refusal(urbansound8k, city, "dog_bark", test_fold=3)
    assert "no clip of class 'gun_shot'; it holds dog_bark, siren" in refusal(urbansound8k, city, "gun_shot")
    (city / "UrbanSound8K/metadata/UrbanSound8K.csv").write_text("a,b\n1,2\n")
    assert "UrbanSound8K.csv: no column 'slice_file_name', found a, b" in refusal(urbansound8k, city, "dog_bark")


def test_a_short_clip_is_repeated_and_a_long_one_cut(tmp_path: Path) -> None:
    ramp = np.linspace(-0.5, 0.5, 3000)
    short = read_clip(sound(tmp_path / "short.wav", ramp), 8000, 1.0)
    assert short.shape == (8000,) and short.dtype == np.float32
    np.testing.assert_array_equal(short[:3000], short[3000:6000])
    np.testing.assert_allclose(read_clip(sound(tmp_path / "long.wav", ramp), 8000, 0.25), ramp[:2000], atol=1e-3)


def test_a_clip_is_resampled_without_aliasing(tmp_path: Path) -> None:
    """A tone below the new Nyquist frequency stays, one above it goes, and two channels are averaged."""
    t = np.arange(44_100) / 44_100
    low, high = 0.5 * np.sin(2 * np.pi * 440 * t), 0.5 * np.sin(2 * np.pi * 6000 * t)
    stereo = np.stack([low + high, low - high], axis=1)
    heard = read_clip(sound(tmp_path / "stereo.wav", stereo, 44_100), 8000, 1.0)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    np.testing.assert_allclose(heard[100:-100], expected[100:-100], atol=2e-3)
    assert np.abs(read_clip(sound(tmp_path / "high.wav", high, 44_100), 8000, 1.0)[100:-100]).max() < 2e-3


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: sound(path, np.zeros(0)), "a sound of 0 samples"),
        (lambda path: sound(path, np.zeros(100), rate=4000), "sampled at 4000 Hz, expected 8000 Hz or more"),
        (lambda path: path.write_bytes(b"RIFF"), "not a readable sound file"),
        (lambda path: path.write_bytes(b""), "not a readable sound file"),
        (lambda path: path.write_bytes(b"<!DOCTYPE html><html>"), "not a readable sound file"),
    ],
)
def test_a_broken_clip_is_named(city: Path, spoil: Any, reason: str) -> None:
    path = city / "UrbanSound8K/audio/fold2/9-3.wav"
    spoil(path)
    message = refusal(urbansound8k, city, "dog_bark", test_fold=2)
    assert reason in message and str(path) in message


def test_esc_reads_its_folds_and_its_two_sizes(tmp_path: Path) -> None:
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for i, (fold, kind, ten) in enumerate(
        [(1, "dog", True), (5, "dog", True), (5, "rain", True), (5, "owl", False), (5, "owl", False)]
    ):
        rows.append(f"{i}.wav,{fold},0,{kind},{ten},{i},A")
        sound(tmp_path / f"ESC-50-master/audio/{i}.wav", np.full(500, 0.1))
    (tmp_path / "ESC-50-master/meta").mkdir()
    (tmp_path / "ESC-50-master/meta/esc50.csv").write_text("\n".join(rows))
    assert prepared(esc10, tmp_path, "dog").labels.tolist() == [0, 1]
    assert prepared(esc50, tmp_path, "dog").labels.tolist() == [0, 1, 1, 1]
    assert prepared(esc50, tmp_path, "dog").train.shape == (1, 1, 40_000)
    assert "no clip of class 'owl'" in refusal(esc10, tmp_path, "owl")


# ---- spacecraft -------------------------------------------------------------------------------------------------


def test_all_channels_of_msl_in_a_row(data_root: Path) -> None:
    p = prepared(nasa, data_root, "msl")
    assert p.train.shape == (58_317, 55) and p.test.shape == (73_729, 55)
    assert p.labels.sum() == 7_766 and p.labels.mean() == pytest.approx(0.1053, abs=5e-5)
    assert "no channel of SMAP" in refusal(nasa, data_root, "msl", spacecraft="SMAP")


def test_smap_channels_are_read_as_those_of_msl(tmp_path: Path) -> None:
    assert len(smap.ITEMS) == 54
    for part in ("train", "test"):
        (tmp_path / "telemanom/data" / part).mkdir(parents=True)
        for channel in ("A-1", "P-2"):
            np.save(tmp_path / f"telemanom/data/{part}/{channel}.npy", np.eye(200, 25))
    (tmp_path / "telemanom/labeled_anomalies.csv").write_text(
        "chan_id,spacecraft,anomaly_sequences\n"
        'A-1,SMAP,"[[10, 19]]"\nP-2,SMAP,"[[0, 4]]"\nP-2,SMAP,"[[100, 104]]"\nM-1,MSL,"[[1, 2]]"\n'
    )
    assert np.flatnonzero(prepared(smap, tmp_path, "A-1").labels).tolist() == list(range(10, 20))
    assert prepared(smap, tmp_path, "P-2").labels.sum() == 10  # this channel has two rows in the owner's table
    both = prepared(nasa, tmp_path, "smap")
    assert both.train.shape == (400, 25) and both.labels.sum() == 20


# ---- a table of one's own ---------------------------------------------------------------------------------------


def rows(count: int = 400, anomaly: tuple[int, int] = (300, 310)) -> list[str]:
    return [f"{i},{np.sin(i / 8):.4f},{i % 7},{int(anomaly[0] <= i < anomaly[1])}" for i in range(count)]


def pump(root: Path, lines: list[str], header: str = "timestamp,flow,valve,label", name: str = "pump.csv") -> Path:
    (root / "table" / name).parent.mkdir(parents=True, exist_ok=True)
    (root / "table" / name).write_text("\n".join([header, *lines, ""]))
    return root


def test_a_table_is_split_by_rows(tmp_path: Path) -> None:
    p = prepared(table, pump(tmp_path, rows()), "pump")
    assert p.train.shape == p.test.shape == (200, 2)
    assert np.flatnonzero(p.labels).tolist() == list(range(100, 110))
    assert p.window == 50  # 2 pi 8 steps
    assert prepared(table, tmp_path, "pump", window=20, train_share=0.25).test.shape == (300, 2)
    nameless = [line.split(",", 1)[1] for line in rows()]
    same = prepared(table, pump(tmp_path / "b", nameless, "flow,valve,broken"), "pump", label="broken")
    np.testing.assert_array_equal(same.test, p.test)


def test_train_and_test_may_be_files_of_their_own(tmp_path: Path) -> None:
    pump(tmp_path, [line.rsplit(",", 1)[0] for line in rows()[:200]], "timestamp,flow,valve", "pump/train.csv")
    pump(tmp_path, rows()[200:], name="pump/test.csv")
    p, single = prepared(table, tmp_path, "pump"), prepared(table, pump(tmp_path / "b", rows()), "pump")
    np.testing.assert_array_equal(p.test, single.test)
    np.testing.assert_array_equal(p.train, single.train)
    pump(tmp_path, ["1,2", "2,3"], "timestamp,flow", "pump/train.csv")
    assert "train.csv: columns are flow" in refusal(table, tmp_path, "pump")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"header": "0,0.1,3,0"}, "its first line holds numbers alone (0, 0.1, 3, "),
        (
            {"lines": [line.split(",")[0] + ",0" for line in rows()], "header": "timestamp,label"},
            "one variable at least",
        ),
        (
            {"lines": [*rows()[:5], *[f"{i},,1,0" for i in range(5, 11)], *rows()[11:]]},
            "flow has no value in 6 rows from line 7 on",
        ),
        ({"lines": [",".join([line.split(",")[0], "", *line.split(",")[2:]]) for line in rows()]}, "flow has no value"),
        ({"lines": [*rows()[:5], "5,much,1,0", *rows()[6:]]}, "line 7 has flow 'much'"),
        ({"lines": [*rows()[:5], "5,1,inf,0", *rows()[6:]]}, "line 7 has valve 'inf'"),
        ({"lines": [*rows()[:5], "5,1,1,2", *rows()[6:]]}, "line 7 has the label '2', expected 0"),
        ({"lines": [*rows()[:5], "5,1,1,0,9", *rows()[6:]]}, "not a CSV table"),
        ({"lines": [*rows()[:5], "noon,1,1,0", *rows()[6:]]}, "line 7 has timestamp 'noon'"),
        ({"lines": [*rows()[:6], rows()[5], *rows()[6:]]}, "time stands still or goes back at line 8"),
        ({"lines": [*rows()[:6], *rows()[7:9], rows()[6], *rows()[9:]]}, "goes back at line 10"),
        ({"lines": rows(anomaly=(150, 160))}, "line 152 of the training part (200 rows) is labelled an anomaly"),
        ({"lines": rows(anomaly=(500, 501))}, "undefined: one class"),
        ({"lines": rows(40, (30, 31))}, "one window needs 32"),
        ({"lines": []}, "no row to train on"),
    ],
)
def test_a_broken_table_is_one_sentence(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    message = refusal(table, pump(tmp_path, **{"lines": rows(), **change}), "pump")
    assert reason in message and "pump.csv" in message


def change_cells(change: Any, count: int = 600) -> list[str]:
    return [",".join(change(i, line.split(","))) for i, line in enumerate(rows()[:count])]


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("timestamp,flow,valve,is_anomaly", lambda i, c: c),
        ("timestamp,flow,valve,Label", lambda i, c: c),
        ("Time,flow,valve,outlier", lambda i, c: c),
        ("timestamp,flow,valve,label", lambda i, c: [*c[:3], str(c[3] == "1")]),
        ("timestamp,flow,valve,label", lambda i, c: [*c[:3], "yes" if c[3] == "1" else "no"]),
        ("timestamp,flow,valve,label", lambda i, c: [*c[:3], "-1" if c[3] == "1" else "1"]),
        ("timestamp,flow,valve,label", lambda i, c: [*c[:3], "anomaly" if c[3] == "1" else "normal"]),
        ("timestamp,flow,valve,label", lambda i, c: [*c[:3], c[3] + ".0"]),
        ("timestamp,flow,valve,label,", lambda i, c: [*c, ""]),
    ],
)
def test_labels_and_columns_are_known_by_their_usual_names(tmp_path: Path, header: str, cells: Any) -> None:
    found = prepared(table, pump(tmp_path / "a", change_cells(cells), header), "pump")
    plain = prepared(table, pump(tmp_path / "b", rows()), "pump")
    assert np.array_equal(found.test, plain.test) and np.array_equal(found.labels, plain.labels)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(("separator", "comma"), [(",", False), (";", False), (";", True), ("\t", True), ("|", False)])
def test_dialects_of_csv(tmp_path: Path, separator: str, comma: bool, newline: str, encoding: str) -> None:
    def written(line: str) -> str:
        return separator.join(cell.replace(".", ",") if comma else cell for cell in line.split(","))

    root = pump(tmp_path / "a", rows())
    text = newline.join(written(line) for line in (root / "table/pump.csv").read_text().splitlines())
    (root / "table/pump.csv").write_bytes((text + newline).encode(encoding))
    found, plain = prepared(table, root, "pump"), prepared(table, pump(tmp_path / "b", rows()), "pump")
    assert np.array_equal(found.test, plain.test) and np.array_equal(found.labels, plain.labels)


@pytest.mark.parametrize("empty", ["", "NaN", "null", "-", " N/A "])
def test_short_gaps_are_filled_along_straight_lines(tmp_path: Path, empty: str) -> None:
    def gap(i: int, cells: list[str]) -> list[str]:
        return [cells[0], empty if i in (0, 7, 8, 9, 300) else str(i), *cells[2:]]

    found = prepared(table, pump(tmp_path / "a", change_cells(gap)), "pump", window=20)
    line = prepared(
        table, pump(tmp_path / "b", change_cells(lambda i, c: [c[0], str(max(i, 1)), *c[2:]])), "pump", window=20
    )
    np.testing.assert_allclose(found.train, line.train, rtol=1e-6)
    np.testing.assert_allclose(found.test, line.test, rtol=1e-6)
    assert any("5 missing values" in note for note in found.notes)


def test_times_may_be_dates(tmp_path: Path) -> None:
    start = np.datetime64("2020-01-01T00:00")
    dated = [f"{start + i * np.timedelta64(5, 'm')},{line.split(',', 1)[1]}" for i, line in enumerate(rows())]
    assert prepared(table, pump(tmp_path, dated), "pump").train.shape == (200, 2)
    backward = [dated[0], dated[2], dated[1], *dated[3:]]
    assert "goes back at line 4" in refusal(table, pump(tmp_path, backward), "pump")
