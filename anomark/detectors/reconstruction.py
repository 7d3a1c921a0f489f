"""The score of every method that reconstructs by diffusion: errors in the sample and, with f, in its features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark import modality as modalities
from anomark.contracts import Array
from anomark.data.synthetic import synthetic_anomalies
from anomark.detectors.frontend import FrontEnd

#: (maps (B, C, H, W), number of the noise draw) -> reconstructed maps.
Reconstruct = Callable[[Tensor, int], Tensor]
#: Maps per forward pass.
BATCH = 16
#: Normal samples that statistics come from, evenly spaced.
CALIBRATION = 256


class ReconstructionScore(nn.Module):
    """A = lambda E_recon + (1 - lambda) E_feat (the paper's score), both in standard deviations over normal samples.

    The terms are scaled and not centred, because centring would add one constant to all scores and change no rank.
    E_recon is the squared error between a sample and its reconstruction; a window's is taken after the inverse
    transform. A sample's error is the mean of the largest `share` of its error map.

    Args:
        front: the front end of the modality.
        features: E_feat of two maps; None where E_recon is the whole score, which then stays as it is.
        weight: lambda, in [0, 1]; with "auto", `calibrate` chooses it.
        draws: number of noise draws that errors are averaged over.
        share: of the map, in (0, 1]; with 1 the error is the mean of the whole map.
    """

    scale: Tensor  # (2, terms): of samples' errors, of maps' values
    weight: Tensor  # (terms,)

    def __init__(
        self,
        front: FrontEnd,
        features: nn.Module | None = None,
        weight: float | str = 1.0,
        draws: int = 1,
        share: float = 1.0,
    ) -> None:
        super().__init__()
        self.front = (front,)
        self.features = features
        self.draws, self.share = draws, share
        terms = 2 if features is not None else 1
        self.register_buffer("scale", torch.ones(2, terms))
        self.automatic = weight == "auto"
        first = 0.5 if self.automatic else float(weight)
        self.register_buffer("weight", torch.tensor([first, 1 - first][:terms]))

    @torch.inference_mode()
    def calibrate(self, X: Any, reconstruct: Reconstruct, modality: str, seed: int) -> None:
        """Learn the terms' deviations from normal samples and, with weight "auto", lambda from synthetic anomalies.

        The anomalies are made of the same normal samples. With one term there is nothing to weigh, and nothing happens.
        """
        if self.features is None:
            return
        normal = np.asarray(X[np.unique(np.linspace(0, len(X) - 1, CALIBRATION).astype(int))], dtype=np.float32)
        errors, maps = self.errors(normal, reconstruct)
        for i, values in enumerate((errors, maps.transpose(0, 1).flatten(1).T)):
            self.scale[i] = values.std(0).nan_to_num(0).clamp(min=1e-6)
        if self.automatic:
            generators = modalities.load(modality).synthetic()
            anomalous, _ = self.errors(synthetic_anomalies(normal, generators, seed), reconstruct)
            best = best_weight(errors / self.scale[0], anomalous / self.scale[0])
            self.weight.copy_(torch.tensor([best, 1 - best]))

    def detect(self, X: Any, reconstruct: Reconstruct) -> tuple[Array, Array]:
        """Scores (N,) and maps (N, H, W) or (N, L), float32."""
        errors, maps = self.errors(X, reconstruct)
        scores = (errors / self.scale[0] * self.weight).sum(1)
        scale, weight = (t.reshape(-1, *[1] * (maps.ndim - 2)) for t in (self.scale[1], self.weight))
        return scores.cpu().numpy(), (maps / scale * weight).sum(1).cpu().numpy()

    @torch.inference_mode()
    def errors(self, X: Any, reconstruct: Reconstruct) -> tuple[Tensor, Tensor]:
        """E_recon and E_feat of samples, (N, terms), and their maps (N, terms, H, W) or (N, terms, L).

        The last batch is filled up with zeros, so that the errors of a sample are the same bits whatever samples it
        comes with: the libraries choose their kernels by the shape of a batch.
        """
        size = max(1, BATCH // self.front[0].maps_per_sample)
        parts = []
        for i in range(0, len(X), size):
            x = torch.from_numpy(np.array(X[i : i + size], dtype=np.float32))
            filled = F.pad(x, (0,) * (2 * x.ndim - 1) + (size - len(x),))
            parts.append(self._maps(filled.to(self.scale.device), reconstruct)[: len(x)])
        maps = torch.cat(parts)
        flat = maps.flatten(2)
        largest = flat.topk(max(1, round(self.share * flat.shape[2])), dim=2).values if self.share < 1 else flat
        return largest.mean(2), maps

    def _maps(self, x: Tensor, reconstruct: Reconstruct) -> Tensor:
        front = self.front[0]
        maps = front(x)
        maps = maps.contiguous(memory_format=torch.channels_last)
        total = torch.zeros(())
        for draw in range(self.draws):
            other = reconstruct(maps, draw)
            terms = [(x - front.inverse(other)).square().mean(dim=1)]  # (B, H, W) or (B, L)
            if self.features is not None:
                terms.append(front.locate(self.features(maps, other)).reshape(terms[0].shape))
            total = total + torch.stack(terms, dim=1)
        return total / self.draws


def best_weight(normal: Tensor, anomalous: Tensor) -> float:
    """The lambda of 0, .1, ..., 1 with the highest AUROC; of equal ones, the nearest to .5.

    Args:
        normal, anomalous: E_recon and E_feat (N, 2), in their deviations.
    """

    def auroc(weight: float) -> float:
        low, high = (e @ e.new_tensor([weight, 1 - weight]) for e in (normal, anomalous))
        wins = (high[:, None] > low).double() + 0.5 * (high[:, None] == low).double()
        return float(wins.mean())

    return max((k / 10 for k in range(11)), key=lambda weight: (auroc(weight), -abs(weight - 0.5)))
