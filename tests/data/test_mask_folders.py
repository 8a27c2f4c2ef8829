"""Masks are recognised by whatever people call them, and never trained or tested on."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision.data import Dataset, Sample, load_dataset
from excision.data.check import inspect_dataset
from excision.errors import DatasetError
from tests.data.conftest import Draw

FOLDERS = [
    *["mask", "masks", "Masks", "MASK", "gt", "GT", "Gt", "ground_truth", "Ground_Truth", "GROUND-TRUTH"],
    *["groundtruth", "GroundTruth", "ground truth", "label", "Labels", "LABELS", "annotation", "Annotations"],
    *["seg", "SEG", "segmentation", "Segmentations"],
]
ENDINGS = [
    "_gt",
    "_GT",
    "_label",
    "-mask",
    "_mask",
    "_MASK",
    "_seg",
    ".mask",
    " mask",
    "_ground_truth",
    "-Seg",
]


def samples(dataset: Dataset) -> dict[str, Sample]:
    return {sample.name: sample for sample in dataset.samples}


def pairs(dataset: Dataset, root: Path) -> dict[str, str | None]:
    """Give the mask of each defective image, both relative to the root."""
    return {
        s.name: s.mask.relative_to(root).as_posix() if isinstance(s.mask, Path) else None
        for s in dataset.samples
        if s.defective
    }


@pytest.fixture
def parts(tmp_path: Path, draw: Draw) -> Path:
    for i in range(6):
        draw(f"good/{i}.png")
    for i in range(2):
        draw(f"scratch/{i}.png")
    return tmp_path


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("place", ["{m}/scratch/{n}", "scratch/{m}/{n}", "{m}/{n}"])
def test_folders_of_masks(parts: Path, draw_mask: Draw, folder: str, place: str) -> None:
    names = [place.format(m=folder, n=f"{i}.png") for i in range(2)]
    for name in names:
        draw_mask(name)
    dataset = load_dataset(parts)
    assert {s.label for s in dataset.samples} == {"good", "scratch"}
    assert pairs(dataset, parts) == {f"scratch/{i}.png": name for i, name in enumerate(names)}
    assert dataset.unused_masks == ()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("image", "mask"), [("png", "png"), ("jpg", "png"), ("PNG", "bmp")])
def test_masks_beside_the_images(
    parts: Path, draw: Draw, draw_mask: Draw, ending: str, image: str, mask: str
) -> None:
    draw(f"dent/7.{image}")
    draw_mask(f"dent/7{ending}.{mask}")
    draw_mask(f"good/0{ending}.{mask}", empty=True)
    dataset = load_dataset(parts)
    assert pairs(dataset, parts)[f"dent/7.{image}"] == f"dent/7{ending}.{mask}"
    assert len(dataset.samples) == 6 + 2 + 1
    assert [m.name for m in dataset.unused_masks] == [f"good/0{ending}.{mask}"]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("scratch/images/a.png", "scratch/masks/a.png"),
        ("scratch/a.jpg", "scratch/a.png"),
        ("scratch/a.jpg", "masks/scratch/a.jpg.png"),
        ("scratch/a.jpg", "scratch/a.jpg_mask.png"),
        ("scratch/a.png", "scratch/mask_a.png"),
        ("scratch/a.png", "scratch/aGT.png"),
        ("scratch/a.png", "scratch/a_binary.png"),
        ("scratch/a.png", "scratch_masks/a.png"),
        ("scratch/a.png", "GT-scratch/a_gt.png"),
        ("scratch/b/a.png", "masks/scratch/b/a.png"),
        ("scratch/b/photo.png", "scratch/b/mask.png"),
        ("Scratch2/A.PNG", "masks/scratch2/a.png"),
        ("deep/scratch3/a.png", "masks/scratch3/a.png"),
    ],
)
def test_other_ways_to_name_a_mask(parts: Path, draw: Draw, draw_mask: Draw, image: str, mask: str) -> None:
    draw(image)
    draw_mask(mask)
    dataset = load_dataset(parts)
    assert pairs(dataset, parts)[image] == mask
    assert len(dataset.samples) == 9


@pytest.mark.parametrize(
    ("train", "test", "truth"),
    [("Train/Good", "TEST", "GT"), ("train/good", "test", "Ground_Truth"), ("TRAIN/OK", "Test", "masks")],
)
def test_mvtec_in_any_letter_case(
    tmp_path: Path, draw: Draw, draw_mask: Draw, train: str, test: str, truth: str
) -> None:
    for i in range(3):
        draw(f"{train}/{i:03d}.png")
    draw(f"{test}/Good/000.png")
    draw(f"{test}/bent/000.png")
    draw(f"{test}/cut/000.png")
    draw_mask(f"{truth}/bent/000_mask.png")
    draw_mask(f"{test}/cut/000_mask.png")
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "mvtec"
    assert sorted((s.split, s.label) for s in dataset.samples) == sorted(
        [("train", "good")] * 3 + [("test", "good"), ("test", "bent"), ("test", "cut")]
    )
    assert pairs(dataset, tmp_path) == {
        f"{test}/bent/000.png": f"{truth}/bent/000_mask.png",
        f"{test}/cut/000.png": f"{test}/cut/000_mask.png",
    }


def test_mvtec_never_trains_on_masks_among_the_good_images(
    tmp_path: Path, draw: Draw, draw_mask: Draw
) -> None:
    for i in range(3):
        draw(f"train/good/{i}.png")
        draw_mask(f"train/good/{i}_mask.png", empty=True)
        draw_mask(f"train/good/masks/{i}.png", empty=True)
    assert [s.name for s in load_dataset(tmp_path).train] == [f"train/good/{i}.png" for i in range(3)]


def test_a_label_may_be_what_is_inspected(parts: Path, draw: Draw) -> None:
    draw("label/torn.png")
    draw("missing_label/1.png")
    draw("scratch/part_label.png")
    labels = {s.label for s in load_dataset(parts).samples}
    assert labels == {"good", "scratch", "label", "missing_label"}


def test_pictures_whose_name_begins_as_another_are_images(parts: Path, draw: Draw) -> None:
    draw("scratch/0_again.png")
    draw("scratch/0b.png")
    assert sum(s.defective for s in load_dataset(parts).samples) == 4


def test_images_beside_masks_are_divided_by_them(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    for i in range(8):
        draw(f"images/{i}.jpg")
        draw_mask(f"masks/{i}.png", empty=i >= 2)
    dataset = load_dataset(tmp_path)
    assert pairs(dataset, tmp_path) == {f"images/{i}.jpg": f"masks/{i}.png" for i in range(2)}
    assert sum(not s.defective for s in dataset.samples) == 6


def test_images_alone_with_masks_are_divided_by_them(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    for i in range(5):
        draw(f"{i}.png")
    draw_mask("3_mask.png")
    draw_mask("4_mask.png", empty=True)
    dataset = load_dataset(tmp_path)
    assert pairs(dataset, tmp_path) == {"3.png": "3_mask.png"}
    assert len(dataset.samples) == 5


def test_a_folder_of_masks_with_another_name_is_refused(parts: Path, draw_mask: Draw) -> None:
    for i in range(2):
        draw_mask(f"regions/{i}.png")
    with pytest.raises(DatasetError, match=r"regions: looks like masks of the images in .*Call it masks/"):
        load_dataset(parts)


def test_good_masks_beside_pictures_are_refused_too(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    for i in range(3):
        draw(f"scratch/{i}.png")
        draw_mask(f"good/{i}.png")
    with pytest.raises(DatasetError, match="good: looks like masks"):
        load_dataset(tmp_path)


def test_black_and_white_parts_are_no_masks(tmp_path: Path, draw_mask: Draw) -> None:
    """Every folder shows silhouettes, so that none can be the masks of another."""
    for folder, i in itertools.product(("good", "bent"), range(4)):
        draw_mask(f"{folder}/{i}.png")
    assert len(load_dataset(tmp_path).samples) == 8


def test_two_masks_of_one_image(parts: Path, draw_mask: Draw) -> None:
    draw_mask("masks/scratch/0.png")
    draw_mask("scratch/0_mask.png")
    # The same mask twice is no conflict.
    assert pairs(load_dataset(parts), parts)["scratch/0.png"] is not None
    draw_mask("scratch/0_mask.png", empty=True)
    with pytest.raises(DatasetError, match=r"scratch/0.png: has two masks that differ, .*; keep one of them"):
        load_dataset(parts)


def test_every_mask_that_goes_unused_is_reported(parts: Path, draw: Draw, draw_mask: Draw) -> None:
    draw_mask("masks/scratch/0.png")
    draw_mask("masks/scratch/99.png")  # no such image
    draw_mask("masks/nonsense.png")
    draw_mask("masks/good/1.png")  # of a normal image, but marks something
    draw_mask("masks/good/2.png", empty=True)
    draw("dent/0.png")
    draw_mask("masks/1.png")  # scratch/1.png and good/1.png: the defective one
    draw_mask("masks/0.png")  # scratch/0.png or dent/0.png
    dataset = load_dataset(parts)
    report = inspect_dataset(dataset)
    found = {finding.name: finding.reason for finding in report.unused_masks}
    assert found["masks/scratch/99.png"] == found["masks/nonsense.png"] == "no image has its name"
    assert "but it marks 5% of it: the label or the mask is wrong" in found["masks/good/1.png"]
    assert found["masks/good/2.png"] == "its image, good/2.png, is normal; it is empty"
    assert "images have its name" in found["masks/0.png"]
    assert set(found) == {
        "masks/scratch/99.png",
        "masks/nonsense.png",
        "masks/good/1.png",
        "masks/good/2.png",
        "masks/0.png",
    }
    assert pairs(dataset, parts)["scratch/1.png"] == "masks/1.png"
    assert any("3 masks belong to no image" in note for note in report.notes)


NAMES = {
    "emoji": "\U0001f6e0\U0001f469\u200d\U0001f527",
    "hangul": "부품",
    "umlaut": "Prüfstück",
    "combining": "a\u0323\u0302",
    "right to left": "قطعة",
    "long": "x" * 242,
    "long in bytes": "\U0001f600" * 60,
    "newline": "a\nb",
    "dash": "-rf",
    "spaces": "  a  ",
    "brackets": "[a]*?",
    "dots": "a.b.c",
    "escape": "a\x1b[31mb",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize("place", ["masks/scratch/{n}.png", "scratch/{n}_mask.png"])
def test_masks_of_images_with_odd_names(
    parts: Path, draw: Draw, draw_mask: Draw, name: str, place: str
) -> None:
    draw(f"scratch/{name}.png")
    draw_mask(place.format(n=name))
    dataset = load_dataset(parts)
    assert pairs(dataset, parts)[f"scratch/{name}.png"] == place.format(n=name)
    assert inspect_dataset(dataset).training is not None


@pytest.mark.parametrize(("image", "mask"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_composed_and_decomposed_names_are_the_same(
    parts: Path, draw: Draw, draw_mask: Draw, image: str, mask: str
) -> None:
    """macOS stores decomposed letters, and other systems what they are given."""
    draw("dent/" + unicodedata.normalize(image, "Prüfstück é.png"))  # type: ignore[arg-type]
    draw_mask("Masks/dent/" + unicodedata.normalize(mask, "Prüfstück é_mask.png"))  # type: ignore[arg-type]
    draw("Dellé/1.png".replace("é", unicodedata.normalize(image, "é")))  # type: ignore[arg-type]
    draw_mask("Masks/Dellé/1.png".replace("é", unicodedata.normalize(mask, "é")))  # type: ignore[arg-type]
    dataset = load_dataset(parts)
    assert None not in [mask for name, mask in pairs(dataset, parts).items() if "scratch" not in name]
    assert dataset.unused_masks == ()


def test_bytes_that_are_no_text(parts: Path) -> None:
    import os

    noise = np.random.default_rng(0).integers(0, 256, (16, 20), np.uint8)
    square = np.zeros((16, 20), np.uint8)
    square[:4] = 255
    for name, pixels in (("scratch/t\xe9il", noise), ("masks/scratch/t\xe9il", square)):
        path = os.fsencode(parts) + b"/" + name.encode("latin-1") + b".png"
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120  # paths of bytes
        with open(path, "wb") as stream:  # noqa: PTH123  # likewise
            Image.fromarray(pixels).save(stream, "PNG")
    dataset = load_dataset(parts)
    assert sum(mask is not None for mask in pairs(dataset, parts).values()) == 1
    assert inspect_dataset(dataset).training is not None


def _names(dataset: Dataset) -> Sequence[str]:
    return [s.name for s in dataset.samples]


def test_names_that_differ_in_letter_case_alone_keep_their_masks(
    parts: Path, draw: Draw, draw_mask: Draw
) -> None:
    for stem in ("a", "A"):
        draw(f"dent/{stem}.png")
        draw_mask(f"masks/dent/{stem}.png")
    if len(_names(load_dataset(parts))) == 10:
        assert pairs(load_dataset(parts), parts) == {
            "dent/a.png": "masks/dent/a.png",
            "dent/A.png": "masks/dent/A.png",
            "scratch/0.png": None,
            "scratch/1.png": None,
        }
