import itertools

import numpy as np
import pytest
import torch
from torch import nn

from anomark.contracts import Diverged
from anomark.detectors import training
from anomark.detectors.training import (
    batch_rows,
    checkpoints,
    milestone_steps,
    milestones,
    recorded,
    seeded,
    train_steps,
)

X = np.arange(14, dtype=np.float32).reshape(7, 2)


def trained(seed: int = 0, steps: int = 12, stop: int | None = None, batch_size: int = 3) -> tuple[nn.Module, list]:
    """A small regression with dropout and noise, so that every random generator matters; `stop` interrupts it."""
    with seeded(seed):
        network = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    torch.manual_seed(seed)
    batches = []
    state = {"network": network, "optimiser": optimiser}
    for step in train_steps(X, steps=steps, batch_size=batch_size, seed=seed, state=state):
        batches.append(step.batch)
        noise = torch.randn(step.batch.shape, generator=step.generator)
        step.minimise((network(step.batch + noise) - step.batch).square().mean(), optimiser)
        if step.index == stop:
            break
    return network, batches


def weights(network: nn.Module) -> bytes:
    return b"".join(p.detach().numpy().tobytes() for p in network.parameters())


def test_every_epoch_is_a_permutation_and_batches_run_across_its_end() -> None:
    batches = list(itertools.islice(batch_rows(7, 3, seed=0), 7))  # 21 rows: three epochs
    assert all(len(b) == 3 and (np.diff(b) >= 0).all() for b in batches)
    assert (np.bincount(np.concatenate(batches)) == 3).all()
    first_epoch = np.concatenate(batches[:2])
    assert len(set(first_epoch)) == 6


@pytest.mark.parametrize("n", [1, 2, 7])
def test_batches_are_full_however_few_rows_there_are(n: int) -> None:
    steps = list(train_steps(X[:n], steps=2, batch_size=16, seed=0))
    assert [s.index for s in steps] == [1, 2]
    for step in steps:
        assert step.batch.shape == (16, 2) and step.batch.dtype == torch.float32
        counts = np.unique(step.batch[:, 0].numpy(), return_counts=True)[1]
        assert len(counts) == n and counts.max() - counts.min() <= 2


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        next(iter(train_steps(X[:0], steps=1, batch_size=1, seed=0)))


def test_lazy_rows_are_read_batch_by_batch_in_increasing_order() -> None:
    asked: list[np.ndarray] = []

    class Lazy:
        def __len__(self) -> int:
            return len(X)

        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            asked.append(rows)
            return X[rows]

    list(train_steps(Lazy(), steps=3, batch_size=4, seed=1))
    assert [len(rows) for rows in asked] == [4, 4, 4]
    assert all((np.diff(rows) >= 0).all() for rows in asked)


