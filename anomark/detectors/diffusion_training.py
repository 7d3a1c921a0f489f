"""The training loop of every diffusion method: it noises a batch, predicts, minimises, and averages the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from anomark.detectors.training import Stateful, Step, train_steps
from anomark.diffusion.schedule import Schedule
from anomark.nn.ema import EMA


class Noised(NamedTuple):
    """A batch (B, C, H, W) and its noised copy: x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) noise, t int64 (B,)."""

    x0: Tensor
    x_t: Tensor
    t: Tensor
    noise: Tensor


def train_network(
    network: nn.Module,
    X: Any,
    schedule: Schedule,
    loss: Callable[[Noised, Tensor], Tensor],
    *,
    params: Mapping[str, Any],
    seed: int,
    device: str,
    maps: Callable[[Tensor], Tensor] = lambda batch: batch,
    latest: int | None = None,
) -> nn.Module:
    """Minimise `loss` at uniformly drawn t by Adam at a constant learning rate.

    A rate that falls to 0 would depend on the number of steps; the average of the weights takes its place. After 300
    steps of a plain diffusion model AUROC was .873 with it and .845 with a half cosine on a texture, and .876 and .865
    on beats.

    Args:
        network: (x_t, t) -> prediction; trained in place.
        X: rows as `train_steps` takes them.
        loss: of the noised batch and the prediction, a scalar.
        params: steps, batch_size, lr.
        maps: turns a batch of rows into what is noised.
        latest: the largest t that is drawn; T unless given.

    Returns:
        The network with averaged weights, in evaluation mode.
    """

    def noised_loss(predict: Callable[..., Tensor], step: Step) -> Tensor:
        x0, generator = maps(step.batch), step.generator
        t = torch.randint(1, (latest or schedule.T) + 1, (len(x0),), generator=generator, device=device)
        noise = torch.randn(x0.shape, generator=generator, device=device)
        noised = Noised(x0, schedule.q_sample(x0, t, noise).to(memory_format=torch.channels_last), t, noise)
        return loss(noised, predict(noised.x_t, t))

    return train_averaged(network, X, noised_loss, params=params, seed=seed, device=device)


def train_averaged(
    network: nn.Module,
    X: Any,
    loss: Callable[[Callable[..., Tensor], Step], Tensor],
    *,
    params: Mapping[str, Any],
    seed: int,
    device: str,
    name: str = "train",
    others: Mapping[str, Stateful] | None = None,
) -> nn.Module:
    """Minimise a loss by Adam at a constant learning rate, and average the weights.

    Args:
        network: trained in place.
        X, name: as `train_steps` takes them.
        loss: of the network, as a function that gives single precision whatever it computes in, and of the step.
        params: steps, batch_size, lr.
        others: what else the loss changes, by name, for checkpoints.

    Returns:
        The network with averaged weights, in evaluation mode.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=params["lr"], fused=True)
    ema = EMA(network)
    state: dict[str, Stateful] = {"network": network, "optimiser": optimiser, "ema": ema, **(others or {})}
    network.train()
    device_type = torch.device(device).type
    half = multiplies_bfloat16(device_type)

    def predict(*inputs: Tensor) -> Tensor:
        with torch.autocast(device_type, dtype=torch.bfloat16, enabled=half):
            predicted: Tensor = network(*inputs)
        return predicted.float()

    budget = {key: params[key] for key in ("steps", "batch_size")}
    for step in train_steps(X, seed=seed, device=device, state=state, name=name, **budget):
        step.minimise(loss(predict, step), optimiser, clip_norm=1.0)
        ema.update(network)
    return ema.network.eval()


def multiplies_bfloat16(device_type: str) -> bool:
    """Whether a device has instructions for products of bfloat16; a convolution takes half as long there.

    Without them it takes longer than in single precision. Weights, gradients, losses and all scores stay in single
    precision everywhere.
    """
    if device_type != "cpu":
        return device_type == "cuda"
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))
