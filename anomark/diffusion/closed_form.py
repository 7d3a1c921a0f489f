"""The denoiser that needs no training: the posterior mean of the training vectors themselves.

A denoiser that minimises the mean squared error over a finite set of vectors m_1..m_M, each as likely as the others, is
known in closed form. From z_t = z + s n with normal noise n it predicts D(z_t) = sum_i w_i m_i, where w is the softmax
of -|z_t - m_i|^2 / (2 s^2) (Karras et al. 2022, appendix B.3). As s falls to 0 it becomes the nearest vector, and as s
grows it becomes their mean. It generalises no further than that, so it is what a learnt denoiser has to beat.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Numbers of a distance matrix that are held at a time.
BLOCK = 2**23
#: Weights of less than exp(SMALLEST) of a query's largest are left out where at most one in DENSE is larger; thousands
#: of them together are below single precision.
SMALLEST, DENSE = -25.0, 16


def posterior_mean(
    noised: Tensor,
    memory: Tensor,
    noise: float,
    *,
    places: tuple[Tensor, Tensor] | None = None,
    apart: int = 1,
) -> Tensor:
    """The closed-form denoiser D: the mean of what `noised` may have been, if it was one of the rows of `memory`.

    Squared distances are computed by a matrix product, around the memory's mean so that little is cancelled.

    Args:
        noised: (N, D), z_t = z + s n.
        memory: (M, D), M >= 1, equally likely.
        noise: s >= 0 in units of the vectors; 0 gives the nearest row.
        places: int64 (N,) and (M,), where queries and rows of the memory come from: an image's number, or the first
            step of a window. Rows from nearby are left out, so that training vectors are denoised by others alone.
        apart: smallest distance of two places that don't count as nearby.

    Returns:
        (N, D).

    Raises:
        ValueError: for some query every row of the memory is left out.
    """
    if noise < 0:
        raise ValueError(f"the noise level is a deviation of at least 0, got {noise}")
    centre = memory.mean(0)
    rows = memory - centre
    squared = rows.square().sum(1)
    means = []
    step = max(1, BLOCK // len(memory))
    for i in range(0, len(noised), step):
        logits = torch.addmm(squared, noised[i : i + step] - centre, rows.T, alpha=-2).neg_()  # up to a constant a row
        if places is not None:
            own, others = places
            logits.masked_fill_((own[i : i + step, None] - others).abs() < apart, -torch.inf)
            if bool(logits.isneginf().all(1).any()):
                raise ValueError("the memory holds nothing but what is near a query; give it rows from farther away")
        if noise == 0:
            means.append(memory[logits.argmax(1)])
            continue
        exponents = logits.sub_(logits.amax(1, keepdim=True)).div_(2 * noise**2)
        query, row = (exponents > SMALLEST).nonzero(as_tuple=True)
        if len(query) > logits.numel() // DENSE:
            means.append(exponents.softmax(1) @ rows + centre)
            continue
        # Where few rows weigh anything, a sum over them costs next to nothing beside the product with all rows.
        weights, first = exponents[query, row].exp(), torch.searchsorted(query, torch.arange(len(logits)).to(query))
        total = F.embedding_bag(row, torch.ones_like(squared)[:, None], first, mode="sum", per_sample_weights=weights)
        summed = F.embedding_bag(row, rows, first, mode="sum", per_sample_weights=weights)
        means.append(summed / total + centre)
    return torch.cat(means)


def usual_distance(z: Tensor, memory: Tensor, places: tuple[Tensor, Tensor], apart: int = 1) -> float:
    """Median squared distance u of training vectors (N, D) to the nearest row of `memory` (M, D) that isn't nearby.

    Vectors all of whose rows are nearby don't count. Where none is left, u is that of the memory to its mean. It is at
    least a thousandth of the mean, and 1e-6, so that it can be divided by.

    Args:
        places, apart: as in `posterior_mean`.
    """
    own, others = places
    told = torch.maximum(own - others.min(), others.max() - own) >= apart
    if told.any():
        z = z[told]
        nearest = posterior_mean(z, memory, 0, places=(own[told], others), apart=apart)
    else:
        z, nearest = memory, memory.mean(0)
    squared = (z - nearest).square().sum(1)
    return max(float(squared.median()), 1e-3 * float(squared.mean()), 1e-6)


def relative_errors(z: Tensor, memory: Tensor, noise: float, usual: float) -> Tensor:
    """(z - D(z))^2 / u, (N, D), with the denoiser D of `memory` at the noise level `noise` sqrt(u)."""
    return (z - posterior_mean(z, memory, noise * usual**0.5)).square() / usual
