"""From noise back to data: ancestral sampling, DDIM, and the reconstruction of a sample from a partly noised copy.

Every row of a batch receives the same noise, drawn from the seed alone. So a score depends neither on batch mates nor
on the order of rows, a change of the input in its last bit changes the score in its last bits, and two samples are
compared under common random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor

from anomark.diffusion.schedule import Schedule

#: The noise predictor: x_t (B, ...), t int64 (B,) -> noise (B, ...).
Predictor = Callable[[Tensor, Tensor], Tensor]
SamplerName = Literal["ddim", "ancestral"]
#: (low, high) that every value of x0 lies in, or None.
Range = tuple[float, float] | None
#: What steers a sampler: x_t and the predicted x0, both (B, ...), and t int64 (B,) -> the x0 to go on with. The noise
#: is then what agrees with both. See `anomark.diffusion.guidance`.
Guide = Callable[[Tensor, Tensor, Tensor], Tensor]


def shared_noise(like: Tensor, seed: int) -> Iterator[Tensor]:
    """Endless standard normal tensors shaped as `like` (B, ...), each the same for all rows.

    Drawn on the CPU, so that every device sees the same numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randn(1, *like.shape[1:], generator=generator).to(like).expand(like.shape)


def ancestral(
    predict: Predictor, schedule: Schedule, x: Tensor, start: int, noise: Iterator[Tensor], clip: Range = None
) -> Tensor:
    """x_start -> x_0 by `start` draws from the posterior at the predicted x0 (Ho et al. 2020, algorithm 2).

    Args:
        predict: the noise predictor; called `start` times.
        schedule: the noise schedule.
        x: x_start, (B, ...).
        start: its time, 0..T.
        noise: standard normal tensors shaped as x, one per call but the last.
        clip: range that the predicted x0 is clamped to.
    """
    for time in range(start, 0, -1):
        t = torch.full((len(x),), time, device=x.device)
        x0 = _clip(schedule.predict_x0(x, t, predict(x, t)), clip)
        x, variance = schedule.posterior(x0, x, t)
        if time > 1:
            x = x + variance.sqrt() * next(noise)
    return x


def ddim(
    predict: Predictor,
    schedule: Schedule,
    x: Tensor,
    start: int,
    noise: Iterator[Tensor],
    clip: Range = None,
    *,
    calls: int,
    eta: float = 0.0,
    guide: Guide | None = None,
) -> Tensor:
    """x_start -> x_0 in `calls` steps (Song et al. 2021, equations 12 and 16).

    Args:
        predict, schedule, x, start, clip: as in `ancestral`.
        noise: standard normal tensors shaped as x; read only if eta > 0.
        calls: K, of the network, at times start, ..., start / K, evenly spaced; at most `start`.
        eta: 0 is deterministic; 1 with calls = start is ancestral sampling.
        guide: changes every predicted x0; None leaves it.
    """
    times = ddim_times(start, calls)
    for now, following in zip(times, [*times[1:], 0], strict=True):
        t = torch.full((len(x),), now, device=x.device)
        eps = predict(x, t)
        x0 = schedule.predict_x0(x, t, eps)
        if guide is not None:
            x0 = guide(x, x0, t)
        x0 = _clip(x0, clip)
        if clip is not None or guide is not None:
            eps = schedule.predict_noise(x, t, x0)  # the noise that agrees with the changed x0
        abar, before = (float(schedule.alphas_bar[i]) for i in (now, following))
        variance = eta**2 * (1 - before) / (1 - abar) * (1 - abar / before)  # sigma_t^2, equation 16
        x = before**0.5 * x0 + max(1 - before - variance, 0.0) ** 0.5 * eps
        if eta > 0 and following > 0:
            x = x + variance**0.5 * next(noise)
    return x


def ddim_times(start: int, calls: int) -> list[int]:
    """The times of the K calls, decreasing from `start`: round(start * k / K), k = K..1."""
    if not 1 <= calls <= start:
        raise ValueError(f"DDIM needs 1 <= calls <= start, got calls={calls}, start={start}")
    return [round(start * k / calls) for k in range(calls, 0, -1)]


def reconstruct(
    predict: Predictor,
    schedule: Schedule,
    x0: Tensor,
    *,
    seed: int,
    start: int,
    from_noise: bool = False,
    sampler: SamplerName = "ddim",
    calls: int = 10,
    eta: float = 0.0,
    clip: Range = None,
    guide: Guide | None = None,
) -> Tensor:
    """Noise x0 up to time `start` and sample back: the normal sample nearest to it, as the network sees it.

    Args:
        predict: the noise predictor.
        schedule: the noise schedule.
        x0: (B, ...).
        seed: of the noise; another seed is another draw.
        start: T', the time to start from (AnoDDPM's partial noising, Wyatt et al. 2022).
        from_noise: start from pure noise at T' instead; the result is then blind to x0.
        sampler: `ddim`, or `ancestral`, which makes `start` calls and ignores `calls` and `eta`.
        calls, eta: of DDIM.
        clip: range that every predicted x0 is clamped to.
        guide: of DDIM: changes every predicted x0.

    Returns:
        (B, ...) like x0.
    """
    noise = shared_noise(x0, seed)
    x = next(noise)
    if not from_noise:
        x = schedule.q_sample(x0, torch.full((len(x0),), start, device=x0.device), x)
    if sampler == "ancestral":
        return ancestral(predict, schedule, x, start, noise, clip)
    return ddim(predict, schedule, x, start, noise, clip, calls=calls, eta=eta, guide=guide)


def _clip(x: Tensor, clip: Range) -> Tensor:
    return x if clip is None else x.clamp(*clip)
