"""What a denoiser of images is trained on: f's feature maps, whitened, in which a network that knows nothing is right.

Diffusion on the pixels of a large image takes longer than a short budget allows. f's maps are small. Whitened ones have
about unit variance in every channel, so that the denoiser of white noise, which is known, is where training begins.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.patch_features import PatchFeatures
from anomark.diffusion.schedule import Schedule
from anomark.nn.whitening import PooledWhitening

#: Of the pooled covariance, in units of the channels' mean variance. With .01 the distance to the mean alone had AUROC
#: .976, .955, .762 and .998 on transistor, brick, grass and digits, and with .1 .971, .951, .760 and .997.
REGULARISATION = 0.01


class FeatureMaps(nn.Module):
    """A front end (see `anomark.detectors.frontend`) that shows images as whitened maps (B, C, h, w) of f.

    Every position has a mean of its own; the covariance is that of all positions together.

    Args:
        spec: of the images.
        features: path of f's weights.
        device: where f runs.

    Attributes:
        shape: (C, h, w).
        clip: None, maps are not bounded.
        name: of f.
    """

    clip = None
    maps_per_sample = 1

    def __init__(self, spec: Spec, features: str | None, device: str) -> None:
        super().__init__()
        self.features = PatchFeatures(spec, features, device, levels="map", neighbourhood=1)
        self.name = self.features.name
        h, w = self.features.size
        self.shape = (self.features.channels, h, w)
        self.whitening = PooledWhitening(h * w, self.shape[0], regularisation=REGULARISATION).to(device)

    @torch.no_grad()
    def fit(self, X: Any) -> Array:
        """Learn the whitening from training images.

        Returns:
            Their maps (N, C, h, w), float32.
        """
        vectors = self.features.fit(X)
        self.whitening.fit(vectors)
        maps: Array = torch.cat([self._maps(part) for part in vectors.split(16)]).cpu().numpy()
        return maps

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Images (B, *shape) to maps (B, C, h, w)."""
        return self._maps(self.features(x))

    def locate(self, errors: Tensor) -> Tensor:
        """Errors (B, h, w) to anomaly maps."""
        return self.features.locate(errors.flatten(1))

    def _maps(self, vectors: Tensor) -> Tensor:
        """Vectors (B, P, C) to whitened maps (B, C, h, w), whose channels lie side by side."""
        z: Tensor = self.whitening(vectors)
        return z.unflatten(1, self.shape[1:]).permute(0, 3, 1, 2)


class WhiteNoisePredictor(nn.Module):
    """Noise in x_t = sqrt(1 - abar_t) x_t + sqrt(abar_t) F(x_t, t): right for white data while the network F is 0.

    F learns the velocity sqrt(abar_t) n - sqrt(1 - abar_t) x_0 of Salimans & Ho 2022 (appendix D). If x_0 is white, no
    network predicts anything of it, and the first term is the best there is.
    """

    def __init__(self, network: nn.Module, schedule: Schedule) -> None:
        super().__init__()
        self.network, self.schedule = network, schedule

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        kept, noise = (
            self.schedule.at(table.sqrt(), t, x) for table in (self.schedule.alphas_bar, 1 - self.schedule.alphas_bar)
        )
        return noise * x + kept * self.network(x, t)
