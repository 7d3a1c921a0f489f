"""MobileNetV2, trained on ImageNet: the pretrained backbone for images of some 100 pixels."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from anomark.detectors.backbones.base import FeatureNetwork, convolution, expect_tensors, fold_batch_norm

#: torchvision's IMAGENET1K_V1; the name of the download carries the first digits of its sha256.
WEIGHTS = {
    "mobilenet_v2": {
        "file": "weights/mobilenet_v2.safetensors",
        "url": "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
        "sha256": "b0353104",
    }
}
MARK = "classifier.1.weight"
# Statistics of ImageNet's training images in [0, 1].
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


class Network(FeatureNetwork):
    """Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018; torchvision's layer names.

    `default_levels` are the last layers of strides 4, 8 and 16 (24, 32 and 96 channels). `patch_levels` (strides 16
    and 32) and `map_levels` (strides 8, 16, 16 and 32) were chosen on MVTec's transistor: a misplaced part is seen
    only where f sees much of the image at once.
    """

    default_levels = ("features.3", "features.6", "features.13")
    patch_levels = ("features.13", "features.17")
    map_levels = ("features.6", "features.10", "features.13", "features.16")
    picture_side, scalogram_side = 160, 64

    def __init__(self) -> None:
        layers: list[nn.Module] = [convolution(3, STEM, 3, stride=2)]
        channels = STEM
        for expansion, out, blocks, first_stride in INVERTED_RESIDUALS:
            for block in range(blocks):
                layers.append(InvertedResidual(channels, out, first_stride if block == 0 else 1, expansion))
                channels = out
        layers.append(convolution(channels, LAST, 1))
        super().__init__(layers, IMAGENET_MEAN, IMAGENET_STD)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(LAST, CLASSES)).requires_grad_(False).eval()

    def logits(self, x: Tensor) -> Tensor:
        """(B, 1000) ImageNet class scores, which show that the weights are what they should be."""
        h = self.scaled(x)
        for layer in self.features:
            h = layer(h)
        scores: Tensor = self.classifier(h.mean((2, 3)))
        return scores

    def adopted(self, path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """torchvision's tensors, of any float type, with batch normalisation folded into the convolutions."""
        own = self.state_dict()
        shapes = dict[str, tuple[int, ...]]()
        for key, value in own.items():
            shapes[key] = tuple(value.shape)
            if key.endswith(".bias") and not key.startswith("classifier"):
                norm = _norm_of(key.removesuffix(".bias"))
                del shapes[key]
                shapes |= {
                    f"{norm}.{part}": tuple(value.shape) for part in ("weight", "bias", "running_mean", "running_var")
                }
        counters = {key for key in tensors if key.endswith(".num_batches_tracked")}  # torchvision's files have them
        known = {key: tensors[key] for key in tensors.keys() - counters}
        expect_tensors(path, known, shapes, "torchvision's MobileNetV2")
        state = dict[str, Tensor]()
        for key in own:
            conv, part = key.rsplit(".", 1)
            if conv.startswith("classifier"):
                state[key] = tensors[key]
            elif part == "weight":
                state[key], state[f"{conv}.bias"] = fold_batch_norm(tensors[key], tensors, _norm_of(conv))
        return {key: value.float() for key, value in state.items()}


class InvertedResidual(nn.Module):
    """Expansion, depthwise and linear convolution, plus a shortcut where the shape allows (section 3.3)."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = expansion * channels
        expand = [convolution(channels, hidden, 1)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *expand, convolution(hidden, hidden, 3, stride=stride, groups=hidden), nn.Conv2d(hidden, out, 1)
        )
        self.shortcut = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.conv(x)
        return x + h if self.shortcut else h


def _norm_of(conv: str) -> str:
    """torchvision's name of the batch normalisation behind a convolution: features.0.0 -> features.0.1."""
    parent, index = conv.rsplit(".", 1)
    return f"{parent}.{int(index) + 1}"
