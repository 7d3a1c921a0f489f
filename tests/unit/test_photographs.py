"""Images and masks as people bring them: formats, pixel formats, names, and folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomark.contracts import DataError, Prepared
from anomark_datasets.folder import prepare

SIDE = 16
Change = Callable[[Image.Image], Image.Image]


def picture(index: int, defect: bool = False) -> Image.Image:
    rng = np.random.default_rng(index)
    pixels = (120 + 20 * rng.normal(size=(SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)
    pixels[2:5, 2:5] = 255 if defect else pixels[2:5, 2:5]
    return Image.fromarray(pixels)


def marked(values: tuple[int, int] = (0, 255)) -> Image.Image:
    mask = np.full((SIDE, SIDE), values[0], np.uint8)
    mask[2:5, 2:5] = values[1]
    return Image.fromarray(mask)


def same(image: Image.Image) -> Image.Image:
    return image


def make(
    root: Path,
    ending: str = ".png",
    change: Change = same,
    mask_name: str = "ground_truth/scratch/{}_mask.png",
    mask: Callable[[], Image.Image] = marked,
) -> Path:
    """A small folder in the usual layout; returns the data folder."""
    mine = root / "folder" / "mine"
    for part, count, defect in (("train/good", 4, False), ("test/good", 3, False), ("test/scratch", 3, True)):
        (mine / part).mkdir(parents=True)
        for i in range(count):
            change(picture(10 * len(part) + i, defect)).save(mine / part / f"{i:03}{ending}")
    for i in range(3):
        path = mine / mask_name.format(f"{i:03}")
        path.parent.mkdir(parents=True, exist_ok=True)
        mask().save(path)
    return root


def read(root: Path, **params: str) -> Prepared:
    return prepare(root, item="mine", size=SIDE, **{"normal": "", "suspects": ""} | params)


def good(found: Prepared) -> bool:
    """All images and masks are there, and masks mark the square."""
    assert found.masks is not None
    return (
        found.train.shape == (4, 3, SIDE, SIDE)
        and found.labels.tolist() == [0, 0, 0, 1, 1, 1]
        and bool((found.masks[3:].sum((1, 2)) == 9).all())
        and not found.masks[:3].any()
    )


@pytest.mark.parametrize("ending", [".png", ".PNG", ".bmp", ".tif", ".tiff", ".jpg", ".webp", ".gif", ".ppm", ".tga"])
def test_whatever_pillow_opens_is_an_image(tmp_path: Path, ending: str) -> None:
    assert good(read(make(tmp_path, ending)))


MODES: dict[str, tuple[Change, str, str]] = {
    "palette": (lambda image: image.quantize(64), ".png", "10 of P"),
    "opaque": (lambda image: image.convert("RGBA"), ".png", "10 of RGBA"),
    "grey with alpha": (lambda image: image.convert("LA"), ".png", "10 of LA"),
    "two values": (lambda image: image.convert("1"), ".png", "10 of 1"),
    "cmyk": (lambda image: image.convert("CMYK"), ".tif", "10 of CMYK"),
    "lab": (lambda image: image.convert("YCbCr"), ".tif", "10 of YCbCr"),
    "16 bits": (lambda image: deep(image, 257), ".png", "10 of I"),
    "16 bits, tif": (lambda image: deep(image, 257), ".tif", "10 of I"),
}


def deep(image: Image.Image, step: int) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * step)


@pytest.mark.parametrize("kind", MODES)
def test_pixel_formats_become_rgb_and_the_notes_tell(tmp_path: Path, kind: str) -> None:
    change, ending, told = MODES[kind]
    found = read(make(tmp_path / "changed", ending, change))
    assert good(found)
    assert any(told in note for note in found.notes), found.notes
    plain = read(make(tmp_path / "plain"))
    if kind in ("opaque", "cmyk"):
        np.testing.assert_allclose(found.train, plain.train, atol=0.02)
    if kind.startswith("16"):
        grey = read(make(tmp_path / "grey", change=lambda image: image.convert("L")))
        np.testing.assert_allclose(found.train, grey.train, atol=1e-6)


def test_transparency_is_dropped_and_told(tmp_path: Path) -> None:
    def glassy(image: Image.Image) -> Image.Image:
        image.putalpha(Image.fromarray(np.full((SIDE, SIDE), 40, np.uint8)))
        return image

    found = read(make(tmp_path / "a", change=glassy))
    assert good(found) and any("transparency of 10 images" in note for note in found.notes)
    assert np.array_equal(found.train, read(make(tmp_path / "b")).train)


def test_images_are_turned_as_exif_says(tmp_path: Path) -> None:
    root = make(tmp_path)
    path = root / "folder/mine/train/good/000.png"
    upright = read(root).train[0]
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    picture(100).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    found = read(root)
    assert np.array_equal(found.train[0], upright) and any("1 images turned" in note for note in found.notes)


@pytest.mark.parametrize(
    "name",
    [
        "ground_truth/scratch/{}_mask.png",
        "ground_truth/scratch/{}.png",
        "ground_truth/scratch/{}_gt.png",
        "ground_truth/scratch/{}-mask.bmp",
        "ground_truth/scratch/{}_mask.tif",
        "masks/scratch/{}.png",
        "gt/scratch/{}_label.png",
        "masks/test/scratch/{}.png",
    ],
)
def test_masks_are_found_under_the_usual_names(tmp_path: Path, name: str) -> None:
    assert good(read(make(tmp_path, mask_name=name)))


MASKS: dict[str, Callable[[], Image.Image]] = {
    "ones": lambda: marked((0, 1)),
    "two values": lambda: marked().convert("1"),
    "classes": lambda: marked((0, 7)),
    "colour": lambda: marked().convert("RGB"),
    "red": lambda: Image.merge("RGB", [marked(), marked((0, 0)), marked((0, 0))]),
    "palette": lambda: marked((0, 1)).quantize(2),
    "16 bits": lambda: Image.fromarray(np.asarray(marked()).astype(np.uint16)),
    "alpha": lambda: Image.merge("LA", [marked((9, 9)), marked()]),
    "opaque": lambda: marked().convert("RGBA"),
}


@pytest.mark.parametrize("kind", MASKS)
def test_what_is_not_zero_is_marked_in_any_encoding(tmp_path: Path, kind: str) -> None:
    assert good(read(make(tmp_path, mask=MASKS[kind])))


def test_a_blurred_mask_is_cut_at_half(tmp_path: Path) -> None:
    found = read(make(tmp_path, mask_name="ground_truth/scratch/{}_mask.jpg"))
    assert found.masks is not None and (np.abs(found.masks[3:].sum((1, 2)).astype(int) - 9) <= 3).all()


def test_masks_that_are_missing_are_named(tmp_path: Path) -> None:
    root = make(tmp_path)
    (root / "folder/mine/ground_truth/scratch/001_mask.png").rename(root / "folder/mine/ground_truth/scratch/other.png")
    found = read(root)
    assert found.masks is None
    told = "; ".join(found.notes)
    assert "2 of 3" in told and "scratch/001.png" in told and "001_gt" in told


def test_files_of_systems_are_ignored_and_others_are_named(tmp_path: Path) -> None:
    root = make(tmp_path)
    for name in ("train/good/.hidden.png", "train/good/Thumbs.db", "__MACOSX/train/good/x.png", ".trash/good/a.png"):
        path = root / "folder/mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no image")
    assert good(found := read(root)) and len(found.notes) == 1
    (root / "folder/mine/train/good/notes.txt").write_text("mine")
    (note,) = read(root).notes[1:]
    assert "1 files are no photographs" in note and "notes.txt" in note


def test_folders_may_be_nested(tmp_path: Path) -> None:
    root = make(tmp_path)
    mine = root / "folder/mine"
    for folder in ("train/good", "test/scratch", "ground_truth/scratch"):
        (mine / folder / "monday").mkdir()
        for path in sorted((mine / folder).glob("00[12]*")):
            path.rename(mine / folder / "monday" / path.name)
    assert good(read(root))


def test_a_folder_of_normal_images_and_one_of_suspects(tmp_path: Path) -> None:
    mine = make(tmp_path) / "folder/mine"
    for i in range(10):
        for name, defect in (("fine", False), ("odd", True)):
            (mine / name).mkdir(exist_ok=True)
            picture(i + 50 * defect, defect).save(mine / name / f"{i}.png")
    found = read(tmp_path, normal="fine", suspects="odd")
    assert (len(found.train), found.labels.tolist()) == (7, [0] * 3 + [1] * 10)
    assert found.masks is None
    rows = {image.tobytes() for image in found.train} & {image.tobytes() for image in found.test}
    assert not rows
    with pytest.raises(DataError, match="name both"):
        read(tmp_path, normal="fine")
    with pytest.raises(DataError, match="no training photograph under nothing"):
        read(tmp_path, normal="nothing", suspects="odd")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: path.write_bytes(b"text"), "not a readable image"),
        (lambda path: picture(0).save(path, save_all=True, append_images=[picture(1)], format="TIFF"), "2 pictures"),
        (lambda path: Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(path, format="TIFF"), "32-bit fractions"),
        (lambda path: Image.fromarray(np.full((4, 4), 70_000, np.int32)).save(path, format="TIFF"), "up to|70000"),
    ],
    ids=["text", "two pictures", "fractions", "32 bits"],
)
def test_what_no_rule_covers_is_refused_in_a_sentence(
    tmp_path: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    root = make(tmp_path, ".tif")
    spoil(root / "folder/mine/train/good/001.tif")
    with pytest.raises(DataError, match=sentence) as error:
        read(root)
    assert "001.tif" in str(error.value) and "fetch" not in str(error.value)
