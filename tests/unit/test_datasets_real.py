"""The loaders of public data: counts and known figures on the owners' files, one sentence on each kind of bad input."""

from __future__ import annotations

import importlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from anomark.contracts import DataError, Prepared
from anomark.data.images import resize_image, resize_mask
from tests.samples import prepared, refusal

mvtec, folder, nab, ucr, msl, ucr_anomaly = (
    importlib.import_module(f"anomark_datasets.{name}")
    for name in ("mvtec", "folder", "nab", "ucr", "msl", "ucr_anomaly")
)


def same(first: Prepared, second: Prepared) -> bool:
    return all(
        getattr(first, name).tobytes() == getattr(second, name).tobytes() for name in ("train", "test", "labels")
    ) and (first.notes, first.choices) == (second.notes, second.choices)


def unpack(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as source:
        source.extractall(folder)


# ---- the owners' files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "counts"), [("bottle", (209, 20, 63)), ("transistor", (213, 60, 40)), ("metal_nut", (220, 8, 93))]
)
def test_mvtec_counts(data_root: Path, category: str, counts: tuple[int, int, int]) -> None:
    p = prepared(mvtec, data_root, category, size=32)
    assert (len(p.train), int((p.labels == 0).sum()), int((p.labels == 1).sum())) == counts
    assert p.train.shape[1:] == p.test.shape[1:] == (3, 32, 32)
    assert p.train.min() >= -1
    assert p.train.max() <= 1
    if category == "metal_nut":
        assert p.masks is None
        assert "partial: 8 of 22 good test images" in p.notes
        assert "image-level figures only: 8 of 93 defective images have a mask" in p.notes
    else:
        assert p.masks is not None
        assert np.array_equal(p.masks.any(axis=(1, 2)), p.labels == 1)
        assert not any("partial" in note for note in p.notes)
    if category == "bottle":
        assert same(p, prepared(mvtec, data_root, category, size=32))


def test_mvtec_refuses_a_category_without_good_test_images(data_root: Path) -> None:
    message = refusal(mvtec, data_root, "toothbrush")
    assert "toothbrush" in message
    assert "no good test photograph" in message


def test_nab_taxi(data_root: Path) -> None:
    p = prepared(nab, data_root, "nyc_taxi")
    assert len(p.train) + len(p.test) == 10_320
    assert len(p.train) == 5_160
    assert (p.window, p.stride) == (48, 6)
    assert np.sum(np.diff(p.labels, prepend=0).astype(np.int8) == 1) == 5
    assert p.labels.sum() == 5 * 207  # both bounds belong to a window
    assert same(p, prepared(nab, data_root, "nyc_taxi"))


def test_nab_machine_temperature(data_root: Path) -> None:
    p = prepared(nab, data_root, "machine_temperature")
    assert len(p.train) + len(p.test) == 22_695
    assert (p.window, p.stride) == (288, 36)
    assert int(np.argmax(p.labels)) == 288  # training ends one window before the first label
    assert any("back in time: 1" in note for note in p.notes)


def test_nab_trains_on_other_prefixes_and_tests_the_same_rows(data_root: Path) -> None:
    base = prepared(nab, data_root, "nyc_taxi")
    for changes, rows in (({"probation": True}, 750), ({"train_share": 0.5}, 2580), ({"train_share": 0.25}, 1290)):
        p = prepared(nab, data_root, "nyc_taxi", **changes)
        assert len(p.train) == rows and p.window == base.window
        assert np.array_equal(p.labels, base.labels) and len(p.test) == len(base.test)
        assert f"of these rows the first {rows} train" in " ".join(p.choices)
        np.testing.assert_allclose((p.train - p.train.mean()) / p.train.std(), p.train, atol=1e-4)


def test_nab_probation_is_a_share_of_short_streams(data_root: Path) -> None:
    p = prepared(nab, data_root, "ec2_cpu_utilization_24ae8d", probation=True)  # of 4032 rows
    assert len(p.train) == 604


