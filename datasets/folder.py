"""Own images: a folder of your photographs, normal ones to train on, normal and defective ones to test on.

The folder is laid out as MVTec AD is: `train/good`, `test/good`, `test/<kind of defect>`, and where there are masks
`ground_truth/<kind of defect>`. It needs no code: `folder-screws` in a suite reads `folder/screws` of the data folder.
A folder of normal images beside one of suspects will do too: name them as `normal` and `suspects` in `dataset_params`.
Where nothing tells good test images from defective ones, there are scores and pictures, and no metrics: so it is in a
folder without test/good, with images directly in test/, without test/, and with images alone.

Whatever Pillow opens is an image. Images are turned as their EXIF says, and become RGB: palettes and CMYK as Pillow
converts them, grey with three equal channels, 16 bits divided by 257, transparency dropped. The notes tell what was
done.
"""

from __future__ import annotations

from pathlib import Path

from anomark.contracts import DataError, Prepared
from anomark.data.image_folder import prepare_images
from anomark.data.rawfiles import locate, named

NAME = "Own images"
LABEL = "Own images"
MODALITY = "image"
LEVEL = "image"
LICENCE = "yours"
SOURCE = "your own folder"
CITATION = ""
#: Any name of a folder.
ITEMS: dict[str, dict] = {"*": {}}
#: `normal` and `suspects` name two folders of images that take the place of train/ and test/.
#: `path` names the folder, where it does not lie in the data folder.
#: `suspects: "*"` stands for every folder but those of normal files and of masks.
DEFAULTS = {"size": 64, "normal": "", "suspects": "", "path": ""}
FILES = (("folder/{item}/**/*.*",),)


def prepare(raw: Path, *, item: str, size: int, normal: str, suspects: str, path: str = "") -> Prepared:
    """The images of one folder, RGB at `size` x `size` pixels.

    With `normal` and `suspects`, 70% of the normal images train, and the others are tested beside the suspects.

    Raises:
        DataError: files are missing or broken.
    """
    if bool(normal) != bool(suspects):
        raise DataError(f"{item}: dataset_params name a folder of normal images or of suspects; name both")
    flat = (normal, suspects) if normal else None
    return prepare_images(
        named(path) if path else raw / "folder" / item, locate(raw, FILES, item=item, path=path), size, flat=flat
    )
