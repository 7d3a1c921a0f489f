"""What the files of this folder share: the perceptual network f, frozen, from an image to feature maps.

A file of this folder is one backbone, and says everything about it:

WEIGHTS
    The names that a suite's `features` may have, and where the weights come from under each. Either
    `{"recipe": "train"}`, a function of the file that writes them to a path; or `{"file": ..., "url": ...,
    "sha256": ...}`, a safetensors file below the data folder, else a download of torch's format whose sha256 begins
    with those digits.
MARK
    Name of a tensor that this backbone's weights have and no other's: a file of weights is recognised by it.
Network
    The subclass of `FeatureNetwork`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from anomark.contracts import AnomarkError

#: Added to the variance inside batch normalisation (torch's default).
BATCH_NORM_EPS = 1e-5


class FeatureNetwork(nn.Module):
    """f: images (B, C, H, W) in [-1, 1], C 1 or 3, to a list of feature maps, one for each level.

    Weights are frozen, and gradients flow to the input. A layer behind the deepest level wanted is never run. Batch
    normalisation is folded into the convolutions when weights are loaded, so that every network consists of
    convolutions and rectifiers only.

    A level is named `features.<i>` after the layer whose output it is. Three choices of levels serve different ends:

    default_levels
        To compare two images.
    patch_levels
        To tell what a single patch shows.
    map_levels
        To model an image's features as one map.

    Attributes:
        architecture: name of the backbone's file.
        name: architecture and weights, e.g. `mobilenet_v2-1a2b3c4d5e6f` (the file's sha256), for records.
        levels: names of the layers whose output is returned.
        channels, strides: of each level's map, whose size is ceil(H / stride) x ceil(W / stride).
    """

    default_levels: ClassVar[tuple[str, ...]]
    patch_levels: ClassVar[tuple[str, ...]]
    map_levels: ClassVar[tuple[str, ...]]
    #: Pixels that the shorter side of a picture, or of a scalogram, has at least when f sees it; smaller ones are
    #: enlarged.
    picture_side: ClassVar[int]
    scalogram_side: ClassVar[int]

    shift: Tensor
    scale: Tensor

    def __init__(self, layers: Sequence[nn.Module], mean: Sequence[float], std: Sequence[float]) -> None:
        """Random weights (He et al. 2015), to be replaced by `load`.

        Args:
            layers: in order; level `features.<i>` is the output of the i-th.
            mean, std: of the colours in [0, 1] that the network takes off and divides by.
        """
        super().__init__()
        self.architecture = type(self).__module__.rpartition(".")[2]
        self.features = nn.ModuleList(layers)
        self.name = f"{self.architecture}-random"
        # (x + 1) / 2 is an image in [0, 1]; then the mean is taken off and the result divided by the deviation.
        self.register_buffer("shift", torch.tensor([2 * m - 1 for m in mean])[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor([0.5 / s for s in std])[:, None, None], persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.select(self.default_levels)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The network with the weights of a safetensors file.

        Raises:
            AnomarkError: the file is absent or unreadable, or holds something else.
        """
        network = cls()  # type: ignore[call-arg]
        network.load_state_dict(network.adopted(path, read_weights(path)))
        network.name = f"{network.architecture}-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
        return network

    def adopted(self, path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """A file's tensors as this network's state; here they are that state already."""
        expect_tensors(path, tensors, {k: tuple(v.shape) for k, v in self.state_dict().items()}, self.architecture)
        return tensors

    def select(self, levels: Sequence[str]) -> Self:
        """Choose the levels to return, by the names `features.<i>`, in increasing depth."""
        known = [f"features.{i}" for i in range(len(self.features))]
        if not levels or [name for name in known if name in levels] != list(levels):
            raise ValueError(
                f"levels of {self.architecture} must be some of {known}, in this order; got {list(levels)}"
            )
        self.levels = tuple(levels)
        self._indices = [known.index(name) for name in levels]
        with torch.no_grad():
            maps = self(torch.zeros(1, 3, 64, 64))
        self.channels = tuple(m.shape[1] for m in maps)
        self.strides = tuple(64 // m.shape[2] for m in maps)
        return self

    def forward(self, x: Tensor) -> list[Tensor]:
        if x.ndim != 4 or x.shape[1] not in (1, 3):
            raise ValueError(f"the perceptual network takes images (B, 1 or 3, H, W), got {tuple(x.shape)}")
        h = self.scaled(x)
        maps = []
        for i in range(self._indices[-1] + 1):
            h = self.features[i](h)
            if i in self._indices:
                maps.append(h)
        return maps

    def scaled(self, x: Tensor) -> Tensor:
        """Images in [-1, 1] as the first layer wants them; grey ones get three equal channels."""
        return ((x - self.shift) * self.scale).contiguous(memory_format=torch.channels_last)


def convolution(channels: int, out: int, kernel_size: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution with the bias of the batch normalisation folded into it, and ReLU6."""
    conv = nn.Conv2d(channels, out, kernel_size, stride, padding=kernel_size // 2, groups=groups)
    return nn.Sequential(conv, nn.ReLU6(inplace=True))


def random_network(network: type[FeatureNetwork], seed: int) -> FeatureNetwork:
    """The control: a backbone with random weights (He et al. 2015), drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = network()  # type: ignore[call-arg]
    drawn.name = f"{drawn.architecture}-random-{seed}"
    return drawn


def fold_batch_norm(weight: Tensor, tensors: Mapping[str, Tensor], norm: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that equals `weight` followed by the batch normalisation `norm`."""
    gamma, beta, mean, variance = (
        tensors[f"{norm}.{p}"].double() for p in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gamma / (variance + BATCH_NORM_EPS).sqrt()
    return weight.double() * factor.reshape(-1, 1, 1, 1), beta - mean * factor


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        AnomarkError: the file is absent or unreadable.
    """
    try:
        return load_file(path)
    except FileNotFoundError:
        raise AnomarkError(f"{path}: no such file; give the path of the perceptual network's weights") from None
    except SafetensorError as error:
        raise AnomarkError(
            f"{path}: not a readable safetensors file ({error}); give the path of a whole file of weights"
        ) from error


def expect_tensors(path: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], what: str) -> None:
    """Refuse a file whose tensors have other names or shapes than `shapes` says.

    Raises:
        AnomarkError: says the first difference, and how many there are.
    """
    wrong = [f"{key} is missing" for key in shapes if key not in tensors]
    wrong += [f"{key} is unknown" for key in sorted(tensors) if key not in shapes]
    wrong += [
        f"{key} has shape {tuple(tensors[key].shape)} instead of {shape}"
        for key, shape in shapes.items()
        if key in tensors and tuple(tensors[key].shape) != shape
    ]
    if wrong:
        raise AnomarkError(
            f"{path}: not the weights of {what}: {wrong[0]}"
            + (f" and {len(wrong) - 1} more tensors differ" if len(wrong) > 1 else "")
            + "; give the path of a matching file"
        )
