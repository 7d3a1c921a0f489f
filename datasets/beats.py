"""Beats: single heart beats that are generated as sums of Gaussians. Abnormal beats differ in shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anomark.contracts import Array, Prepared
from anomark.data.training_set import describe, first_share
from anomark.seeds import seed_of

NAME = "Seeded heart beats"
LABEL = "Beats"
MODALITY = "series"
LEVEL = "window"
LICENCE = "MIT"
SOURCE = ""
CITATION = "wave model after McSharry et al., IEEE Trans. Biomed. Eng. 50(3), 2003"
DEFAULTS = {"seed": 0, "train_share": 1.0, "contamination": 0.0}

STEPS = 96
PATIENTS = 12  # in training, and as many others in testing
TRAIN_BEATS, GOOD_BEATS, BAD_BEATS = 10, 5, 5  # per patient

#: Centre, width (both in shares of the window) and height of the five waves.
WAVES = {
    "P": (0.22, 0.030, 0.15),
    "Q": (0.37, 0.011, -0.12),
    "R": (0.40, 0.014, 1.00),
    "S": (0.43, 0.012, -0.22),
    "T": (0.66, 0.050, 0.32),
}
#: Abnormal beats: changes of (centre by addition, width by factor, height by factor) of some waves. Generators of
#: synthetic anomalies for model selection live elsewhere and share nothing with these.
ABNORMALITIES: dict[str, dict[str, tuple[float, float, float]]] = {
    "absent P": {"P": (0.0, 1.0, 0.0)},
    "inverted T": {"T": (0.0, 1.0, -0.6)},
    "wide QRS": {"Q": (-0.02, 1.8, 1.2), "R": (0.0, 2.0, 0.9), "S": (0.03, 2.2, 1.5)},
    "premature beat": {"Q": (-0.07, 1.0, 1.0), "R": (-0.07, 1.0, 1.0), "S": (-0.07, 1.0, 1.0), "T": (-0.08, 1.0, 1.0)},
    "deep S, flat T": {"S": (0.01, 1.4, 2.4), "T": (-0.03, 1.3, 0.35)},
}


def prepare(raw: Path, *, seed: int, train_share: float, contamination: float) -> Prepared:
    """Beats (N, 1, 96), each with mean 0 and standard deviation 1; patients are the groups. `raw` is not used.

    Contamination replaces beats of training patients by abnormal ones of the same patient.
    """
    rng = np.random.default_rng(seed)
    train, good, bad, habits = [], [], [], []
    kinds = list(ABNORMALITIES)
    for patient in range(2 * PATIENTS):
        # A patient's own wave positions, widths and heights; beats vary around them.
        habit = rng.normal(0, [0.008, 0.10, 0.14], size=(len(WAVES), 3))
        if patient < PATIENTS:
            habits.append(habit)
            train += [_beat(habit, {}, rng) for _ in range(TRAIN_BEATS)]
            continue
        good += [_beat(habit, {}, rng) for _ in range(GOOD_BEATS)]
        bad += [_beat(habit, ABNORMALITIES[kinds[i % len(kinds)]], rng) for i in range(BAD_BEATS)]
    train_patients = np.repeat(np.arange(PATIENTS), TRAIN_BEATS)
    test_patients = np.arange(PATIENTS, 2 * PATIENTS)
    kept = np.sort(first_share(len(train), train_share, dataset="beats", seed=seed, purpose="size"))
    axes: dict[str, str | int] = {"dataset": "beats", "seed": seed, "purpose": "contamination"}
    rng = np.random.default_rng(seed_of(**axes, part="beats"))
    for index, row in enumerate(kept[first_share(len(kept), contamination, **axes)]):
        train[row] = _beat(habits[train_patients[row]], ABNORMALITIES[kinds[index % len(kinds)]], rng)
    return Prepared(
        train=np.stack(train)[kept, None].astype(np.float32),
        test=np.stack(good + bad)[:, None].astype(np.float32),
        labels=np.repeat(np.array([0, 1], dtype=np.uint8), [len(good), len(bad)]),
        train_groups=train_patients[kept],
        test_groups=np.concatenate([np.repeat(test_patients, GOOD_BEATS), np.repeat(test_patients, BAD_BEATS)]),
        normal_class="normal beat",
        choices=(
            "test patients are not in training",
            f"abnormal beats: {'; '.join(kinds)}",
            *describe(train_share, contamination),
        ),
    )


def _beat(habit: Array, change: dict[str, tuple[float, float, float]], rng: np.random.Generator) -> Array:
    """One beat (96,): five Gaussians, baseline wander and noise, normalised to mean 0 and deviation 1."""
    t = np.linspace(0, 1, STEPS)
    beat = rng.normal(0, 0.03) * np.sin(2 * np.pi * (t + rng.uniform())) + rng.normal(0, 0.025, size=STEPS)
    jitter = rng.normal(0, [0.005, 0.05, 0.06], size=(len(WAVES), 3))
    for row, (name, (centre, width, height)) in enumerate(WAVES.items()):
        shift, wider, higher = change.get(name, (0.0, 1.0, 1.0))
        offset, *factors = habit[row] + jitter[row]
        spread = width * wider * np.exp(factors[0])
        beat += height * higher * np.exp(factors[1]) * np.exp(-0.5 * ((t - centre - shift - offset) / spread) ** 2)
    return (beat - beat.mean()) / beat.std()
