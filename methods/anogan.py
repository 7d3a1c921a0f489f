"""AnoGAN: a generative adversarial network learns normal images, and what it cannot generate is anomalous."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anomark.contracts import Array, Spec
from anomark.detectors.base import OnePassDetector
from anomark.detectors.trained import NetworkDetector
from anomark.detectors.training import Stateful, seeded
from anomark.nn.dcgan import Decoder, Encoder

NAME = "Generative adversarial network with latent search"
LABEL = "AnoGAN"
PAPER = (
    "Schlegl et al.: Unsupervised Anomaly Detection with Generative Adversarial Networks to Guide Marker Discovery. "
    "IPMI 2017; anogan-fast: Schlegl et al.: f-AnoGAN. Medical Image Analysis 54, 2019"
)
PUBLISHED = (
    "A DCGAN with a uniform prior of dimension 100, whose channels double up to eightfold. The code of a test image "
    "is searched by Adam. Loss and score are .9 times the residual plus .1 times the difference of discriminator "
    "features, both sums of absolute differences."
)
DIFFERS = (
    "The search takes 100 steps instead of 500, because on development data the loss is within 1% of its end by then. "
    "Adam's rate in training is 1e-3 instead of 2e-4, at which some hundred steps leave a generator of one image. The "
    "search starts from one code for all test images, so that no score depends on the other images. `diversity` in "
    "the cell's record tells whether the generator collapsed."
)
FAMILY = "adversarial"
MODALITIES = ("image",)
VARIANTS = {
    "anogan-fast": {
        "mapping": "encoder",
        "LABEL": "f-AnoGAN",
        "SUITES": ("extended",),
        "DIFFERS": "An encoder (izi_f, Schlegl et al. 2019) and its mean squared score replace the search. It is "
        "trained for as many steps again, on the same DCGAN and not on a Wasserstein GAN.",
    }
}
DEFAULTS = {
    "steps": 3000,
    "batch_size": 64,
    "lr": 1e-3,  # 2e-4 in DCGAN (Radford et al. 2016), which after some hundred steps generates one image only
    "beta1": 0.5,  # as in DCGAN
    "width": 64,  # channels 64, 128, 256, 512 at 64x64: Schlegl et al. 2017
    "latent": 100,
    "mapping": "search",
    "search_steps": 100,  # 500 in Schlegl et al. 2017, which does not name the rate
    "search_lr": 0.05,
    "feature_weight": 0.1,  # lambda, as in Schlegl et al. 2017
    "encoder_lr": 5e-5,  # of RMSprop, as in the authors' code
    "kappa": 1.0,  # as in Schlegl et al. 2019
}
#: Images that are searched for at a time, at most and at least. Matrix products of fewer rows are rounded by other
#: kernels, and a hundred steps along the sign of a difference make that visible in the score.
BATCH, FEWEST = 50, 8
#: Number of images that the measure of diversity compares.
COMPARED = 64


class Method(NetworkDetector, OnePassDetector):
    """Score = the loss of the image of the best code; map = absolute difference to that image, averaged over channels.

    With `mapping` "search", gradient descent finds the code of each image. With "encoder", a network that is trained on
    normal images gives it.
    """

    def __init__(self, spec: Spec, seed: int, device: str, **params: Any) -> None:
        self.seed, self.device = seed, device
        p = self.params = {**DEFAULTS, **params}
        with seeded(seed):
            self.generator = Decoder(spec.shape, p["width"], p["latent"], bounded=True)
            self.discriminator = Encoder(spec.shape, p["width"], 1)
            self.network = nn.ModuleDict({"generator": self.generator, "discriminator": self.discriminator})
            self.network.register_buffer("start", torch.rand(p["latent"]) * 2 - 1)
            if p["mapping"] == "encoder":
                self.encoder = self.network["encoder"] = Encoder(spec.shape, p["width"], p["latent"])
        self.network.to(device)
        self.info: dict[str, Any] = {
            "parameters": sum(parameter.numel() for parameter in self.network.parameters()),
            "network_calls": 1 if p["mapping"] == "encoder" else p["search_steps"] + 1,
        }

    def fit(self, X: Any, X_valid: Any) -> Method:
        """Train generator and discriminator by the non-saturating losses (Goodfellow et al. 2014), then the encoder."""
        p, G, D = self.params, self.generator, self.discriminator
        of_G, of_D = (torch.optim.Adam(n.parameters(), lr=p["lr"], betas=(p["beta1"], 0.999)) for n in (G, D))
        state: dict[str, Stateful] = {"network": self.network, "of_generator": of_G, "of_discriminator": of_D}
        self.network.train().requires_grad_(True)
        for step in self.steps(X, state):
            fake = G(self._prior(len(step.batch), step.generator))
            # log(1 + e^-a) = -log sigmoid(a), and log(1 + e^a) = -log(1 - sigmoid(a))
            step.minimise(F.softplus(-D(step.batch)).mean() + F.softplus(D(fake.detach())).mean(), of_D)
            step.minimise(F.softplus(-D(fake)).mean(), of_G)
        self.network.eval().requires_grad_(False)
        if p["mapping"] == "encoder":
            self._fit_encoder(X)
        self.info["diversity"] = self._diversity(X)
        return self

    def _fit_encoder(self, X: Any) -> None:
        """Minimise the score on normal images, with generator and discriminator frozen (izi_f, Schlegl et al. 2019)."""
        E = self.encoder
        optimiser = torch.optim.RMSprop(E.parameters(), lr=self.params["encoder_lr"])
        state: dict[str, Stateful] = {"encoder": E, "optimiser": optimiser}
        E.requires_grad_(True).train()
        for step in self.steps(X, state, "encoder"):
            x, image = step.batch, self.generator(E(step.batch))
            step.minimise(self._distance(x, self.discriminator.features(x), image).mean(), optimiser)
        E.requires_grad_(False).eval()

    def detect(self, X: Any) -> tuple[Array, Array]:
        """Scores (N,) and maps (N, H, W), float32."""
        self.network.eval().requires_grad_(False)  # only codes are moved from here on
        scores, maps = [], []
        for x in self.batches(X, BATCH):
            z = self.search(x) if self.params["mapping"] == "search" else self.encode(x)
            with torch.no_grad():
                image = self.generator(z)
                scores.append(self._distance(x, self.discriminator.features(x), image))
                maps.append((x - image).abs().mean(dim=1))
        return torch.cat(scores).cpu().numpy(), torch.cat(maps).cpu().numpy()

    def search(self, x: Tensor) -> Tensor:
        """The codes (B, latent) whose images come closest to x, found by Adam from one start for all images.

        Losses are summed over the batch and Adam treats every number by itself, so that no image influences another.
        """
        n = len(x)
        x = torch.cat([x, x[-1:].expand(max(0, FEWEST - n), *x.shape[1:])])
        with torch.no_grad():
            features = self.discriminator.features(x)
        z = self.network.get_buffer("start").repeat(len(x), 1).requires_grad_()
        optimiser = torch.optim.Adam([z], lr=self.params["search_lr"])
        for _ in range(self.params["search_steps"]):
            optimiser.zero_grad()
            self._distance(x, features, self.generator(z)).sum().backward()
            optimiser.step()
        return z.detach()[:n]

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """The codes (B, latent) that the encoder gives."""
        z: Tensor = self.encoder(x)
        return z

    def _distance(self, x: Tensor, features: Tensor, image: Tensor) -> Tensor:
        """Distance (B,) of images x, with their discriminator features f(x), and images G(z).

        search: (1 - lambda) sum |x - G(z)| + lambda sum |f(x) - f(G(z))|  (Schlegl et al. 2017)
        encoder: mean (x - G(z))^2 + kappa mean (f(x) - f(G(z)))^2  (Schlegl et al. 2019)
        """
        residual = (x - image).flatten(1)
        feature_residual = (features - self.discriminator.features(image)).flatten(1)
        if self.params["mapping"] == "encoder":
            return residual.square().mean(dim=1) + self.params["kappa"] * feature_residual.square().mean(dim=1)
        weight = self.params["feature_weight"]
        return (1 - weight) * residual.abs().sum(dim=1) + weight * feature_residual.abs().sum(dim=1)

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Codes (n, latent), drawn uniformly from [-1, 1], as in DCGAN."""
        return torch.rand(n, self.params["latent"], generator=generator, device=self.device) * 2 - 1

    @torch.no_grad()
    def _diversity(self, X: Any) -> float | None:
        """Mean distance of two generated images over that of two training images; near 0 if the generator collapsed."""
        generator = torch.Generator(self.device).manual_seed(self.seed)
        generated = self.generator(self._prior(COMPARED, generator))
        rows = np.unique(np.linspace(0, len(X) - 1, COMPARED).astype(int))
        real = torch.from_numpy(np.array(X[rows], dtype=np.float32))
        ours, theirs = (float(F.pdist(x.cpu().flatten(1)).mean()) for x in (generated, real))
        return round(ours / theirs, 4) if theirs > 0 else None
