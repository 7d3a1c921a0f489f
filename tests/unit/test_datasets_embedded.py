"""The embedded datasets: shapes, ranges, determinism, exact labels and masks, regions and recordings kept apart."""

from __future__ import annotations

import importlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomark.contracts import Array, DataError, Prepared
from anomark.data.series import autocorrelation_period, prepare_series
from anomark.suite.registry import TRAINING_SETS

textures, digits, series, beats, machines = (
    importlib.import_module(f"anomark_datasets.{name}")
    for name in ("textures", "digits", "series", "beats", "machines")
)
CASES = [
    *((textures, item) for item in textures.ITEMS),
    (digits, "3"),
    (digits, "8"),
    (series, None),
    (beats, None),
    (machines, None),
]


def prepared(module: Any, item: str | None = None, **params: Any) -> Prepared:
    chosen = {**module.DEFAULTS, **({"item": item, **module.ITEMS[item]} if item else {}), **params}
    return module.prepare(Path("not used"), **chosen)


def arrays(p: Prepared) -> dict[str, Array]:
    named = {name: getattr(p, name) for name in ("train", "test", "labels", "masks", "train_groups", "test_groups")}
    return {name: array for name, array in named.items() if array is not None}


@pytest.mark.parametrize(("module", "item"), CASES)
def test_same_call_gives_same_bytes(module: Any, item: str | None) -> None:
    first, second = arrays(prepared(module, item)), arrays(prepared(module, item))
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].tobytes() == second[name].tobytes(), name


@pytest.mark.parametrize("module", [textures, series, beats, machines])
def test_another_seed_gives_other_data(module: Any) -> None:
    item = "brick" if module is textures else None
    assert not np.array_equal(prepared(module, item).test, prepared(module, item, seed=1).test)


@pytest.mark.parametrize(("module", "item"), CASES)
def test_arrays_agree_with_each_other_and_with_the_metadata(module: Any, item: str | None) -> None:
    p = prepared(module, item)
    assert p.train.dtype == p.test.dtype == np.float32
    assert p.train.shape[1:] == p.test.shape[1:]
    assert p.labels.dtype == np.uint8
    assert p.labels.shape == (len(p.test),)
    assert 0 < p.labels.mean() < 1
    assert np.isfinite(p.train).all()
    assert np.isfinite(p.test).all()
    if p.value_range:
        assert min(p.train.min(), p.test.min()) >= p.value_range[0]
        assert max(p.train.max(), p.test.max()) <= p.value_range[1]
    for rows, groups in ((p.train, p.train_groups), (p.test, p.test_groups)):
        assert groups is None or groups.shape == (len(rows),)
    if p.train_groups is not None and p.test_groups is not None:
        assert not set(p.train_groups.tolist()) & set(p.test_groups.tolist())


def test_texture_counts_and_sizes() -> None:
    p = prepared(textures, "gravel")
    assert p.train.shape == (165, 3, 32, 32)
    assert p.test.shape == (100, 3, 32, 32)
    assert p.labels.sum() == 60
    assert prepared(textures, "gravel", size=16).test.shape == (100, 3, 16, 16)


@pytest.mark.parametrize("item", textures.ITEMS)
def test_texture_masks_mark_exactly_the_defective_images(item: str) -> None:
    p = prepared(textures, item)
    assert p.masks is not None
    assert p.masks.shape == (100, 32, 32)
    assert np.array_equal(p.masks.any(axis=(1, 2)), p.labels == 1)
    assert p.masks.mean(axis=(1, 2)).max() < 0.35


@pytest.mark.parametrize("kind", textures.DEFECTS)
@pytest.mark.parametrize("item", textures.ITEMS)
def test_a_defect_changes_what_its_mask_marks_and_nothing_else(item: str, kind: str) -> None:
    photo, foreign = textures._photograph(item), textures._photograph("brick" if item != "brick" else "grass")
    for seed in range(10):
        rng = np.random.default_rng(seed)
        crop = textures._crop(photo, 1, 1, rng)
        defective, mask = textures.DEFECTS[kind](crop.copy(), foreign, rng)
        changed = (defective != crop).any(axis=2)
        assert mask.any()
        assert not (changed & ~mask).any()
        assert changed[mask].mean() > 0.9  # a foreign pixel may happen to be equal
        assert np.abs(defective - crop)[mask].mean() > 3  # grey levels: visible


