import numpy as np
import pytest
import torch

from anomark.detectors.training import seeded
from anomark.nn.dcgan import Decoder, Encoder, map_sizes


@pytest.mark.parametrize(
    "shape",
    [(3, 64, 64), (1, 28, 28), (3, 16, 16), (1, 8, 8), (3, 9, 31), (1, 3, 40), (1, 2, 2), (1, 12), (25, 100), (2, 17)],
)
def test_any_shape_goes_down_and_comes_back(shape: tuple[int, ...]) -> None:
    x = torch.zeros(2, *shape)
    encoder, decoder = Encoder(shape, width=8, outputs=5), Decoder(shape, width=8, latent=5, bounded=False)
    assert max(encoder.features(x).shape[2:]) <= 4
    assert decoder(encoder(x)).shape == x.shape


def test_64_pixels_are_the_networks_of_the_papers() -> None:
    """Channels 64 to 512 and maps down to 4x4: Schlegl et al. 2017, section 3; Akcay et al. 2018, the DCGAN nets."""
    assert map_sizes((64, 64)) == [(64, 64), (32, 32), (16, 16), (8, 8), (4, 4)]
    features = Encoder((1, 64, 64), width=64, outputs=1).features
    convolutions = [layer.out_channels for layer in features if isinstance(layer, torch.nn.Conv2d)]
    assert convolutions == [64, 128, 256, 512]
    assert sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in features) == 3  # none at the input
    generator = Decoder((1, 64, 64), width=64, latent=100, bounded=True)
    assert generator.bottom == (512, 4, 4) and isinstance(generator.layers[-1], torch.nn.Tanh)


def test_initial_weights_are_normal_with_the_deviation_of_dcgan() -> None:
    with seeded(0):
        network = Encoder((3, 32, 32), width=32, outputs=4)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        elif parameter.ndim > 1:
            np.testing.assert_allclose(parameter.std().item(), 0.02, rtol=0.1)
