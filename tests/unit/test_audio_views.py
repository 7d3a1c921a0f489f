"""Log-mel spectrograms, YAMNet's weights, and diffusion on views of clips."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from anomark.contracts import AnomarkError, Spec
from anomark.detectors.listeners import yamnet
from anomark.detectors.weights import write_weights
from anomark.signal import logmel
from tests.samples import noise

views = importlib.import_module("anomark_methods.audio_views")
MODULE, SOURCE = "anomark.detectors.listeners.yamnet", yamnet.WEIGHTS["yamnet"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "drawn.safetensors"
    yamnet.draw(path)
    return path


@pytest.mark.parametrize(("rate", "seconds"), [(8000, 1.0), (16000, 1.2), (44100, 1.0)])
def test_a_tone_lies_in_its_band_at_any_rate(rate: int, seconds: float) -> None:
    """The loudest band of a tone is the one whose centre is nearest in mel = 1127 ln(1 + f / 700)."""

    def mel(frequency: float) -> float:
        return float(1127 * np.log1p(frequency / 700))

    centres = np.linspace(mel(125), mel(7500), 66)[1:-1]
    for frequency in (440.0, 1000.0, 3000.0):
        clip = np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)[None, None]
        loudest = int(logmel.log_mel(clip, rate).mean((0, 1)).argmax())
        assert abs(loudest - int(np.abs(centres - mel(frequency)).argmin())) <= 1


def test_a_frame_is_the_windowed_transform_of_its_samples() -> None:
    clip = noise(1, 1, 16000)
    frame = np.hanning(401)[:-1] * clip[0, 0, 320:720]
    expected = np.log(np.abs(np.fft.rfft(frame, 512)) @ logmel.mel_filters() + 0.001)
    np.testing.assert_allclose(logmel.log_mel(clip, 16000)[0, 2], expected, rtol=1e-3, atol=1e-4)


def test_a_short_clip_is_repeated_and_a_long_one_has_more_patches() -> None:
    assert logmel.patches(logmel.log_mel(noise(2, 1, 100), 16000)).shape == (2, 1, 96, 64)
    assert logmel.patches(logmel.log_mel(noise(2, 1, 32000), 8000)).shape == (2, 7, 96, 64)


def test_convolutions_pad_as_tensorflow_does(drawn: Path) -> None:
    """The first layer written out: of an even side with stride 2, "same" pads below and right alone."""
    network = yamnet.Network.load(drawn)
    first = network.layers[0]
    patches = torch.from_numpy(noise(2, 96, 64))
    seen: list[torch.Tensor] = []
    network.layers[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(patches)
    padded = torch.nn.functional.pad(patches[:, None], (0, 1, 0, 1))
    expected = torch.nn.functional.conv2d(padded, first.weight, first.bias, stride=2).clamp(0, 6)
    torch.testing.assert_close(seen[0][:, :, 1:-1, 1:-1], expected, rtol=1e-4, atol=1e-5)


def test_the_owners_weights_know_sounds(data_root: Path, tmp_path: Path) -> None:
    """Class 494 of AudioSet is silence, and class 0 is speech; a tone and noise are neither."""
    raw = data_root / SOURCE["file"]
    if not raw.is_file():
        pytest.skip(f"no {raw}")
    write_weights(MODULE, SOURCE, raw, out := tmp_path / "f.safetensors")
    network = yamnet.Network.load(out)
    tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    sounds = np.stack([np.zeros(16000), tone, 0.3 * noise(16000)])[:, None]
    scores = network.logits(logmel.patches(logmel.log_mel(sounds, 16000)).flatten(0, 1)).sigmoid()
    assert scores[0].argmax() == 494
    assert scores[1:, 494].max() < 0.1 and scores[1:, 0].max() < 0.5


def test_another_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (path := tmp_path / "yamnet.tflite").write_bytes(b"no model at all")
    with pytest.raises(AnomarkError, match="not the TFLite file of YAMNet"):
        yamnet.read(path)
    with pytest.raises(AnomarkError, match="sha256 is"):
        write_weights(MODULE, SOURCE, path, tmp_path / "f.safetensors")
    save_file({"x": torch.zeros(1)}, other := tmp_path / "other.safetensors")
    with pytest.raises(AnomarkError, match="not the weights of YAMNet"):
        yamnet.Network.load(other)
    assert not (tmp_path / "f.safetensors").exists()


def test_a_score_is_the_error_of_the_denoiser_in_usual_errors(drawn: Path) -> None:
    """The first view alone, written out in double precision."""
    X, x = 0.1 * noise(20, 1, 8000), 0.1 * noise(6, 1, 8000, seed=1)
    x[3:, :, ::2] = 0
    method = views.Method(Spec("audio", (1, 8000), (-1, 1), 8000), 0, "cpu", str(drawn), views=["mel"])
    got = method.fit(X, None).decision_function(x)

    def look(clips: np.ndarray) -> np.ndarray:
        mel = logmel.log_mel(clips, 8000).numpy().astype(np.float64)
        return np.concatenate([mel.mean(1), mel.std(1, ddof=1)], axis=1)

    train, test = look(X), look(x)
    scale = train.var(0).mean()
    values, vectors = np.linalg.eigh(np.cov(train.T) / scale + 0.1 * np.eye(128))
    root = vectors / np.sqrt(values) @ vectors.T / np.sqrt(scale)
    z, q = (train - train.mean(0)) @ root, (test - train.mean(0)) @ root
    between = ((z[:, None] - z) ** 2).sum(-1)
    usual = np.sort(np.where(np.eye(20, dtype=bool), np.inf, between).min(1))[9]  # torch's median: the lower of two
    squared = ((q[:, None] - z) ** 2).sum(-1)
    weights = np.exp(-(squared - squared.min(1, keepdims=True)) / (2 * 0.35**2 * usual))
    expected = ((q - weights @ z / weights.sum(1, keepdims=True)) ** 2).sum(1) / usual
    np.testing.assert_allclose(got, expected, rtol=0.02)  # roots are stored in half precision
    assert got[3:].min() > got[:3].max()
