"""A folder of one's own photographs: normal ones to train on, normal and defective ones to test on."""

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
#: Any name: folder-screws reads the folder folder/screws of the data folder.
ITEMS: dict[str, dict] = {"*": {}}
DEFAULTS = {"size": 64}
FILES = (("folder/{item}/**/*.*",),)


def prepare(raw: Path, *, item: str, size: int) -> Prepared:
    """train/good, test/good and test/<kind of defect> below folder/<item>; masks as in MVTec AD, where there are any.

    Raises:
        DataError: files are missing or broken, or the test part holds one class only.
    """
    return prepare_images(raw / "folder" / item, locate(raw, FILES, item=item), size)
