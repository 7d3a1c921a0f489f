"""Log-mel spectrograms of clips, as YAMNet hears them."""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor

from anomark.contracts import Array

#: Samples a second that clips are brought to, samples of a frame and between frames, of the transform, and bands from
#: and to which frequency (Hz): the front end that YAMNet was trained behind.
RATE, FRAME, HOP, TRANSFORM, BANDS, LOWEST, HIGHEST = 16_000, 400, 160, 512, 64, 125.0, 7500.0
#: Added to a band's amplitude before the logarithm.
OFFSET = 0.001
#: Frames of a patch and between patches (.96 s, half of them shared).
PATCH, PATCH_HOP = 96, 48


def log_mel(clips: Any, rate: int) -> Tensor:
    """Log-mel amplitudes (N, frames, 64) of clips (N, 1, T) at `rate` samples a second.

    A clip that is too short for one patch is repeated.
    """
    sound = np.asarray(clips, dtype=np.float64)[:, 0]
    common = gcd(rate, RATE)
    if rate != RATE:
        sound = resample_poly(sound, RATE // common, rate // common, axis=1)
    shortest = FRAME + (PATCH - 1) * HOP
    if sound.shape[1] < shortest:
        sound = np.tile(sound, -(-shortest // sound.shape[1]))[:, :shortest]
    frames = torch.from_numpy(sound.astype(np.float32)).unfold(1, FRAME, HOP)
    amplitude = torch.fft.rfft(frames * torch.hann_window(FRAME), TRANSFORM).abs()
    return torch.log(amplitude @ torch.from_numpy(mel_filters()) + OFFSET)


def patches(spectrogram: Tensor) -> Tensor:
    """(N, frames, 64) -> (N, P, 96, 64), the patches that a network is shown."""
    return spectrogram.unfold(1, PATCH, PATCH_HOP).transpose(2, 3)


def band_statistics(spectrogram: Tensor) -> Tensor:
    """(N, frames, 64) -> (N, 128): mean and deviation of every band over time."""
    return torch.cat([spectrogram.mean(1), spectrogram.std(1)], dim=1)


def mel_filters() -> Array:
    """float32 (257, 64): triangles between neighbouring points that are evenly spaced in mel = 1127 ln(1 + f / 700)."""
    frequency = np.linspace(0, RATE / 2, TRANSFORM // 2 + 1)
    position, lowest, highest = (1127 * np.log1p(f / 700) for f in (frequency, LOWEST, HIGHEST))
    points = np.linspace(lowest, highest, BANDS + 2)
    rising = (position[:, None] - points[:-2]) / (points[1:-1] - points[:-2])
    falling = (points[2:] - position[:, None]) / (points[2:] - points[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