def test_nab_window_shrinks_where_little_comes_before_the_first_label(data_root: Path) -> None:
    p = prepared(nab, data_root, "iio_us-east-1_i-a2eb1cd9_NetworkIn")
    assert p.window == 218 // 8
    assert len(p.train) == 218 - 27
    assert any("window shrunk from 288 to 27" in note for note in p.notes)


def test_nab_stream_without_a_window_is_undefined(data_root: Path) -> None:
    message = refusal(nab, data_root, "art_flatline")
    assert "undefined: one class" in message
    assert "art_flatline.csv" in message


def test_nab_names_all_streams_and_reads_folder_and_archive_alike(data_root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(data_root / "nab.zip") as archive:
        streams = json.loads(archive.read("NAB-master/labels/combined_windows.json"))
    assert {f"{o['folder']}/{o.get('item', item)}.csv" for item, o in nab.ITEMS.items()} == set(streams)
    assert len(nab.ITEMS) == 58
    assert "no file named" in refusal(nab, data_root, "TravelTime_387")
    unpack(data_root / "nab.zip", tmp_path)
    from_archive = prepared(nab, data_root, "nyc_taxi")
    assert same(from_archive, prepared(nab, tmp_path, "nyc_taxi"))
    (tmp_path / "NAB-master").rename(tmp_path / "NAB")
    assert same(from_archive, prepared(nab, tmp_path, "nyc_taxi"))


def test_ucr_ecg200_and_its_known_figure(data_root: Path, tmp_path: Path) -> None:
    p = prepared(ucr, data_root, "ECG200")
    assert p.train.shape == (69, 1, 96)
    assert p.test.shape == (100, 1, 96)
    nearest = NearestNeighbors(n_neighbors=1).fit(p.train[:, 0])
    assert roc_auc_score(p.labels, nearest.kneighbors(p.test[:, 0])[0][:, 0]) == pytest.approx(0.913, abs=0.005)
    unpack(data_root / "ucr" / "ECG200.zip", tmp_path / "UCRArchive_2018")
    assert same(p, prepared(ucr, tmp_path, "ECG200"))


@pytest.mark.parametrize(("item", "rows"), [("ECG200", 31), ("Wafer", 97)])
def test_ucr_swapped_is_the_other_direction(data_root: Path, item: str, rows: int) -> None:
    base, p = prepared(ucr, data_root, item), prepared(ucr, data_root, item, swapped=True)
    assert len(p.train) == rows and p.normal_class == "-1"
    assert p.test.tobytes() == base.test.tobytes() and np.array_equal(p.labels, 1 - base.labels)
    assert same(prepared(ucr, data_root, "FordA_pos", swapped=True), prepared(ucr, data_root, "FordA_neg"))


def test_ucr_wafer(data_root: Path) -> None:
    p = prepared(ucr, data_root, "Wafer")
    assert p.train.shape == (903, 1, 152)
    assert p.test.shape == (6164, 1, 152)
    assert p.labels.sum() == 665


def test_ucr_forda_runs_in_both_directions_and_says_it_is_partial(data_root: Path) -> None:
    positive, negative = prepared(ucr, data_root, "FordA_pos"), prepared(ucr, data_root, "FordA_neg")
    assert len(positive.train) + len(negative.train) == 577
    assert np.array_equal(positive.labels, 1 - negative.labels)
    assert any("partial" in note for note in positive.notes)


def test_msl_channels(data_root: Path, tmp_path: Path) -> None:
    assert len(msl.ITEMS) == 27
    channels = {item: prepared(msl, data_root, item) for item in msl.ITEMS}
    assert sum(len(p.train) for p in channels.values()) == 58_317
    assert sum(len(p.test) for p in channels.values()) == 73_729
    assert sum(int(p.labels.sum()) for p in channels.values()) == 7_766
    assert {(p.train.shape[1], p.window, p.stride) for p in channels.values()} == {(55, 100, 12)}
    assert channels["M-6"].test.max() > 258  # a constant training channel is divided by 1, not by 0
    unpack(data_root / "msl.zip", tmp_path / "telemanom")
    assert same(channels["T-9"], prepared(msl, tmp_path, "T-9"))


def test_ucr_anomaly_series(data_root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(data_root / "ucr_anomaly.zip") as archive:
        names = [Path(name).stem for name in archive.namelist()]
    assert len(names) == 10
    for name in names:
        number, *_, split, first, last = name.split("_")
        p = prepared(ucr_anomaly, data_root, number)
        assert len(p.train) == int(split)
        assert p.window is not None
        assert 32 <= p.window <= 512
        assert np.flatnonzero(p.labels).tolist() == list(range(int(first) - 1 - len(p.train), int(last) - len(p.train)))
    assert prepared(ucr_anomaly, data_root, "212").window == 168  # hours of a week
    unpack(data_root / "ucr_anomaly.zip", tmp_path)
    assert same(prepared(ucr_anomaly, data_root, "113"), prepared(ucr_anomaly, tmp_path, "113"))


def test_ucr_anomaly_ranges_count_from_one(data_root: Path) -> None:
    """Series 152 and 212 are one recording with different anomalies, so each shows where the other was changed."""
    power, italian = (prepared(ucr_anomaly, data_root, number) for number in ("152", "212"))
    with zipfile.ZipFile(data_root / "ucr_anomaly.zip") as archive:
        values = [
            np.array(archive.read(name).split(), dtype=float)
            for number in ("152", "212")
            for name in archive.namelist()
            if f"/{number}_" in name
        ]
    changed = np.flatnonzero(values[0] != values[1])
    late = changed[changed > 29_000]
    labelled = np.flatnonzero(italian.labels) + len(italian.train)
    assert (late[0], late[-1]) == (labelled[0], labelled[-1])
    labelled = np.flatnonzero(power.labels) + len(power.train)
    early = changed[changed < 20_000]
    assert labelled[0] <= early[0]
    assert early[-1] <= labelled[-1]


# ---- bad input --------------------------------------------------------------------------------------------------


def picture(path: Path, size: tuple[int, int] = (16, 16), mode: str = "RGB", fill: Any = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(str(path.name))).integers(0, 256, size=(size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise).convert(mode) if fill is None else Image.new(mode, size, fill)
    image.save(path)
    return path


@pytest.fixture
def category(tmp_path: Path) -> Path:
    """A small, sound category in the owner's layout, one image grey."""
    root = tmp_path / "mvtec_anomaly_detection" / "tile"
    for stem in ("000", "001", "002"):
        picture(root / "train/good" / f"{stem}.png")
    picture(root / "test/good/000.png", mode="L")
    for stem in ("000", "001"):
        picture(root / "test/crack" / f"{stem}.jpeg")
        picture(root / "ground_truth/crack" / f"{stem}_mask.png", mode="L", fill=255)
    return root


def test_mvtec_reads_grey_and_other_suffixes(category: Path) -> None:
    p = prepared(mvtec, category.parents[1], "tile", size=8)
    assert p.train.shape == (3, 3, 8, 8)
    assert p.labels.tolist() == [0, 1, 1]
    assert np.array_equal(p.test[0, 0], p.test[0, 1])
    assert p.masks is not None
    assert p.masks.any(axis=(1, 2)).tolist() == [False, True, True]


def test_a_folder_of_ones_own_is_read_as_mvtec_is(category: Path) -> None:
    official = prepared(mvtec, category.parents[1], "tile", size=8)
    (category.parents[1] / "folder").mkdir()
    own = category.rename(category.parents[1] / "folder" / "my-screws")
    p = prepared(folder, own.parents[1], "my-screws", size=8)
    for name in ("train", "test", "labels", "masks"):
        assert np.array_equal(getattr(p, name), getattr(official, name))
    assert not any("partial" in note for note in p.notes)
    with pytest.raises(DataError, match=r"folder/nails/\*\*/\*\.\*"):
        prepared(folder, own.parents[1], "nails", size=8)


def truncate(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-200])
    return path


def overwrite(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


#: A sound PNG of 0 x 8 pixels.
EMPTY_PNG = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 8, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(b""))
    + chunk(b"IEND", b"")
)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda root: truncate(root / "test/good/000.png"), "not a readable image"),
        (lambda root: overwrite(root / "train/good/001.png", b"no image"), "not a readable image"),
        (lambda root: overwrite(root / "train/good/001.png", b""), "not a readable image"),
        (lambda root: picture(root / "train/good/001.jpg"), "two files hold photograph 001"),
        (lambda root: picture(root / "ground_truth/crack/001_mask.png", (8, 16), "L", 255), "mask of 8x16 pixels"),
        (lambda root: picture(root / "ground_truth/crack/001_mask.png", mode="L", fill=0), "marks no pixel"),
        (lambda root: overwrite(root / "train/good/001.png", EMPTY_PNG), "not a readable image"),
        (lambda root: picture(root / "train/crack/000.png").parent, "training photographs that are not good"),
    ],
)
def test_mvtec_names_the_broken_file(category: Path, spoil: Callable[[Path], Path], reason: str) -> None:
    broken = spoil(category)
    message = refusal(mvtec, category.parents[1], "tile")
    assert reason in message
    assert broken.name in message
    assert str(broken.parent) in message


