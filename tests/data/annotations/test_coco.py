"""COCO JSON as different tools write it, and what is refused with the entry named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from excision.data import Dataset, load_dataset
from excision.errors import DatasetError, ImageError
from tests.data.annotations.formats import truth
from tests.data.conftest import Draw

SQUARE = [2, 3, 6, 3, 6, 8, 2, 8]


def base() -> dict[str, Any]:
    """Give a file with a good image and one with a dent; images are 20 wide and 16 high."""
    return {
        "info": {"year": 2026},
        "images": [
            {"id": 1, "file_name": "a.png", "width": 20, "height": 16},
            {"id": 2, "file_name": "b.png", "width": 20, "height": 16},
            {"id": 3, "file_name": "c.png", "width": 20, "height": 16},
        ],
        "annotations": [
            {"id": 1, "image_id": 2, "category_id": 7, "bbox": [2, 3, 4, 5], "segmentation": [SQUARE]}
        ],
        "categories": [{"id": 7, "name": "dent"}, {"id": 8, "name": "pit"}, {"id": 9, "name": "OK"}],
    }


def write(folder: Path, content: Any, name: str = "coco.json", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((content if isinstance(content, str) else json.dumps(content)).encode(encoding))
    return path


@pytest.fixture
def images(draw: Draw) -> None:
    for name in "abc":
        draw(f"{name}.png")


def labels(dataset: Dataset) -> dict[str, str]:
    return {s.name: s.label for s in dataset.samples}


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_a_file_beside_its_images(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, base(), encoding=encoding)
    for given in (tmp_path, path):
        dataset = load_dataset(given)
        assert dataset.layout == "coco"
        assert labels(dataset) == {"a.png": "good", "b.png": "dent", "c.png": "good"}
        mask = truth(dataset.test[0] if dataset.test[0].defective else dataset.test[1])
        assert mask.sum() == 20
        assert mask[3:8, 2:6].all()
        assert any("1 of 2 normal images" in note for note in dataset.notes)


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("region", "pixels", "note"),
    [
        ({"segmentation": SQUARE}, 20, ""),
        ({"segmentation": [[2, 3], [6, 3], [6, 8], [2, 8]]}, 20, ""),
        ({"segmentation": [[[2, 3], [6, 3], [6, 8], [2, 8]]]}, 20, ""),
        ({"segmentation": [SQUARE, [10, 0, 20, 0, 20, 2, 10, 2]]}, 40, ""),
        ({"segmentation": [[-5, -5, 3, -5, 3, 2, -5, 2]]}, 6, ""),
        ({"segmentation": []}, 20, "1 annotations have only a box"),
        ({"segmentation": None, "bbox": [18.0, 14.0, 5.5, 5]}, 4, "have only a box"),
        ({"segmentation": {"size": [16, 20], "counts": [0, 320]}, "iscrowd": 1}, 320, ""),
        ({"segmentation": {"size": [16, 20], "counts": [16, 8, 296]}}, 8, ""),
        ({"segmentation": [[4.2, 4.2, 4.3, 4.3]]}, 1, ""),
    ],
)
def test_regions(tmp_path: Path, region: dict[str, Any], pixels: int, note: str) -> None:
    content = base()
    content["annotations"][0].update(region)
    write(tmp_path, content)
    dataset = load_dataset(tmp_path)
    assert truth(next(s for s in dataset.samples if s.defective)).sum() == pixels
    assert any(note in line for line in dataset.notes)


@pytest.mark.usefixtures("images")
def test_an_annotation_without_any_region_makes_a_defect_without_a_mask(tmp_path: Path) -> None:
    content = base()
    content["annotations"] = [{"id": 1, "image_id": 2, "category_id": 7}]
    write(tmp_path, content)
    dataset = load_dataset(tmp_path)
    assert labels(dataset)["b.png"] == "dent"
    assert all(s.mask is None for s in dataset.samples)
    assert any("neither a region nor a box" in note for note in dataset.notes)


@pytest.mark.usefixtures("images")
def test_several_kinds_on_one_image_and_classes_that_are_no_defect(tmp_path: Path) -> None:
    content = base()
    region = content["annotations"][0]
    content["annotations"] += [region | {"id": 2, "category_id": 8}, region | {"id": 3, "category_id": 7}]
    content["annotations"] += [region | {"id": 4, "image_id": 1, "category_id": 9}, region | {"image_id": 99}]
    write(tmp_path, content)
    dataset = load_dataset(tmp_path)
    assert labels(dataset) == {"a.png": "good", "b.png": "dent+pit", "c.png": "good"}
    told = " ".join(dataset.notes)
    assert "1 images show several kinds of defect" in told
    assert "1 annotations are of classes that mean good" in told
    assert "1 annotations belong to no image" in told


def test_official_folders_windows_separators_and_splits(tmp_path: Path, draw: Draw) -> None:
    for split in ("train2017", "val2017"):
        for name in ("1.png", "2.png", "sub/3.png"):
            draw(f"images/{split}/{name}")
        content = base()
        for image, name in zip(content["images"], ("1.png", "sub\\3.png", r"D:\set\2.png"), strict=True):
            image["file_name"] = name
        if split == "train2017":
            content["annotations"] = []
        write(tmp_path / "annotations", content, f"instances_{split}.json")
    write(tmp_path / "annotations", {"images": [], "annotations": []}, "captions_train2017.json")
    draw("images/val2017/extra.png")
    for given in (tmp_path, tmp_path / "annotations"):
        dataset = load_dataset(given)
        assert dataset.root == tmp_path
        assert [(s.name, s.split, s.label) for s in dataset.samples] == [
            ("images/train2017/1.png", "train", "good"),
            ("images/train2017/2.png", "train", "good"),
            ("images/train2017/sub/3.png", "train", "good"),
            ("images/val2017/1.png", "test", "good"),
            ("images/val2017/2.png", "test", "good"),
            ("images/val2017/sub/3.png", "test", "dent"),
        ]
        told = " ".join(dataset.notes)
        assert "Passed over captions_train2017.json" in told
        assert "Left out 1 images that no annotation file lists, such as images/val2017/extra.png" in told


def test_one_folder_for_each_split(tmp_path: Path, draw: Draw) -> None:
    for split in ("train", "valid", "test"):
        for name in "abc":
            draw(f"{split}/{name}.png")
        content = base()
        if split == "train":
            content["annotations"] = []
        write(tmp_path / split, content, "_annotations.coco.json")
    dataset = load_dataset(tmp_path)
    assert len(dataset.train) == 3
    assert [s.name for s in dataset.test if s.defective] == ["test/b.png", "valid/b.png"]


@pytest.mark.usefixtures("images")
def test_defects_of_a_lone_training_file_are_for_testing(tmp_path: Path) -> None:
    write(tmp_path, base(), "train.json")
    assert [s.label for s in load_dataset(tmp_path).test] == ["dent", "good"] or [
        s.label for s in load_dataset(tmp_path).test
    ] == ["good", "dent"]


@pytest.mark.usefixtures("images")
def test_images_that_are_not_there_are_counted_and_named(tmp_path: Path) -> None:
    content = base()
    content["images"][2]["file_name"] = "../gone/x.png"
    write(tmp_path, content)
    dataset = load_dataset(tmp_path)
    assert labels(dataset) == {"a.png": "good", "b.png": "dent"}
    assert any(
        "1 images of coco.json whose files were not found, such as ../gone/x.png" in n for n in dataset.notes
    )


def test_a_name_that_fits_two_images_is_refused(tmp_path: Path, draw: Draw) -> None:
    for name in ("x/a.png", "y/a.png", "x/b.png", "x/c.png"):
        draw(name)
    write(tmp_path, base())
    with pytest.raises(DatasetError, match=r"image 1: a.png may be .*x/a.png or .*y/a.png"):
        load_dataset(tmp_path)


def changed(path: str, value: Any) -> dict[str, Any]:
    """Give the file with one value replaced; a path such as images/0/id leads to it."""
    content: Any = copy.deepcopy(base())
    *way, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    holder = content
    for step in way:
        holder = holder[step]
    holder[last] = value
    return dict(content)


REGION = "annotations/0/segmentation"


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (changed(REGION, [[1, 2, 3]]), r"annotation 1 \(id 1\): 3 coordinates are not pairs"),
        (changed(REGION, [[1, 2, 3, "4", 5, 6]]), "'4' is not a number"),
        (changed(REGION, [[1, 2, 3, True, 5, 6]]), "'True' is not a number"),
        (changed(REGION, [[1, 2, 3, 1e999, 5, 6]]), "Infinity is not a number"),
        (changed(REGION, [[1, 2, 3, float("nan"), 5, 6]]), "NaN is not a number"),
        (changed(REGION, [[1, 2, 3, 10**400, 5, 6]]), "not finite"),
        (changed(REGION, [[1, 2, 3, -1e7, 5, 6]]), "far outside of any image"),
        (changed(REGION, [[0] * 2_000_002]), "more than 1000000 points"),
        (changed(REGION, "abc"), "neither polygons nor run lengths"),
        (changed(REGION, [[1, 2], 3]), "not a list of polygons"),
        (changed(REGION, {"counts": [320]}), "no size"),
        (changed(REGION, {"size": [20, 16], "counts": [320]}), "run lengths are of 16 x 20 pixels"),
        (changed(REGION, {"size": [16, 20], "counts": [-1, 321]}), "not a number of pixels"),
        (changed(REGION, {"size": [16, 20], "counts": [2**80]}), "not a number of pixels"),
        (changed(REGION, {"size": [16, 20]}), "no counts"),
        (changed(REGION, {"size": [1e9, 1e9], "counts": [1]}), "not a size in pixels"),
        (
            changed("annotations/0", {"image_id": 2, "category_id": 7, "bbox": [1, 2, -3, 4]}),
            "negative width",
        ),
        (changed("annotations/0", {"image_id": 2, "category_id": 7, "bbox": [1, 2, 3]}), "not x, y, width"),
        (changed("annotations/0", 5), "annotation 1: is not a JSON object"),
        (changed("annotations/0/image_id", None), "has no id"),
        (changed("annotations/0/category_id", 70), 'category "70" is not in the list'),
        (changed("annotations", {"1": 2}), '"annotations" is not a list'),
        (changed("images/0/width", 0), "image 1: 0 is not a size"),
        (changed("images/0/height", -16), "image 1: -16 is not a size"),
        (changed("images/1/id", 1), "image 2: another image has the id"),
        (
            changed("images/1/file_name", "./a.png"),
            "image 2: .*a.png is the image that .*image 1 lists already",
        ),
        (changed("images/1/file_name", None), 'image 2: has no "file_name"'),
        (changed("images/1/file_name", ""), "names no file"),
        (changed("images/1/file_name", "a\0.png"), "names no file"),
        (changed("images/1/file_name", "\ud800.png"), "names no file"),
        (changed("images/1/file_name", "x" * 300), "names no file"),
        (changed("categories/0/name", ""), "category 1: '' is not the name of a class"),
        (changed("categories/0/name", "a\nb"), "not the name of a class"),
        (changed("categories/0/name", "x" * 101), "not the name of a class"),
        (changed("categories/1/id", 7), "have the same id"),
        ('{"images": [' + "[" * 200_000, "nested too deeply"),
        ('{"images": [], "images": []}', '"images" occurs twice'),
        ('{"images": [', "not valid JSON"),
        ('{"annotations": []}', 'has no list "images"'),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: Any, reason: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DatasetError, match=reason) as caught:
        load_dataset(tmp_path)
    assert str(path) in str(caught.value)


@pytest.mark.usefixtures("images")
def test_an_image_of_another_size_than_its_annotation_is_refused_when_its_mask_is_read(
    tmp_path: Path,
) -> None:
    write(tmp_path, changed("images/1/width", 40))
    sample = next(s for s in load_dataset(tmp_path).samples if s.defective)
    with pytest.raises(ImageError, match=r"image 2 \(b.png\): .* 40 x 16 pixels, but it has 20 x 16"):
        truth(sample)


@pytest.mark.usefixtures("images")
def test_a_file_of_gigabytes_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = write(tmp_path, base())
    with path.open("r+b") as stream:
        stream.truncate(3 * 2**30)
    with pytest.raises(DatasetError, match="larger than 128 MiB"):
        load_dataset(tmp_path)


@pytest.mark.usefixtures("images")
def test_other_json_beside_images_is_no_coco(tmp_path: Path) -> None:
    write(tmp_path, {"images": 5, "version": 3}, "notes.json")
    write(tmp_path, "[1, 2, 3]", "list.json")
    assert load_dataset(tmp_path).layout == "folder"
    with pytest.raises(DatasetError, match="contains no COCO file"):
        load_dataset(tmp_path, "coco")


@pytest.mark.usefixtures("images")
def test_a_list_of_few_of_the_images_is_refused_and_masks_do_not_count(
    tmp_path: Path, draw: Draw, draw_mask: Draw
) -> None:
    for number in range(9):
        draw_mask(f"masks/{'abc'[number % 3]}{number}.png")
    write(tmp_path, base())
    assert len(load_dataset(tmp_path).samples) == 3
    for number in range(4):
        draw(f"more/{number}.png")
    with pytest.raises(DatasetError, match="4 of 7 images would be left out"):
        load_dataset(tmp_path)
    assert len(load_dataset(tmp_path, leave_out=True).samples) == 3
    alone = load_dataset(tmp_path / "coco.json")
    assert len(alone.samples) == 3
    assert any("Left out 4 images that no annotation file lists" in note for note in alone.notes)
