"""Recordings as people bring them: formats, rates, channels, depths, and folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from anomark.contracts import DataError, Prepared
from anomark_datasets.clips import prepare

PARTS = (("train/good", 4), ("test/good", 2), ("test/squeak", 2))


def sound(index: int, rate: int = 8000, seconds: float = 0.5) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    return 0.5 * np.sin(2 * np.pi * (200 + 10 * index) * time)


def make(root: Path, ending: str = ".wav", rate: int = 8000, channels: int = 1, **how: str) -> Path:
    for part, count in PARTS:
        folder = root / "clips" / "pump" / part
        folder.mkdir(parents=True)
        for i in range(count):
            samples = np.repeat(sound(i, rate)[:, None], channels, axis=1)
            soundfile.write(folder / f"{i}{ending}", samples, rate, **how)
    return root


def read(root: Path, **params: object) -> Prepared:
    given = {"rate": 0, "seconds": 0.0, "normal": "", "suspects": ""} | params
    return prepare(root, item="pump", **given)  # type: ignore[arg-type]


KINDS: dict[str, dict] = {
    "wav": {},
    "WAV": {"ending": ".WAV"},
    "flac": {"ending": ".flac"},
    "ogg": {"ending": ".ogg"},
    "mp3": {"ending": ".mp3"},
    "8 bits": {"subtype": "PCM_U8"},
    "24 bits": {"subtype": "PCM_24"},
    "32 bits": {"subtype": "PCM_32"},
    "fractions": {"subtype": "FLOAT"},
    "stereo": {"channels": 2},
    "six channels": {"channels": 6},
    "44.1 kHz": {"rate": 44100},
    "11 kHz": {"rate": 11025},
}


@pytest.mark.parametrize("kind", KINDS)
def test_recordings_of_any_kind_are_read(tmp_path: Path, kind: str) -> None:
    found = read(make(tmp_path, **KINDS[kind]))
    rate = min(16000, KINDS[kind].get("rate", 8000))
    assert found.rate == rate and found.train.shape == (4, 1, round(rate * found.train.shape[2] / rate))
    assert found.train.shape[2] == pytest.approx(0.5 * rate, rel=0.15)  # MP3 pads
    assert found.labels.tolist() == [0, 0, 1, 1]
    spectrum = np.abs(np.fft.rfft(found.train[1, 0]))
    assert spectrum.argmax() * rate / found.train.shape[2] == pytest.approx(210, abs=5)
    assert np.abs(found.train).max() == pytest.approx(0.5, abs=0.1)


def test_lengths_and_rates_may_differ(tmp_path: Path) -> None:
    root = make(tmp_path)
    soundfile.write(root / "clips/pump/test/good/0.wav", sound(0, 44100, 2.0), 44100)
    soundfile.write(root / "clips/pump/test/good/1.wav", sound(0, 8000, 0.1), 8000)
    found = read(root)
    assert found.rate == 8000 and found.test.shape == (4, 1, 4000)
    assert any("1 recordings are shorter than 0.5 s" in note for note in found.notes)
    assert read(root, seconds=0.25, rate=4000).test.shape == (4, 1, 1000)


def test_a_folder_of_normal_recordings_and_one_of_suspects(tmp_path: Path) -> None:
    pump = make(tmp_path) / "clips/pump"
    for name, count in (("fine", 10), ("odd", 3)):
        (pump / name).mkdir()
        for i in range(count):
            soundfile.write(pump / name / f"{i}.wav", sound(i), 8000)
    (pump / "fine/notes.txt").write_text("mine")
    found = read(tmp_path, normal="fine", suspects="odd")
    assert (len(found.train), found.labels.tolist()) == (7, [0, 0, 0, 1, 1, 1])
    assert any("notes.txt" in note for note in found.notes)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: path.write_bytes(b"text"), "not a readable sound file"),
        (lambda path: path.write_bytes(b""), "not a readable sound file"),
        (lambda path: soundfile.write(path, np.zeros(0), 8000), "0 samples"),
        (lambda path: soundfile.write(path, np.full(800, np.nan), 8000, subtype="FLOAT"), "NaN"),
    ],
    ids=["text", "nothing", "no sample", "NaN"],
)
def test_a_broken_recording_is_one_sentence(tmp_path: Path, spoil: Callable[[Path], None], sentence: str) -> None:
    root = make(tmp_path)
    spoil(root / "clips/pump/train/good/1.wav")
    with pytest.raises(DataError, match=sentence) as error:
        read(root)
    assert "1.wav" in str(error.value) and "fetch" not in str(error.value)


def test_a_missing_part_leaves_no_labels_or_is_named(tmp_path: Path) -> None:
    root = make(tmp_path)
    for path in (root / "clips/pump/test/good").iterdir():
        path.unlink()
    found = read(root)
    assert found.labels is None and any("no good test recording" in note for note in found.notes)
    for path in (root / "clips/pump/train/good").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="no training recording under train/good"):
        read(root)
