"""The perceptual network f: frozen, from an image to feature maps at several depths.

Three sources of weights, one interface: MobileNetV2 trained on ImageNet, a small network trained without labels on
a few photographs, and either architecture with random weights as the control. Batch normalisation is folded into the
convolutions when weights are loaded, so every network here is convolutions and rectifiers only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from anomark.contracts import AnomarkError

# Statistics of ImageNet's training images in [0, 1]; the input that MobileNetV2 was trained on.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# expansion t, channels c, blocks n, first stride s: Sandler et al., "MobileNetV2", CVPR 2018, table 2.
INVERTED_RESIDUALS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM, LAST, CLASSES = 32, 1280, 1000
BATCH_NORM_EPS = 1e-5


class FeatureNetwork(nn.Module):
    """f: images (B, C, H, W) in [-1, 1], C 1 or 3, to a list of feature maps, one for each level.

    Weights are frozen; gradients flow to the input. A layer behind the deepest level wanted is never run.

    Attributes:
        name: architecture and weights, e.g. `mobilenet_v2-1a2b3c4d5e6f` (sha256 of the weights' file).
        levels: names of the layers whose output is returned.
        channels, strides: of each level's map, whose size is ceil(H / stride) x ceil(W / stride).
    """

    architecture: str
    default_levels: tuple[str, ...]
    shift: Tensor
    scale: Tensor

    def __init__(self, layers: Sequence[nn.Module], mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
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

    def select(self, levels: Sequence[str]) -> FeatureNetwork:
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
        h = ((x - self.shift) * self.scale).contiguous(memory_format=torch.channels_last)  # grey becomes three channels
        maps = []
        for i in range(self._indices[-1] + 1):
            h = self.features[i](h)
            if i in self._indices:
                maps.append(h)
        return maps


class MobileNetV2(FeatureNetwork):
    """Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018; torchvision's layer names.

    Default levels: the last layers of strides 4, 8 and 16 (24, 32 and 96 channels).
    """

    architecture = "mobilenet_v2"
    default_levels = ("features.3", "features.6", "features.13")

    def __init__(self) -> None:
        layers: list[nn.Module] = [_conv(3, STEM, 3, stride=2)]
        channels = STEM
        for expansion, out, blocks, first_stride in INVERTED_RESIDUALS:
            for block in range(blocks):
                layers.append(InvertedResidual(channels, out, first_stride if block == 0 else 1, expansion))
                channels = out
        layers.append(_conv(channels, LAST, 1))
        super().__init__(layers, IMAGENET_MEAN, IMAGENET_STD)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(LAST, CLASSES)).requires_grad_(False).eval()

    def logits(self, x: Tensor) -> Tensor:
        """(B, 1000) ImageNet class scores; shows that the weights are what they should be."""
        h = ((x - self.shift) * self.scale).contiguous(memory_format=torch.channels_last)
        for layer in self.features:
            h = layer(h)
        scores: Tensor = self.classifier(h.mean((2, 3)))
        return scores


class InvertedResidual(nn.Module):
    """Expansion, depthwise and linear convolution, plus a shortcut where the shape allows (section 3.3)."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = expansion * channels
        expand = [_conv(channels, hidden, 1)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *expand, _conv(hidden, hidden, 3, stride=stride, groups=hidden), nn.Conv2d(hidden, out, 1)
        )
        self.shortcut = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.conv(x)
        return x + h if self.shortcut else h


class SmallNet(FeatureNetwork):
    """Four stages of two 3x3 convolutions, strides 2, 4, 8, 8: sees 31 x 31 pixels at most, for images of 32 to 64."""

    architecture = "small_net"
    default_levels = ("features.0", "features.1", "features.2", "features.3")
    STAGES = ((24, 2), (48, 2), (96, 2), (96, 1))  # channels, stride

    def __init__(self) -> None:
        layers, channels = list[nn.Module](), 3
        for out, stride in self.STAGES:
            layers.append(nn.Sequential(*_conv(channels, out, 3, stride=stride), *_conv(out, out, 3)))
            channels = out
        super().__init__(layers, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def _conv(channels: int, out: int, kernel_size: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution with the bias of the batch normalisation folded into it, and ReLU6."""
    conv = nn.Conv2d(channels, out, kernel_size, stride, padding=kernel_size // 2, groups=groups)
    return nn.Sequential(conv, nn.ReLU6(inplace=True))


def load_mobilenet_v2(path: Path, levels: Sequence[str] = MobileNetV2.default_levels) -> MobileNetV2:
    """MobileNetV2 with the weights of a safetensors file in torchvision's names, any float type.

    Raises:
        AnomarkError: the file is absent or unreadable, or its tensors' names or shapes are not torchvision's.
    """
    tensors = _read(path)
    network = MobileNetV2()
    state = dict[str, Tensor]()
    shapes = dict[str, tuple[int, ...]]()
    for key, value in network.state_dict().items():
        shapes[key] = tuple(value.shape)
        if key.endswith(".bias") and not key.startswith("classifier"):
            norm = _norm_of(key.removesuffix(".bias"))
            del shapes[key]
            shapes |= {
                f"{norm}.{part}": tuple(value.shape) for part in ("weight", "bias", "running_mean", "running_var")
            }
    counters = {key for key in tensors if key.endswith(".num_batches_tracked")}  # torchvision's files have them
    _validate(path, {key: tensors[key] for key in tensors.keys() - counters}, shapes, "torchvision's MobileNetV2")
    for key in network.state_dict():
        conv, part = key.rsplit(".", 1)
        if conv.startswith("classifier"):
            state[key] = tensors[key]
        elif part == "weight":
            state[key], state[f"{conv}.bias"] = fold_batch_norm(tensors[key], tensors, _norm_of(conv))
    network.load_state_dict({key: value.float() for key, value in state.items()})
    network.name = f"{network.architecture}-{_hash(path)}"
    network.select(levels)
    return network


def load_small_net(path: Path) -> SmallNet:
    """The small network with the weights that the recipe for embedded features stored.

    Raises:
        AnomarkError: the file is absent or unreadable, or holds something else.
    """
    tensors, network = _read(path), SmallNet()
    _validate(path, tensors, {k: tuple(v.shape) for k, v in network.state_dict().items()}, "the small feature network")
    network.load_state_dict(tensors)
    network.name = f"{network.architecture}-{_hash(path)}"
    return network


def load_features(path: Path) -> FeatureNetwork:
    """The network whose weights the file holds: MobileNetV2 if it has a classifier, else the small one."""
    is_mobilenet = any(key.startswith("classifier.") for key in _read(path))
    return load_mobilenet_v2(path) if is_mobilenet else load_small_net(path)


def random_network(architecture: type[FeatureNetwork], seed: int) -> FeatureNetwork:
    """The control: an architecture with random weights (He et al. 2015), drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = architecture()  # type: ignore[call-arg]
    network.name = f"{architecture.architecture}-random-{seed}"
    return network


def fold_batch_norm(weight: Tensor, tensors: Mapping[str, Tensor], norm: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that equals `weight` followed by the batch normalisation `norm`."""
    gamma, beta, mean, variance = (
        tensors[f"{norm}.{p}"].double() for p in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gamma / (variance + BATCH_NORM_EPS).sqrt()
    return weight.double() * factor.reshape(-1, 1, 1, 1), beta - mean * factor


def _norm_of(conv: str) -> str:
    """torchvision's name of the batch normalisation behind a convolution: features.0.0 -> features.0.1."""
    parent, index = conv.rsplit(".", 1)
    return f"{parent}.{int(index) + 1}"


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise AnomarkError(f"{path}: no such file; give the path of the perceptual network's weights") from None
    except SafetensorError as error:
        raise AnomarkError(f"{path}: not a readable safetensors file ({error}); fetch it again") from error


def _validate(path: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], what: str) -> None:
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


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
