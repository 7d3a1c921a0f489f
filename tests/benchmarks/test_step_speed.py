"""One training step of `wavediff` as it is, and with its parts as one would write them first, all in one run.

Run as the other benchmarks; see `test_speed.py`. 16 images of 64 pixels at width 32, with the feature term of the loss.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from anomark.contracts import Spec
from anomark.detectors import diffusion_training
from anomark.nn.unet import GroupNorm
from anomark.runtime.fit_score import pin
from anomark.stages.features import write_features
from tests.samples import waves

wavediff = importlib.import_module("anomark_methods.wavediff")
STEPS = 2


ADAM = torch.optim.Adam


def adam_one_by_one(parameters: Any, **settings: Any) -> torch.optim.Optimizer:
    return ADAM(parameters, **settings | {"fused": False})


#: What stands in the place of which attribute.
PLAIN: dict[str, tuple[Any, str, Any]] = {
    "single precision": (diffusion_training, "multiplies_bfloat16", lambda device_type: False),
    "normalisation in half precision": (GroupNorm, "forward", nn.GroupNorm.forward),
    "weights updated one by one": (torch.optim, "Adam", adam_one_by_one),
    "memory filled before it is written": (torch.utils.deterministic, "fill_uninitialized_memory", True),
}


@pytest.mark.parametrize(
    "plain",
    [(), *((part,) for part in PLAIN), tuple(PLAIN)],
    ids=["as it is", *PLAIN, "all of these"],
)
def test_training_step(
    benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plain: tuple[str, ...]
) -> None:
    benchmark.group = f"{STEPS} training steps of wavediff"
    write_features("random", None, tmp_path / "f.safetensors")
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)  # restored afterwards
    deterministic = torch.are_deterministic_algorithms_enabled()
    pin(threads=1)
    for part in plain:
        monkeypatch.setattr(*PLAIN[part])
    X = waves(16, (3, 64, 64))

    def train() -> None:
        method = wavediff.Method(
            Spec("image", (3, 64, 64), (-1.0, 1.0)), 0, "cpu", str(tmp_path / "f.safetensors"), steps=STEPS, width=32
        )
        diffusion_training.train_network(
            method.network, X, method.schedule, method.loss, params=method.params, seed=0, device="cpu"
        )

    try:
        benchmark.pedantic(train, rounds=6, warmup_rounds=1)
    finally:
        torch.use_deterministic_algorithms(deterministic)