def test_seeded_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    with seeded(3):
        first = torch.rand(4)
    with seeded(3):
        assert torch.equal(first, torch.rand(4))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_its_step_and_updates_nothing(value: float) -> None:
    parameter = nn.Parameter(torch.ones(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    with pytest.raises(Diverged, match=f"loss is {value} at step 3 of 5"):
        for step in train_steps(X, steps=5, batch_size=2, seed=0):
            step.minimise(parameter.sum() * (value if step.index == 3 else 0.0), optimiser)
    assert parameter.item() == 1.0


def test_two_players_update_only_their_own_weights() -> None:
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    first, second = torch.optim.SGD([a], lr=0.1), torch.optim.SGD([b], lr=0.1)
    for step in train_steps(X, steps=1, batch_size=2, seed=0):
        step.minimise((a * b).sum(), first)
        assert (a.item(), b.item()) == (pytest.approx(0.9), 1.0)
        step.minimise((-a * b).sum(), second)
        assert (a.item(), b.item()) == (pytest.approx(0.9), pytest.approx(1.09))
        assert step.losses == pytest.approx([1.0, -0.9])


def test_clip_norm_bounds_the_update() -> None:
    parameter = nn.Parameter(torch.zeros(4))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    for step in train_steps(X, steps=1, batch_size=1, seed=0):
        step.minimise((100 * parameter).sum(), optimiser, clip_norm=1.0)
    assert parameter.norm().item() == pytest.approx(1.0, rel=1e-4)


def test_recorded_curves_are_means_over_equal_stretches_and_change_no_bit(monkeypatch) -> None:
    monkeypatch.setattr("anomark.detectors.training.CURVE_POINTS", 3)
    parameter = nn.Parameter(torch.ones(1))
    optimiser = torch.optim.SGD([parameter], lr=0.0)
    with recorded() as curves:
        for step in train_steps(X, steps=7, batch_size=2, seed=0, name="both"):
            step.minimise(parameter.sum() * step.index, optimiser)
            step.minimise(-parameter.sum(), optimiser)
        for _ in train_steps(X, steps=0, batch_size=2, seed=0, name="untrained"):
            pass
        inside = weights(trained()[0])
    assert curves["both"] == [[3, 2.0, -1.0], [6, 5.0, -1.0], [7, 7.0, -1.0]]
    assert curves["untrained"] == []
    assert inside == weights(trained()[0])


def test_an_interrupted_training_ends_in_the_same_bits(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("anomark.detectors.training.CHECKPOINT_EVERY", -1.0)  # after every step
    monkeypatch.setattr("anomark.detectors.training.CURVE_POINTS", 4)
    with recorded() as uninterrupted:
        whole = weights(trained()[0])
    with checkpoints(tmp_path):
        trained(stop=6)  # leaves the loop within step 6: the last save is step 5's
        torch.manual_seed(99)
        with recorded() as curves:
            network, batches = trained()
        assert len(batches) == 12 - 5
        assert weights(network) == whole and curves == uninterrupted
        network, batches = trained()  # all is done: the result is loaded
        assert batches == [] and weights(network) == whole
    assert [p.name for p in tmp_path.iterdir()] == ["train.pt"]


def test_progress_goes_to_stderr_sparingly(capsys) -> None:
    trained(steps=12)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == "" and len(lines) == 2
    assert lines[0].startswith("train: step 1/12  loss ") and lines[1].startswith("train: step 12/12  loss ")


@pytest.mark.parametrize(
    ("steps", "count", "expected"),
    [(2500, 4, [312, 625, 1250, 2500]), (5, 6, [1, 2, 5]), (1, 3, [1]), (7, 1, [7]), (0, 4, [0])],
)
def test_milestones_halve_the_steps(steps: int, count: int, expected: list[int]) -> None:
    assert milestone_steps(steps, count) == expected


def test_a_milestone_is_the_end_of_a_shorter_training(tmp_path) -> None:
    alone = weights(trained(steps=12)[0])
    with milestones(tmp_path, 3) as kept:
        assert weights(trained(steps=12)[0]) == alone, "keeping states moves no bit"
    assert (kept.loop, kept.clock.steps) == ("train", 12)
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == [3, 6]
    for step in (3, 6):
        torch.manual_seed(99)
        with checkpoints(tmp_path / str(step)), milestones(None, 0) as again:
            network, batches = trained(steps=step)
        assert batches == [] and again.clock.steps == step
        assert weights(network) == weights(trained(steps=step)[0])


def test_only_the_first_loop_of_a_fit_has_milestones(tmp_path) -> None:
    optimiser = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.0)
    with milestones(tmp_path, 2) as kept:
        for name in ("first", "second"):
            list(train_steps(X, steps=4, batch_size=2, seed=0, name=name, state={"optimiser": optimiser}))
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.pt")] == ["2/first.pt"]
    assert kept.loop == "first"


def test_seconds_before_an_interruption_count_and_those_of_saving_do_not(tmp_path, monkeypatch) -> None:
    time, save = 0.0, training._save

    def slow(*args) -> None:
        nonlocal time
        save(*args)
        time += 1000

    monkeypatch.setattr(training, "now", lambda: np.full(2, time))
    monkeypatch.setattr(training, "_save", slow)
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", -1.0)
    parameter = nn.Parameter(torch.ones(1))
    state = {"optimiser": torch.optim.SGD([parameter], lr=0.1)}
    for last in (3, 4):
        with checkpoints(tmp_path), milestones(tmp_path / "kept", 2) as kept:
            begin = time
            for step in train_steps(X, steps=4, batch_size=2, seed=0, state=state):
                time += 1
                if step.index == last:
                    break
    assert (time - begin + kept.clock.correction).tolist() == [4.0, 4.0]  # the third step was taken twice
    assert torch.load(tmp_path / "kept/2/train.pt", weights_only=True)["seconds"] == [2.0, 2.0]
