import numpy as np
import pytest
import torch

from anomark import modality
from anomark.contracts import Spec
from anomark.detectors.frontend import (
    FRAME,
    SMALLEST_SHARE,
    ImageFrontEnd,
    ScalogramFrontEnd,
    front_end,
    too_short,
)


def windows(n: int, variables: int, length: int) -> np.ndarray:
    steps = np.random.default_rng(0).normal(size=(n, variables, length))
    return (3 + 0.1 * steps.cumsum(-1)).astype(np.float32)


def fitted(X: np.ndarray, name: str = "series") -> ScalogramFrontEnd:
    front = front_end(Spec(name, X.shape[1:]))
    assert isinstance(front, ScalogramFrontEnd)
    front.fit(X)
    return front


def test_an_image_is_its_own_map() -> None:
    front = front_end(Spec("image", (3, 5, 7), (-1.0, 1.0)))
    x = torch.rand(2, 3, 5, 7)
    assert isinstance(front, ImageFrontEnd) and front.shape == (3, 5, 7) and front.clip == (-1.0, 1.0)
    assert front(x) is x and front.inverse(x) is x and front.frames(x) is x


@pytest.mark.parametrize("name", ["series", "audio"])
@pytest.mark.parametrize("shape", [(1, 32), (3, 37), (1, 48), (2, 288), (1, FRAME), (1, 2 * FRAME + 100)])
def test_windows_come_back_and_maps_are_standardised(name: str, shape: tuple[int, int]) -> None:
    X = windows(20, *shape)
    front = fitted(X, name)
    maps = front(torch.from_numpy(X))
    assert maps.shape == (20 * front.maps_per_sample, *front.shape) and front.shape[0] == 3 * shape[0]
    np.testing.assert_allclose(front.inverse(maps), X, atol=1e-4)
    np.testing.assert_allclose(maps.mean((0, 3)), 0, atol=1e-3)
    assert maps.square().mean((0, 3)).max() < 1.01


def test_a_constant_variable_is_only_centred_and_silent_rows_are_not_blown_up() -> None:
    X = windows(20, 2, 48)
    X[:, 1] = -1.0
    front = fitted(X)
    assert (front.std[3:] == 1).all()
    slow = np.cos(np.linspace(0, 2 * np.pi, 48, dtype=np.float32))[None, None] * np.linspace(1, 2, 20)[:, None, None]
    std = fitted(slow.astype(np.float32)).std
    assert std.min() >= 0.99 * SMALLEST_SHARE * std.max()


def test_frames_are_lazy_rows_of_their_windows() -> None:
    X = windows(3, 1, 2 * FRAME + 100)
    front = fitted(X, "audio")
    frames = front.frames(X)
    assert front.maps_per_sample == 3 and len(frames) == 9
    np.testing.assert_array_equal(frames[np.array([1, 5])], [X[0, :, FRAME : 2 * FRAME], X[1, :, -FRAME:]])
    alone = front(torch.from_numpy(frames[np.arange(9)]))
    torch.testing.assert_close(alone, front(torch.from_numpy(X)))


def test_only_a_window_can_be_too_short() -> None:
    assert too_short(Spec("image", (1, 4, 4))) is None and too_short(Spec("series", (1, 12))) is None
    assert "11 steps is too short" in str(too_short(Spec("series", (1, 11))))
    settings = {m: found for m in modality.ids() if (found := modality.load(m).SCALOGRAM)}
    assert all(front_end(Spec(m, (1, found["shortest"]))).shape for m, found in settings.items())
    assert "no scalogram" in str(too_short(Spec("series", (24,))))


def test_errors_are_located_in_time() -> None:
    X = windows(2, 1, 2 * FRAME + 100)
    front = fitted(X, "audio")
    errors = torch.zeros(6, *front.shape[1:])
    errors[4] = 1  # the second frame of the second window; the last frame overlaps its end
    located = front.locate(errors)
    assert located.shape == (2, 1, X.shape[2])
    assert (located[1, 0, FRAME : FRAME + 100] == 1).all() and located.sum() == FRAME - (FRAME - 100)
    image = front_end(Spec("image", (3, 4, 4)))
    assert image.locate(errors) is errors
