"""What the files of this folder share: the perceptual network f, frozen, from an image to feature maps.

A file of this folder is one backbone, and says everything about it:

WEIGHTS
    The names that a suite's `features` may have, and where the weights come from under each. Either
    `{"recipe": "train"}`, a function of the file that writes them to a path; or `{"file": ..., "url": ...,
    "sha256": ...}`, a safetensors file below the data folder, else a download of torch's format whose sha256 begins
    with those digits; or `{"package": "name==version", "file": ..., "sha256": ...}`, a file of torch's format in an
    installed distribution.
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
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from anomark.contracts import AnomarkError

#: Added to the variance inside batch normalisation (torch's default).
BATCH_NORM_EPS = 1e-5
BATCH_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
#: Pixels that a CPU takes through the network at once, and images at most. The maps of more don't stay in its caches:
#: on one core 16 images of 256 pixels take 1.7 times as long together as two by two.
CHUNK_PIXELS, CHUNK_IMAGES = 2**17, 16


class FeatureNetwork(nn.Module):
    """f: images (B, C, H, W) in [-1, 1], C 1 or 3, to a list of feature maps, one for each level.

    Weights are frozen, and gradients flow to the input. A layer behind the deepest level wanted is never run. Batch
    normalisation is folded into the convolutions when weights are loaded, so that every network consists of
    convolutions and rectifiers only.

    Where gradients are switched off, which is outside training, a CPU takes images in chunks of one size, the last one
    filled up with zeros. So the maps of an image are the same bits whatever images it comes with: the libraries choose
    their kernels by the shape of a batch.

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

    default_levels: tuple[str, ...]
    patch_levels: tuple[str, ...]
    map_levels: tuple[str, ...]
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
        tensors = read_weights(path)
        network = cls.made_for(tensors)
        network.load_state_dict(network.adopted(path, tensors))
        network.name = f"{network.architecture}-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
        return network

    @classmethod
    def made_for(cls, tensors: Mapping[str, Tensor]) -> Self:
        """A network that such tensors may belong to; here there is one architecture only."""
        return cls()  # type: ignore[call-arg]

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
        if x.device.type != "cpu" or torch.is_grad_enabled():
            return self._maps(x)
        size = chunk_size(*x.shape[2:])
        if len(x) == size:
            return self._maps(x)
        missing = -len(x) % size
        parts = [self._maps(part) for part in F.pad(x, (0,) * 7 + (missing,)).split(size)]
        return [torch.cat(level)[: len(x)] for level in zip(*parts, strict=True)]

    def _maps(self, x: Tensor) -> list[Tensor]:
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


class SameConvolution(nn.Conv2d):
    """TensorFlow's padding "same": ceil(n / stride) outputs, and the odd row or column of zeros comes last."""

    def forward(self, x: Tensor) -> Tensor:
        (kernel_size, _), (stride, _) = self.kernel_size, self.stride
        if stride == 1:  # both sides get as much
            return F.conv2d(x, self.weight, self.bias, padding=kernel_size // 2, groups=self.groups)
        sides = []
        for n in reversed(x.shape[2:]):
            total = max(0, (-(-n // stride) - 1) * stride + kernel_size - n)
            sides += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, sides), self.weight, self.bias, stride, groups=self.groups)


def convolution(
    channels: int, out: int, kernel_size: int, *, stride: int = 1, groups: int = 1, same: bool = False
) -> nn.Sequential:
    """Convolution with the bias of the batch normalisation folded into it, and ReLU6.

    Args:
        kernel_size: odd.
        same: pad as TensorFlow does, instead of equally on both sides.
    """
    kind = SameConvolution if same else nn.Conv2d
    conv = kind(channels, out, kernel_size, stride, padding=kernel_size // 2, groups=groups)
    return nn.Sequential(conv, nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """Expansion, depthwise and linear convolution, plus a shortcut where the shape allows.

    Sandler et al., "MobileNetV2", CVPR 2018, section 3.3.
    """

    def __init__(
        self, channels: int, out: int, stride: int, expansion: int, kernel_size: int = 3, same: bool = False
    ) -> None:
        super().__init__()
        hidden = expansion * channels
        expand = [convolution(channels, hidden, 1)] if expansion > 1 else []
        depthwise = convolution(hidden, hidden, kernel_size, stride=stride, groups=hidden, same=same)
        self.conv = nn.Sequential(*expand, depthwise, nn.Conv2d(hidden, out, 1))
        self.shortcut = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.conv(x)
        return x + h if self.shortcut else h


def chunk_size(height: int, width: int) -> int:
    """Images of that size that a CPU takes at once: a power of two, so that chunks divide the usual batches."""
    return min(CHUNK_IMAGES, 1 << max(0, (CHUNK_PIXELS // (height * width)).bit_length() - 1))


def random_network(network: type[FeatureNetwork], seed: int) -> FeatureNetwork:
    """The control: a backbone with random weights (He et al. 2015), drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = network()  # type: ignore[call-arg]
    drawn.name = f"{drawn.architecture}-random-{seed}"
    return drawn


def fold_batch_norm(
    weight: Tensor, tensors: Mapping[str, Tensor], norm: str, eps: float = BATCH_NORM_EPS
) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that equals `weight` followed by the batch normalisation `norm`."""
    gamma, beta, mean, variance = (tensors[f"{norm}.{part}"].double() for part in BATCH_NORM_PARTS)
    factor = gamma / (variance + eps).sqrt()
    return weight.double() * factor.reshape(-1, 1, 1, 1), beta - mean * factor


def folded(
    path: Path,
    tensors: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    origins: Mapping[str, tuple[str, str]],
    what: str,
    eps: float = BATCH_NORM_EPS,
) -> dict[str, Tensor]:
    """The state `own` of a network from a file's tensors, of any float type, each batch normalisation folded.

    Args:
        path: the file, for errors.
        origins: for each convolution of the network its name in the file and that of the batch normalisation behind
            it. All other tensors have one name in both.
        what: whose weights these should be, for errors.
        eps: added to the variance inside batch normalisation.

    Raises:
        AnomarkError: a tensor is missing, unknown or of another shape.
    """
    shapes = {key: tuple(value.shape) for key, value in own.items()}
    for conv, (weight, norm) in origins.items():
        shapes[f"{weight}.weight"], (channels,) = shapes.pop(f"{conv}.weight"), shapes.pop(f"{conv}.bias")
        shapes |= {f"{norm}.{part}": (channels,) for part in BATCH_NORM_PARTS}
    known = {key: tensors[key] for key in tensors if not key.endswith(".num_batches_tracked")}  # training counts them
    expect_tensors(path, known, shapes, what)
    state = {key: tensors[key] for key in own if key in tensors}
    for conv, (weight, norm) in origins.items():
        state[f"{conv}.weight"], state[f"{conv}.bias"] = fold_batch_norm(
            tensors[f"{weight}.weight"], tensors, norm, eps
        )
    return {key: value.float() for key, value in state.items()}


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
