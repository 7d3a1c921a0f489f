"""Machines: sounds of a rotating machine that are generated here. Clips of a faulty machine are anomalous."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from anomark.contracts import Array, Prepared

NAME = "Seeded machine sounds"
LABEL = "Machines"
MODALITY = "audio"
LEVEL = "clip"
LICENCE = "MIT"
SOURCE = ""
CITATION = ""
DEFAULTS = {"seed": 0}

RATE = 8000  # samples per second
SAMPLES = RATE  # one second
RECORDINGS = 8  # in training, and as many others in testing
TRAIN_CLIPS, GOOD_CLIPS, BAD_CLIPS = 8, 4, 4  # per recording
SPEED = 95.0  # Hz, of the shaft
HARMONICS = np.array([1.0, 0.7, 0.5, 0.42, 0.3, 0.22, 0.16, 0.12])  # amplitudes of the shaft's multiples
TIME = np.arange(SAMPLES) / RATE  # seconds


@dataclass
class Machine:
    """What one clip is made of; a fault changes it before it sounds."""

    speed: Array  # Hz of the shaft, per sample
    harmonics: Array  # amplitudes of its multiples
    rhythm: float  # Hz of the load
    noise: float  # amplitude of the background
    gain: float
    faulty_sound: Array  # added to the tone, per sample


def prepare(raw: Path, *, seed: int) -> Prepared:
    """Clips (N, 1, 8000) in [-1, 1], one second at 8 kHz; recordings are the groups. `raw` is not used."""
    rng = np.random.default_rng(seed)
    train, good, bad = [], [], []
    kinds = list(FAULTS)
    for recording in range(2 * RECORDINGS):
        # A recording's own shaft speed, harmonics, load rhythm, background and distance to the microphone.
        habit = Machine(
            speed=np.full(SAMPLES, SPEED * (1 + rng.normal(0, 0.008))),
            harmonics=HARMONICS * np.exp(rng.normal(0, 0.12, size=len(HARMONICS))),
            rhythm=rng.uniform(3.5, 4.5),
            noise=rng.uniform(0.25, 0.4),
            gain=rng.uniform(0.08, 0.11),
            faulty_sound=np.zeros(SAMPLES),
        )
        if recording < RECORDINGS:
            train += [_sound(habit, rng) for _ in range(TRAIN_CLIPS)]
            continue
        good += [_sound(habit, rng) for _ in range(GOOD_CLIPS)]
        bad += [_sound(FAULTS[kinds[i % len(kinds)]](habit, rng), rng) for i in range(BAD_CLIPS)]
    train_recordings, test_recordings = np.arange(RECORDINGS), np.arange(RECORDINGS, 2 * RECORDINGS)
    return Prepared(
        train=np.stack(train)[:, None].astype(np.float32),
        test=np.stack(good + bad)[:, None].astype(np.float32),
        labels=np.repeat(np.array([0, 1], dtype=np.uint8), [len(good), len(bad)]),
        train_groups=np.repeat(train_recordings, TRAIN_CLIPS),
        test_groups=np.concatenate([np.repeat(test_recordings, GOOD_CLIPS), np.repeat(test_recordings, BAD_CLIPS)]),
        value_range=(-1.0, 1.0),
        rate=RATE,
        normal_class="sound machine",
        choices=("test recordings are not in training", f"faults: {', '.join(kinds)}"),
    )


def _sound(machine: Machine, rng: np.random.Generator) -> Array:
    """One clip (8000,) in [-1, 1]: harmonics of the shaft under a slow load rhythm, coloured noise, the fault."""
    jitter = 1 + rng.normal(0, 0.002)
    phase = 2 * np.pi * np.cumsum(machine.speed * jitter) / RATE
    multiples = np.arange(1, len(machine.harmonics) + 1)[:, None]
    offsets = rng.uniform(0, 2 * np.pi, size=(len(machine.harmonics), 1))
    tone = machine.harmonics @ np.sin(multiples * phase + offsets)
    load = 1 + 0.25 * np.sin(2 * np.pi * (machine.rhythm * TIME + rng.uniform()))
    background = machine.noise * lfilter([1.0], [1.0, -0.6], rng.normal(size=SAMPLES))
    return np.clip(machine.gain * (load * tone + background + machine.faulty_sound), -1, 1)


# Faults. Each returns a changed copy of a machine. Generators of synthetic anomalies for model selection live elsewhere
# and share nothing with these.


def bearing_clicks(machine: Machine, rng: np.random.Generator) -> Machine:
    """Periodic impacts that ring at a resonance between 2 and 3 kHz for some milliseconds."""
    period = int(RATE / rng.uniform(18, 35))
    impacts = np.zeros(SAMPLES)
    impacts[int(rng.integers(period)) :: period] = rng.uniform(1.0, 2.5)
    ring_time = np.arange(int(0.01 * RATE)) / RATE
    ring = np.exp(-ring_time / 0.002) * np.sin(2 * np.pi * rng.uniform(2000, 3000) * ring_time)
    return replace(machine, faulty_sound=np.convolve(impacts, ring)[:SAMPLES])


def whine(machine: Machine, rng: np.random.Generator) -> Machine:
    """A high tone that wavers slowly."""
    pitch = rng.uniform(1400, 2600) * (1 + 0.01 * np.sin(2 * np.pi * rng.uniform(1, 3) * TIME))
    return replace(machine, faulty_sound=rng.uniform(0.12, 0.3) * np.sin(2 * np.pi * np.cumsum(pitch) / RATE))


def missing_harmonic(machine: Machine, rng: np.random.Generator) -> Machine:
    """One of the multiples 2 to 4 of the shaft is silent."""
    harmonics = machine.harmonics.copy()
    harmonics[int(rng.integers(1, 4))] = 0
    return replace(machine, harmonics=harmonics)


def speed_change(machine: Machine, rng: np.random.Generator) -> Machine:
    """The shaft drifts to a speed 4 to 9% off within the clip."""
    drift = rng.choice([-1.0, 1.0]) * rng.uniform(0.04, 0.09) * TIME / TIME[-1]
    return replace(machine, speed=machine.speed * (1 + drift))


FAULTS: dict[str, Callable[[Machine, np.random.Generator], Machine]] = {
    "bearing_clicks": bearing_clicks,
    "whine": whine,
    "missing_harmonic": missing_harmonic,
    "speed_change": speed_change,
}
