"""YAMNet, trained on AudioSet: the pretrained network for sounds, on patches of a log-mel spectrogram."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any, Self

import numpy as np
import tflite
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from anomark.contracts import AnomarkError
from anomark.detectors.backbones.base import expect_tensors, read_weights

#: The owner's export has whole numbers of 8 bits, which are read as what they stand for; its activations stay floats
#: here. `yamnet_random` is the control: the same network as it is drawn.
WEIGHTS = {
    "yamnet": {
        "file": "weights/yamnet_spectra_in.tflite",
        "url": "https://raw.githubusercontent.com/google-coral/coralmicro/c9f665b/models/yamnet_spectra_in.tflite",
        "sha256": "0a266465c46718f3fcc4137366be82882a8c93bfcc4f0278581a11d11dddcdf9",
    },
    "yamnet_random": {"recipe": "draw"},
}
#: Frames and bands of a patch.
PATCH = (96, 64)
STEM, CLASSES = 32, 521
# channels and stride of the separable convolutions: MobileNetV1 (Howard et al. 2017, table 1).
SEPARABLE = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *[(512, 1)] * 5,
    *((1024, 2), (1024, 1)),
)


class Network(nn.Module):
    """MobileNetV1 on log-mel patches (B, 96, 64), batch norms folded: embeddings (B, 1024) and class scores (B, 521).

    Convolutions are followed by ReLU6, and pad as TensorFlow's "same" does.
    """

    channels = SEPARABLE[-1][0]

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Conv2d(1, STEM, 3, stride=2)]
        inside = STEM
        for out, stride in SEPARABLE:
            layers += [nn.Conv2d(inside, inside, 3, stride=stride, groups=inside), nn.Conv2d(inside, out, 1)]
            inside = out
        self.layers = nn.ModuleList(layers)
        self.classifier = nn.Linear(inside, CLASSES)
        self.name = ""
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls, path: Path) -> Self:
        """The network with the weights of a safetensors file.

        Raises:
            AnomarkError: the file is absent or unreadable, or holds something else.
        """
        network, tensors = cls(), read_weights(path)
        expect_tensors(path, tensors, {k: tuple(v.shape) for k, v in network.state_dict().items()}, "YAMNet")
        network.load_state_dict(tensors)
        network.name = f"yamnet-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
        return network

    def forward(self, patches: Tensor) -> Tensor:
        """(B, 96, 64) -> (B, 1024), the mean of the last layer's map."""
        x = patches[:, None].contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            assert isinstance(layer, nn.Conv2d)
            (height, width), (kernel, stride) = x.shape[-2:], (layer.kernel_size[0], layer.stride[0])
            down, right = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in (height, width))
            x = layer(F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))).clamp_(0, 6)
        return x.mean((2, 3))

    def logits(self, patches: Tensor) -> Tensor:
        """(B, 96, 64) -> (B, 521) scores of AudioSet's classes, which show that the weights are what they should be."""
        found: Tensor = self.classifier(self(patches))
        return found


def draw(path: Path) -> None:
    """Write weights as they are drawn, at a scale that keeps the activations' variance."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Network()
        for layer in network.layers:
            nn.init.kaiming_normal_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    save_file(network.state_dict(), path)


def read(path: Path) -> dict[str, Tensor]:
    """The weights of the owner's TFLite file, in the order of its layers; a layer is known by its kind and shape.

    Raises:
        AnomarkError: the file is no TFLite model, or another network's.
    """
    network = Network()
    names = [f"layers.{i}" for i in range(len(network.layers))] + ["classifier"]
    state = network.state_dict()
    try:
        model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
        graph = model.Subgraphs(0)
        for name, inputs in zip(names, _weighted(model, graph), strict=True):
            weight, bias = (_numbers(model, graph.Tensors(int(i))) for i in inputs)
            if weight.ndim == 4:  # TFLite has channels last; depthwise weights are (1, height, width, channels)
                depthwise = state[f"{name}.weight"].shape[1] == 1 and weight.shape[0] == 1
                weight = weight.transpose(3, 0, 1, 2) if depthwise else weight.transpose(0, 3, 1, 2)
            for key, value in (("weight", weight), ("bias", bias)):
                if tuple(state[f"{name}.{key}"].shape) != value.shape:
                    raise ValueError(f"{name}.{key} has shape {value.shape}")
                state[f"{name}.{key}"] = torch.from_numpy(np.ascontiguousarray(value))
    except (ValueError, LookupError, AttributeError, TypeError, struct.error) as error:
        raise AnomarkError(f"{path}: not the TFLite file of YAMNet ({error}); fetch it again") from error
    return state


def _weighted(model: Any, graph: Any) -> list[Any]:
    """Of every operator with weights, the indices of its weight and its bias."""
    kinds = tflite.BuiltinOperator
    found = []
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())  # the second holds the code in older files
        if kind in (kinds.CONV_2D, kinds.DEPTHWISE_CONV_2D, kinds.FULLY_CONNECTED):
            found.append(operator.InputsAsNumpy()[1:3])
    return found


def _numbers(model: Any, tensor: Any) -> np.ndarray:
    """What a tensor's whole numbers stand for: (q - zero point) scale, with one scale for each channel; float32."""
    kind = {tflite.TensorType.INT8: np.int8, tflite.TensorType.INT32: np.int32}[tensor.Type()]
    whole = model.Buffers(tensor.Buffer()).DataAsNumpy().view(kind).reshape(tensor.ShapeAsNumpy())
    quantisation = tensor.Quantization()
    shape = [1] * whole.ndim
    shape[quantisation.QuantizedDimension()] = -1
    zero, scale = (values().reshape(shape) for values in (quantisation.ZeroPointAsNumpy, quantisation.ScaleAsNumpy))
    return ((whole.astype(np.float32) - zero) * scale).astype(np.float32)
