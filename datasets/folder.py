"""Own images: a folder of your photographs, normal ones to train on, normal and defective ones to test on.

The folder is laid out as MVTec AD is: `train/good`, `test/good`, `test/<kind of defect>`, and where there are masks
`ground_truth/<kind of defect>`. It needs no code: `folder-screws` in a suite reads `folder/screws` of the data folder.
"""

from __future__ import annotations

from pathlib import Path

from anomark.contracts import Prepared
from anomark.data.image_folder import prepare_images
from anomark.data.rawfiles import locate

NAME = "Own images"
LABEL = "Own images"
MODALITY = "image"
LEVEL = "image"
LICENCE = "yours"
SOURCE = "your own folder"
CITATION = ""
#: Any name of a folder.
ITEMS: dict[str, dict] = {"*": {}}
DEFAULTS = {"size": 64}
FILES = (("folder/{item}/**/*.*",),)


def prepare(raw: Path, *, item: str, size: int) -> Prepared:
    """The images of one folder, RGB at `size` x `size` pixels.

    Raises:
        DataError: files are missing or broken, or the test part holds one class only.
    """
    return prepare_images(raw / "folder" / item, locate(raw, FILES, item=item), size)