def test_mvtec_without_defects_or_training_images(category: Path) -> None:
    for folder, what in (("test/crack", "no defective test photograph"), ("train/good", "no training photograph")):
        for path in (category / folder).iterdir():
            path.unlink()
        assert what in refusal(mvtec, category.parents[1], "tile")
        picture(category / "test/crack/000.png")


def test_mvtec_with_masks_for_some_is_image_level_only(category: Path) -> None:
    (category / "ground_truth/crack/001_mask.png").unlink()
    p = prepared(mvtec, category.parents[1], "tile", size=8)
    assert p.masks is None
    assert "image-level figures only: 1 of 2 defective images have a mask" in p.notes


def test_missing_files_are_named_with_the_layouts_that_serve(tmp_path: Path) -> None:
    for module, item, expected in (
        (mvtec, "tile", "mvtec/tile"),
        (nab, "nyc_taxi", "nab.zip"),
        (ucr, "ECG200", "ucr/ECG200.zip"),
        (msl, "M-1", "msl.zip"),
        (ucr_anomaly, "001", "ucr_anomaly.zip"),
    ):
        message = refusal(module, tmp_path, item)
        assert expected in message
        assert str(tmp_path) in message


def test_broken_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "nab.zip").write_bytes(b"PK not a zip")
    assert "nab.zip: not a readable zip archive" in refusal(nab, tmp_path, "nyc_taxi")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("ECG200/ECG200_TRAIN.tsv", "1\t0.5\t0.25\n" * 50)
        archive.writestr("ECG200/ECG200_TEST.tsv", "1\t0.5\t0.25\n" * 50)
    raw = bytearray(content.getvalue())
    raw[60] ^= 0xFF  # inside the first member's data: its checksum is wrong now
    (tmp_path / "ucr").mkdir()
    (tmp_path / "ucr/ECG200.zip").write_bytes(raw)
    assert "ECG200_TRAIN.tsv: can't be read" in refusal(ucr, tmp_path, "ECG200")


