"""What methods share that give every step of a window an error of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from anomark.contracts import Array
from anomark.detectors.base import OnePassDetector
from anomark.detectors.trained import TrainedDetector
from anomark.detectors.training import Step

#: Rows per forward pass when scoring, at least: products of fewer rows are rounded by other kernels.
FEWEST = 8


class StepwiseDetector(TrainedDetector, OnePassDetector):
    """A method for windows (N, C, L): the map is the error of every step, the score its mean over the window.

    Loss and errors are those of a plain reconstruction, unless a subclass replaces them.
    """

    clip_norm = 1.0

    def loss(self, step: Step) -> Tensor:
        """Mean squared error of the reconstruction."""
        return (self.network(step.batch) - step.batch).square().mean()

    def errors(self, x: Tensor) -> Tensor:
        """Squared error of every step, averaged over channels: (B, C, L) -> (B, L)."""
        error: Tensor = (self.network(x) - x).square().mean(dim=1)
        return error

    @torch.inference_mode()
    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps (N, L), float32."""
        self.network.eval()
        parts = []
        for x in self.batches(X):
            padded = torch.cat([x, x[-1:].expand(max(0, FEWEST - len(x)), *x.shape[1:])])
            parts.append(self.errors(padded)[: len(x)])
        maps = torch.cat(parts).float()
        return maps.mean(dim=1).cpu().numpy(), maps.cpu().numpy()
