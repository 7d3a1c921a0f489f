"""MobileNetV2, trained on ImageNet: the pretrained backbone for images of some 100 pixels."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from anomark.detectors.backbones.base import FeatureNetwork, InvertedResidual, convolution, folded

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
        """torchvision's tensors, with batch normalisation folded into the convolutions."""
        origins = dict[str, tuple[str, str]]()
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                parent, index = name.rsplit(".", 1)
                origins[name] = (name, f"{parent}.{int(index) + 1}")  # features.0.0 -> features.0.1
        return folded(path, tensors, self.state_dict(), origins, "torchvision's MobileNetV2")