def test_texture_crops_stay_in_their_blocks() -> None:
    """On a photograph whose pixels name their block, every crop names one block: its group."""
    side = 512 // textures.BLOCKS
    row, column = np.minimum(np.mgrid[:512, :512] // side, textures.BLOCKS - 1)
    photo = np.repeat((row * textures.BLOCKS + column)[:, :, None], 3, axis=2).astype(np.float64)
    rng = np.random.default_rng(0)
    for block in range(textures.BLOCKS**2):
        crops = [textures._crop(photo, *divmod(block, textures.BLOCKS), rng) for _ in range(20)]
        assert np.unique(crops).tolist() == [block]
    p = prepared(textures, "brick")
    assert p.train_groups is not None
    assert p.test_groups is not None
    assert sorted({*p.train_groups.tolist(), *p.test_groups.tolist()}) == list(range(textures.BLOCKS**2))
    assert set(p.test_groups[p.labels == 0]) == set(p.test_groups[p.labels == 1])  # the region doesn't tell the label


#: Embedded families with variants.
VARIED = [(textures, "brick"), (textures, "gravel"), (digits, "0"), (digits, "8"), (series, None), (beats, None)]


def raw_train(p: Prepared, base: Prepared) -> Array:
    """The training rows of a variant on the scale of its base: a series is standardised by what trains."""
    if not p.window:
        return p.train
    scale = base.test.std() / p.test.std()
    return (p.train - p.test.mean()) * scale + base.test.mean()


@pytest.mark.parametrize(("module", "item"), VARIED)
def test_variants_keep_the_test_rows(module: Any, item: str | None) -> None:
    base = prepared(module, item)
    for name, changes in TRAINING_SETS.items():
        p = prepared(module, item, **{key: value for key, value in changes.items() if key != "LABEL"})
        assert np.array_equal(p.labels, base.labels), name
        if bool(base.window):
            a, b = np.polyfit(base.test[:, 0], p.test[:, 0], 1)
            np.testing.assert_allclose(p.test, a * base.test + b, atol=1e-4)
        else:
            assert p.test.tobytes() == base.test.tobytes(), name


@pytest.mark.parametrize(("module", "item"), VARIED)
def test_a_smaller_training_set_is_part_of_a_larger_one(module: Any, item: str | None) -> None:
    base = prepared(module, item)
    larger: set[bytes] | None = None
    for share in (1.0, 0.5, 0.25, 0.1):
        p = prepared(module, item, train_share=share)
        assert len(p.train) == round(share * len(base.train))
        assert p.train_groups is None or len(p.train_groups) == len(p.train)
        rows = {np.round(row, 4).tobytes() for row in raw_train(p, base)}
        if bool(base.window):
            np.testing.assert_allclose(raw_train(p, base), base.train[: len(p.train)], atol=1e-3)
        else:
            assert larger is None or rows < larger
        larger = rows


@pytest.mark.parametrize(("module", "item"), VARIED)
def test_contamination_replaces_training_rows_by_anomalies_that_are_not_tested(module: Any, item: str | None) -> None:
    base = prepared(module, item)
    tested = {row.tobytes() for row in base.test}
    before = np.zeros(len(base.train), dtype=bool)
    for share in (0.0, 0.01, 0.05, 0.1):
        p = prepared(module, item, contamination=share)
        assert p.train.shape == base.train.shape
        changed = np.abs(raw_train(p, base) - base.train).reshape(len(p.train), -1).max(axis=1) > 1e-3
        assert abs(changed.sum() - share * len(p.train)) <= 0.5 + (bool(base.window)), "a step may be hit unchanged"
        assert changed[before].all(), "more contamination keeps the anomalies of less"
        if not base.window:
            assert not tested & {row.tobytes() for row in p.train[changed]}
        if p.train_groups is not None:
            assert base.train_groups is not None and np.array_equal(p.train_groups, base.train_groups)
        assert any("are anomalous" in choice for choice in p.choices) == (share > 0)
        before = changed


def test_contaminating_digits_are_other_digits_of_the_training_writers() -> None:
    data = digits.load_digits()
    first = np.arange(len(data.target)) < digits.TRAIN_SHARE * len(data.target)
    of_writers = {row.tobytes() for row in digits._enlarge(data.images[first & (data.target != 0)], 8)}
    base, p = prepared(digits, "0", size=8), prepared(digits, "0", size=8, contamination=0.1)
    changed = (p.train != base.train).any(axis=(1, 2, 3))
    assert changed.sum() == 11 and {row.tobytes() for row in p.train[changed]} <= of_writers


def test_a_share_beyond_the_whole_is_refused() -> None:
    for module, item in VARIED:
        with pytest.raises(DataError, match=r"1\.5, expected one from 0 to 1"):
            prepared(module, item, train_share=1.5)
    with pytest.raises(DataError, match="more than one anomaly a week"):
        prepared(series, contamination=0.9)


def test_digits_are_upscaled_and_never_shared_between_the_parts() -> None:
    p = prepared(digits, "0")
    assert p.train.shape == (108, 1, 32, 32)
    assert int(p.labels.sum()) == 9 * digits.ANOMALIES
    small = prepared(digits, "0", size=8)
    train_rows = {row.tobytes() for row in small.train}
    assert not any(row.tobytes() in train_rows for row in small.test)
    assert len(np.unique(small.train)) <= 17  # 8x8 pixels at size 8 are left as they are: levels 0 to 16


def test_series_anomalies_are_where_the_labels_say(monkeypatch: pytest.MonkeyPatch) -> None:
    p = prepared(series)
    assert p.train.shape == p.test.shape == (12 * 7 * 48, 1)
    assert (p.window, p.stride) == (48, 6)

    spans: list[tuple[str, int, int]] = []
    original: dict[str, Array] = {}

    def recording(kind: str, generate: Any) -> Any:
        def record(test: Array, start: int, rng: np.random.Generator) -> int:
            original.setdefault("test", test.copy())
            before = test.copy()
            stop = generate(test, start, rng)
            changed = before != test
            assert changed[start:stop].all()
            assert not changed[:start].any()
            assert not changed[stop:].any()
            spans.append((kind, start, stop))
            return stop

        return record

    for kind, generate in list(series.ANOMALIES.items()):
        monkeypatch.setitem(series.ANOMALIES, kind, recording(kind, generate))
    labels = prepared(series).labels
    assert sorted(kind for kind, *_ in spans) == sorted(list(series.ANOMALIES) * 3)
    assert labels.sum() == sum(stop - start for _, start, stop in spans)
    for (_, _, stop), (_, start, _) in pairwise(spans):
        assert start - stop > series.DAY  # no window touches two anomalies


def test_series_training_part_is_standardised() -> None:
    p = prepared(series)
    assert abs(float(p.train.mean())) < 1e-5
    assert abs(float(p.train.std()) - 1) < 1e-5


def test_beats_are_normalised_and_each_patient_is_sick_in_every_way() -> None:
    p = prepared(beats)
    assert p.train.shape == p.test.shape == (120, 1, 96)
    assert p.labels.sum() == 60
    np.testing.assert_allclose(p.test.mean(axis=2), 0, atol=1e-6)
    np.testing.assert_allclose(p.test.std(axis=2), 1, atol=1e-5)
    assert p.test_groups is not None
    assert np.array_equal(np.bincount(p.test_groups[p.labels == 1])[12:], np.full(12, len(beats.ABNORMALITIES)))


def test_machine_faults_are_in_the_sound_but_not_in_its_loudness() -> None:
    p = prepared(machines)
    assert p.train.shape == (64, 1, machines.SAMPLES)
    assert p.labels.sum() == 32
    assert np.abs(p.test).max() < 1  # nothing is clipped
    energy = np.sqrt((p.test[:, 0] ** 2).mean(axis=1))
    good, bad = energy[p.labels == 0], energy[p.labels == 1]
    assert 0.3 < (bad[:, None] > good[None]).mean() < 0.7


@pytest.mark.parametrize("fault", machines.FAULTS)
def test_a_fault_changes_a_copy_of_the_machine(fault: str) -> None:
    silent = np.zeros(machines.SAMPLES)
    machine = machines.Machine(np.full(machines.SAMPLES, 95.0), machines.HARMONICS.copy(), 4.0, 0.3, 0.1, silent)
    faulty = machines.FAULTS[fault](machine, np.random.default_rng(0))
    assert np.array_equal(machine.harmonics, machines.HARMONICS)
    assert np.all(machine.speed == 95)
    assert not machine.faulty_sound.any()
    changed = [
        not np.array_equal(getattr(faulty, f), getattr(machine, f)) for f in ("speed", "harmonics", "faulty_sound")
    ]
    assert sum(changed) == 1


def test_autocorrelation_period() -> None:
    t = np.arange(2000)
    wave = np.sin(2 * np.pi * t / 50)
    noise = np.random.default_rng(0).normal(size=2000)
    assert autocorrelation_period(wave + 0.1 * noise) == 50
    assert autocorrelation_period(wave + 0.002 * t) == 50  # under a drift
    assert autocorrelation_period(np.ones(100)) is None
    assert autocorrelation_period(0.1 * t) is None


def test_noise_has_no_period() -> None:
    found = [autocorrelation_period(np.random.default_rng(seed).normal(size=1500)) for seed in range(40)]
    assert found.count(None) >= 39


def test_prepare_series_centres_a_constant_channel_and_leaves_it_finite() -> None:
    train = np.stack([np.sin(np.arange(100.0)), np.full(100, -1.0)], axis=1)
    labels = np.zeros(100, dtype=np.uint8)
    labels[3] = 1
    p = prepare_series(train, train + 2, labels, window=20, stride_divisor=8, source="x")
    assert (p.window, p.stride) == (20, 2)
    assert np.array_equal(p.train[:, 1], np.zeros(100))
    assert np.array_equal(p.test[:, 1], np.full(100, 2.0))
    assert prepare_series(train, train, labels, window=4, stride_divisor=8, source="x").stride == 1