def taxi_rows(count: int = 400) -> list[str]:
    start = np.datetime64("2014-07-01T00:00:00")
    times = start + np.arange(count) * np.timedelta64(30, "m")
    return [f"{str(time).replace('T', ' ')},{20 + i % 48}" for i, time in enumerate(times)]


def taxi(
    root: Path, rows: list[str], header: str = "timestamp,value", windows: Any = None, newline: str = "\n"
) -> Path:
    stream = root / "NAB/data/realKnownCause/nyc_taxi.csv"
    labels = root / "NAB/labels/combined_windows.json"
    for path in (stream, labels):
        path.parent.mkdir(parents=True, exist_ok=True)
    stream.write_bytes(newline.join([header, *rows, ""]).encode())
    if windows is None:
        windows = {"realKnownCause/nyc_taxi.csv": [["2014-07-08 00:00:00.000000", "2014-07-08 01:00:00.000000"]]}
    labels.write_text(windows if isinstance(windows, str) else json.dumps(windows))
    return root


def test_nab_windows_are_inclusive_and_line_ends_do_not_matter(tmp_path: Path) -> None:
    unix = prepared(nab, taxi(tmp_path / "unix", taxi_rows()), "nyc_taxi")
    assert len(unix.train) == 200
    assert np.flatnonzero(unix.labels).tolist() == [136, 137, 138]
    assert same(unix, prepared(nab, taxi(tmp_path / "dos", taxi_rows(), newline="\r\n"), "nyc_taxi"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"header": "value,timestamp"}, "columns are value, timestamp; expected timestamp,value in this order"),
        ({"header": "timestamp,count"}, "columns are timestamp, count"),
        ({"rows": [row.split(",")[0] for row in taxi_rows()], "header": "timestamp"}, "columns are timestamp;"),
        ({"rows": [*taxi_rows()[:5], "2014-07-01 02:30:00,", *taxi_rows()[6:]]}, "line 7 has value nan"),
        ({"rows": [*taxi_rows()[:5], "2014-07-01 02:30:00,many", *taxi_rows()[6:]]}, "line 7 has value 'many'"),
        ({"rows": [*taxi_rows()[:5], "noon,3", *taxi_rows()[6:]]}, "line 7 has timestamp 'noon'"),
        ({"rows": taxi_rows()[::-1]}, "399 of 400 rows go back in time"),
        ({"rows": []}, "0 rows"),
        ({"rows": taxi_rows()[:300]}, "do not hold the labelled window"),
        ({"windows": {"realKnownCause/nyc_taxi.csv": []}}, "undefined: one class"),
        (
            {"windows": {"realKnownCause/nyc_taxi.csv": [["2014-07-08 00:00:00", "2024-07-08 01:00:00"]]}},
            "do not hold the labelled window",
        ),
        ({"rows": [row.split(",")[0] + ",7" for row in taxi_rows()]}, "a constant series"),
    ],
)
def test_nab_names_the_broken_stream(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    message = refusal(nab, taxi(tmp_path, **{"rows": taxi_rows(), **change}), "nyc_taxi")
    assert reason in message
    assert "nyc_taxi.csv" in message


@pytest.mark.parametrize(("windows", "reason"), [("{", "not NAB's list"), ({"other.csv": []}, "no entry for")])
def test_nab_names_the_broken_label_file(tmp_path: Path, windows: Any, reason: str) -> None:
    message = refusal(nab, taxi(tmp_path, taxi_rows(), windows=windows), "nyc_taxi")
    assert reason in message
    assert "combined_windows.json" in message


def test_nab_repeated_and_backward_clocks_are_noted(tmp_path: Path) -> None:
    rows = taxi_rows()
    rows[100] = rows[99]
    rows[200], rows[201] = rows[201], rows[200]
    notes = " ".join(prepared(nab, taxi(tmp_path, rows), "nyc_taxi").notes)
    assert "with a repeated time: 1" in notes
    assert "back in time: 1" in notes


@pytest.mark.parametrize(
    ("train", "test", "reason"),
    [
        ("1\t0.5\t0.25\n1\t0.5\n", "1\t0\t1\n-1\t0\t1\n", "ECG200_TRAIN.tsv: not a table of numbers"),
        ("1\t0.5\tx\n", "1\t0\t1\n-1\t0\t1\n", "ECG200_TRAIN.tsv: not a table of numbers"),
        ("1\t0.5\tNaN\n", "1\t0\t1\n-1\t0\t1\n", "ECG200_TRAIN.tsv: row 1 holds NaN"),
        ("-1\t0.5\t1\n", "1\t0\t1\n-1\t0\t1\n", "ECG200_TRAIN.tsv: no row of the normal class 1"),
        ("1\t0.5\t1\n", "1\t0\t1\n", "ECG200_TEST.tsv: undefined: one class"),
        ("1\t0.5\t1\n", "1\t0\t1\t2\n-1\t0\t1\t2\n", "ECG200_TEST.tsv: rows of 3 values"),
        ("1\n", "1\t0\t1\n-1\t0\t1\n", "ECG200_TRAIN.tsv: expected a label and a series"),
    ],
)
def test_ucr_names_the_broken_file(tmp_path: Path, train: str, test: str, reason: str) -> None:
    folder = tmp_path / "ucr/ECG200"
    folder.mkdir(parents=True)
    (folder / "ECG200_TRAIN.tsv").write_text(train)
    (folder / "ECG200_TEST.tsv").write_text(test)
    assert reason in refusal(ucr, tmp_path, "ECG200")


def test_ucr_reads_every_form_in_which_the_archive_is_handed_out(tmp_path: Path) -> None:
    rows = [("1", "0.5", "0.25"), ("1", "0.125", "-2"), ("-1", "1", "2")]
    forms = {
        "tsv": ["\t".join(row) for row in rows],
        "txt": ["  " + "  ".join(row) for row in rows],
        "ts": ["#A comment", "@problemName ECG200", "@data", *(f"{a},{b}:{label}" for label, a, b in rows)],
        "arff": ["% A comment", "@relation ECG200", "", "@data", *(f"{a},{b},{label}" for label, a, b in rows)],
    }
    found = {}
    for form, lines in forms.items():
        folder = tmp_path / form / "ucr/ECG200"
        folder.mkdir(parents=True)
        for part in ("TRAIN", "TEST"):
            (folder / f"ECG200_{part}.{form}").write_text("\n".join([*lines, ""]))
        found[form] = prepared(ucr, tmp_path / form, "ECG200")
        assert found[form].train.tolist() == [[[0.5, 0.25]], [[0.125, -2]]]
        assert found[form].labels.tolist() == [0, 0, 1]
        assert same(found[form], found["tsv"])
    with zipfile.ZipFile(tmp_path / "ucr.zip", "w") as archive:  # as timeseriesclassification.com does: several in one
        for form in ("arff", "ts"):
            for path in (tmp_path / form / "ucr/ECG200").iterdir():
                archive.write(path, path.name)
    (tmp_path / "ucr").mkdir()
    (tmp_path / "ucr.zip").rename(tmp_path / "ucr/ECG200.zip")
    assert same(prepared(ucr, tmp_path, "ECG200"), found["tsv"])


def test_ucr_constant_series_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "ucr/ECG200"
    folder.mkdir(parents=True)
    for part in ("TRAIN", "TEST"):
        (folder / f"ECG200_{part}.tsv").write_text("1\t3\t3\n-1\t2\t2\n")
    assert "ECG200_TRAIN.tsv: every series is constant" in refusal(ucr, tmp_path, "ECG200")


@pytest.mark.parametrize("params", [{"window": 0}, {"window": 12.5}, {"stride_divisor": 0}])
def test_windows_are_whole_numbers(data_root: Path, params: dict[str, Any]) -> None:
    assert "expected whole numbers from 1 on" in refusal(msl, data_root, "T-9", **params)


HEADER = "chan_id,spacecraft,anomaly_sequences,class,num_values\n"


@pytest.mark.parametrize(
    ("table", "test", "reason"),
    [
        (HEADER + 'M-1,MSL,"[[10, 900]]",[point],300\n', np.zeros((300, 2)), "labeled_anomalies.csv: range 10-900"),
        (HEADER + 'M-1,MSL,"[[10, ",[point],300\n', np.zeros((300, 2)), "labeled_anomalies.csv: not telemanom's table"),
        ("channel,anomaly_sequences\n", np.zeros((300, 2)), "labeled_anomalies.csv: no column 'chan_id'"),
        (HEADER, np.eye(300, 2), "M-1.npy: undefined: one class"),
        (HEADER + 'M-1,MSL,"[[10, 20]]",[point],300\n', np.zeros((300, 2)), "M-1.npy: a constant series"),
        (HEADER + 'M-1,MSL,"[[10, 20]]",[point],300\n', np.zeros((0, 2)), "M-1.npy: array of shape (0, 2)"),
        (HEADER + 'M-1,MSL,"[[10, 20]]",[point],300\n', np.full((300, 2), "a"), "and type <U1, expected numbers"),
        (HEADER + 'M-1,MSL,"[[10, 20]]",[point],300\n', np.full((300, 2), 1j), "and type complex128"),
        (HEADER + 'M-1,MSL,"[[10, 20]]",[point],300\n', np.full((300, 2), {}), "Object arrays cannot be loaded"),
        (HEADER + 'M-1,MSL,"[[10, 20]]",[point],300\n', np.zeros((300, 3)), "M-1.npy: 3 columns"),
        (HEADER + 'M-1,MSL,"[[10, 20]]",[point],300\n', np.zeros(300), "M-1.npy: array of shape (300,)"),
        (HEADER + 'M-1,MSL,"[[10, 20]]",[point],300\n', np.full((300, 2), np.nan), "M-1.npy: the test part holds NaN"),
        (HEADER + 'M-1,MSL,"[[10, 20]]",[point],300\n', np.zeros((50, 2)), "M-1.npy: the test part has 50 steps"),
    ],
)
def test_msl_names_the_broken_file(tmp_path: Path, table: str, test: np.ndarray, reason: str) -> None:
    for part, values in (("train", np.zeros((300, 2))), ("test", test)):
        (tmp_path / "msl/data" / part).mkdir(parents=True)
        np.save(tmp_path / "msl/data" / part / "M-1.npy", values)
    (tmp_path / "msl/labeled_anomalies.csv").write_text(table)
    assert reason in refusal(msl, tmp_path, "M-1")


@pytest.mark.parametrize(
    ("stem", "content", "reason"),
    [
        ("001_UCR_Anomaly_x_200_300_310", "1\n" * 250, "the name says train 1-200, anomaly 300-310"),
        ("001_UCR_Anomaly_x_200_150_160", "1\n" * 400, "the name says train 1-200, anomaly 150-160"),
        ("001_UCR_Anomaly_x_200", "1\n" * 400, "the name should end in"),
        ("001_UCR_Anomaly_x_200_300_310", "1\none\n", "holds more than numbers"),
        ("001_UCR_Anomaly_x_200_300_310", "1\n" * 399 + "nan\n", "holds NaN"),
    ],
)
def test_ucr_anomaly_names_the_broken_file(tmp_path: Path, stem: str, content: str, reason: str) -> None:
    folder = tmp_path / "UCR_Anomaly_FullData"
    folder.mkdir()
    (folder / f"{stem}.txt").write_text(content)
    message = refusal(ucr_anomaly, tmp_path, "001")
    assert reason in message
    assert f"{stem}.txt" in message


# ---- pictures ---------------------------------------------------------------------------------------------------


def test_resizing_by_area() -> None:
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    pixels[:2, :2] = 255
    small = resize_image(Image.fromarray(pixels), 2)
    assert small.shape == (3, 2, 2)
    assert np.array_equal(small[0], [[1, -1], [-1, -1]])


@pytest.mark.parametrize("size", [1, 3, 4, 7, 16, 64])
def test_a_single_marked_pixel_survives_any_resizing(size: int) -> None:
    mask = np.zeros((64, 64), dtype=bool)
    mask[17, 41] = True
    marked = resize_mask(mask, size)
    assert marked.shape == (size, size)
    assert marked[17 * size // 64, 41 * size // 64]
    assert marked.sum() <= 4
