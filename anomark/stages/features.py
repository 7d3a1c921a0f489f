"""Stage 1 for methods that need f: its weights, trained here, drawn at random, copied or fetched.

The recipe of the small network: contrastive learning on photographs that ship with scikit-image.

Two random views of a patch should have similar features, views of different patches different ones (Chen et al.,
"SimCLR", ICML 2020). No label is used, nor any of the photographs that the benchmark makes datasets of.

What it is worth, as mean AUROC over seven development sets: nearest-patch search .78 to .82 (two seeds, 150 and 300
steps), with random weights .73 to .76 (three seeds). It gains most on textures; on transistors, and on digits without
standardised channels, it loses. As E_feat it is worth no more than random weights (.64 to .68 against .60 to .69).
Contrast of corresponding points in overlapping crops, regression of oriented energies, stronger zoom and more
photographs were tried at 150 steps and came to .75 to .81.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
import pooch
import skimage.data
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from anomark.contracts import AnomarkError, Array
from anomark.detectors.perceptual import SmallNet, fold_batch_norm, load_mobilenet_v2, random_network
from anomark.detectors.training import seeded, train_steps
from anomark.records import Jobs

#: scikit-image's photographs outside `datasets/textures.py`.
PHOTOGRAPHS = (
    "astronaut",
    "camera",
    "cell",
    "chelsea",
    "clock",
    "coffee",
    "coins",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "page",
    "retina",
    "rocket",
)
PATCHES, PATCH, VIEW = 4096, 48, 32  # patches are cut once; a view is a part of one
SHRINK = (1, 2, 3)  # patches come at these reductions of the photograph
STEPS, BATCH, LEARNING_RATE = 300, 96, 2e-3
TEMPERATURE = 0.2
PROJECTION = 64
SEED = 0
#: torchvision's IMAGENET1K_V1; the name carries the first digits of the file's sha256.
MOBILENET_URL, MOBILENET_SHA256 = "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth", "b0353104"


def write_features(kind: str, raw: str | None, out: Path) -> None:
    """Write the weights of f to `out`, whole or not at all.

    Args:
        kind: embedded, random or mobilenet_v2.
        raw: a file with MobileNetV2's weights, or None to fetch them.

    Raises:
        AnomarkError: the weights can't be fetched, or are not what their name says.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(f".{os.getpid()}.tmp")
    try:
        if kind == "embedded":
            train_embedded_f(partial)
        elif kind == "random":
            _save(random_network(SmallNet, SEED).state_dict(), partial)
        elif raw:
            load_mobilenet_v2(Path(raw))  # refuses a file that isn't one
            partial.write_bytes(Path(raw).read_bytes())
        else:
            fetch_mobilenet_v2(partial)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def fetch_mobilenet_v2(out: Path, url: str = MOBILENET_URL, sha256: str = MOBILENET_SHA256) -> None:
    """Download torchvision's weights, check them, and store them as safetensors.

    Raises:
        AnomarkError: no connection, or the file's sha256 doesn't begin as it should.
    """
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        try:
            path = Path(pooch.retrieve(url, known_hash=None, path=folder, progressbar=False))
        except Exception as error:  # pooch passes on whatever its downloader raised
            raise AnomarkError(
                f"{url}: can't be fetched ({type(error).__name__}); put the weights into the data folder as "
                "weights/mobilenet_v2.safetensors, or set features: embedded"
            ) from None
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if not found.startswith(sha256):
            raise AnomarkError(f"{url}: sha256 is {found}, expected {sha256}...; fetch it again, or from its owner")
        state = torch.load(path, map_location="cpu", weights_only=True)
        _save(state, out)


def _save(state: dict[str, Tensor], out: Path) -> None:
    save_file({key: value.contiguous() for key, value in state.items()}, out)


