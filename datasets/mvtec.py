"""MVTec AD: industrial photographs of fifteen categories. Photographs in the folders `good` are normal.

Defects are in the test part alone. Pixel masks are used where the copy has all of them.
"""

from __future__ import annotations

from pathlib import Path

from anomark.contracts import Prepared
from anomark.data.image_folder import prepare_images
from anomark.data.rawfiles import locate

NAME = "MVTec Anomaly Detection"
LABEL = "MVTec AD"
MODALITY = "image"
LEVEL = "image"
LICENCE = "CC BY-NC-SA 4.0"
SOURCE = "https://www.mvtec.com/company/research/datasets/mvtec-ad"
CITATION = "Bergmann, Fauser, Sattlegger, Steger: MVTec AD, CVPR 2019"
ITEMS: dict[str, dict] = {
    "bottle": {},
    "cable": {},
    "capsule": {},
    "carpet": {},
    "grid": {},
    "hazelnut": {},
    "leather": {},
    "metal_nut": {},
    "pill": {},
    "screw": {},
    "tile": {},
    "toothbrush": {},
    "transistor": {},
    "wood": {},
    "zipper": {},
}
DEFAULTS = {"size": 64}
FILES = (("mvtec/{item}/**/*.*",), ("mvtec_anomaly_detection/{item}/**/*.*",))

#: Images per category (Bergmann et al. 2019, Table 1): train, good test, defective test.
COUNTS = {
    "bottle": (209, 20, 63),
    "cable": (224, 58, 92),
    "capsule": (219, 23, 109),
    "carpet": (280, 28, 89),
    "grid": (264, 21, 57),
    "hazelnut": (391, 40, 70),
    "leather": (245, 32, 92),
    "metal_nut": (220, 22, 93),
    "pill": (267, 26, 141),
    "screw": (320, 41, 119),
    "tile": (230, 33, 84),
    "toothbrush": (60, 12, 30),
    "transistor": (213, 60, 40),
    "wood": (247, 19, 60),
    "zipper": (240, 32, 119),
}


def prepare(raw: Path, *, item: str, size: int) -> Prepared:
    """One category, RGB at `size` x `size` pixels. Of a copy that is not whole the notes say what it lacks.

    Raises:
        DataError: files are missing or broken, or the test part holds one class only.
    """
    files = locate(raw, FILES, item=item)
    return prepare_images(raw.joinpath(*files[0].relative_to(raw).parts[:2]), files, size, COUNTS[item])