def train_embedded_f(out: Path) -> None:
    """Train the network and store it as safetensors at `out`; the same bytes on every run of one machine.

    About a minute on one core.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with seeded(SEED):
            network, head = _with_batch_norm(SmallNet()), nn.Linear(SmallNet.STAGES[-1][0], PROJECTION)
        _train(network, head)
    finally:
        torch.set_num_threads(threads)
    out.parent.mkdir(parents=True, exist_ok=True)
    _save(_folded(network), out)


def _train(network: nn.Sequential, head: nn.Linear) -> None:
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parameters = [*network.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, LEARNING_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=STEPS)
    for step in train_steps(cut_patches(), steps=STEPS, batch_size=BATCH, seed=SEED, name="embedded f"):
        patches = step.batch / 127.5 - 1
        views = torch.cat([_view(patches, step.generator), _view(patches, step.generator)])
        maps = network((2 * views).contiguous(memory_format=torch.channels_last))
        embedding = F.normalize(head(maps.mean((2, 3))), dim=1)  # (2 BATCH, PROJECTION)
        step.minimise(contrastive_loss(embedding), optimiser)
        schedule.step()


def contrastive_loss(embedding: Tensor) -> Tensor:
    """NT-Xent of unit vectors (2 B, d), rows i and i + B being views of one patch (SimCLR, equation 1)."""
    similarity = embedding @ embedding.T / TEMPERATURE
    similarity = similarity.masked_fill(torch.eye(len(embedding), dtype=torch.bool), -torch.inf)
    partner = torch.arange(len(embedding)).roll(len(embedding) // 2)
    return F.cross_entropy(similarity, partner)


def cut_patches() -> Array:
    """uint8 (PATCHES, 3, PATCH, PATCH), equally many of every photograph, those at full size first."""
    rng = np.random.default_rng(SEED)
    patches = []
    for index in range(PATCHES):
        photograph = _photograph(PHOTOGRAPHS[index % len(PHOTOGRAPHS)], SHRINK[index // len(PHOTOGRAPHS) % len(SHRINK)])
        top, left = (int(rng.integers(0, n - PATCH + 1)) for n in photograph.shape[1:])
        patches.append(photograph[:, top : top + PATCH, left : left + PATCH])
    return np.stack(patches)


_photographs: dict[tuple[str, int], Array] = {}


def _photograph(name: str, shrink: int) -> Array:
    """uint8 (3, H, W); grey ones have three equal channels."""
    if (name, shrink) not in _photographs:
        image = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
        _photographs[name, shrink] = np.asarray(image.reduce(shrink)).transpose(2, 0, 1)
    return _photographs[name, shrink]


def _view(patches: Tensor, generator: torch.Generator) -> Tensor:
    """A random part (B, 3, VIEW, VIEW) of each patch, turned, scaled, mirrored, and changed in colour and sharpness."""
    count = len(patches)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator) * (high - low) + low

    size = uniform(0.5, 0.8) * (1 - 2 * (uniform(0, 1) < 0.5).float())  # part of the patch; negative: mirrored
    angle = uniform(-0.4, 0.4)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).reshape(count, 2, 2)
    turn = turn * torch.stack([size, size.abs()], dim=1)[:, None]
    corner = uniform(-1, 1, 2, 1) * 0.25
    grid = F.affine_grid(torch.cat([turn, corner], dim=2), [count, 3, VIEW, VIEW], align_corners=False)
    view = F.grid_sample(patches, grid, padding_mode="reflection", align_corners=False)
    grey = view.mean(1, keepdim=True)
    view = torch.lerp(view, grey, uniform(0, 1, 1, 1, 1).round() * uniform(0, 1, 1, 1, 1))
    view = view * uniform(0.7, 1.4, 3, 1, 1) ** 0.5 * uniform(0.7, 1.4, 1, 1, 1) + uniform(-0.3, 0.3, 1, 1, 1)
    return view + 0.05 * uniform(0, 1, 1, 1, 1) * torch.randn(view.shape, generator=generator)


def _with_batch_norm(network: SmallNet) -> nn.Sequential:
    """The network as it is trained: batch normalisation behind every convolution, whose own bias it replaces."""
    layers = list[nn.Module]()
    for conv in (m for m in network.features.modules() if isinstance(m, nn.Conv2d)):
        layers += [conv.requires_grad_(True), nn.BatchNorm2d(conv.out_channels), nn.ReLU6(inplace=True)]
        conv.bias.requires_grad_(False)  # type: ignore[union-attr]
    return nn.Sequential(*layers)


def _folded(network: nn.Sequential) -> dict[str, Tensor]:
    """The trained layers as `SmallNet.state_dict()` names them."""
    trained = network.state_dict()
    folded = dict[str, Tensor]()
    names = [key.removesuffix(".weight") for key in SmallNet().state_dict() if key.endswith(".weight")]
    for index, name in enumerate(names):
        weight, bias = fold_batch_norm(trained[f"{3 * index}.weight"], trained, str(3 * index + 1))
        folded |= {f"{name}.weight": weight.float().contiguous(), f"{name}.bias": bias.float().contiguous()}
    return folded


def main() -> None:
    parser = argparse.ArgumentParser(description=write_features.__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    try:
        features = Jobs.load(args.plan).features
        assert features is not None
        write_features(features.kind, features.raw, args.out)
    except (AnomarkError, OSError) as error:
        raise SystemExit(f"anomark features: {error}") from None


if __name__ == "__main__":
    main()
