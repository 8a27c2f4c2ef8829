"""Images that annotations list but that are not there, and files that were nearly not recognised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from excision.data import load_dataset
from excision.data.check import inspect_dataset
from excision.errors import DatasetError
from tests.data.conftest import Draw

LISTED = 12
SHAPE = {"label": "dent", "points": [[2, 2], [8, 2], [8, 8]], "shape_type": "polygon"}


def coco(**more: Any) -> dict[str, Any]:
    images = [{"id": i, "file_name": f"{i}.png", "width": 20, "height": 16} for i in range(LISTED)]
    regions = [{"id": 1, "image_id": 0, "category_id": 1, "segmentation": [[2, 2, 8, 2, 8, 8]]}]
    categories = [{"id": 1, "name": "dent"}]
    return {**more, "images": images, "annotations": regions, "categories": categories}


def manifest(job: str = "job") -> str:
    lines = [
        {
            "source-ref": f"s3://bucket/{i}.png",
            "anomaly-label": int(i == 0),
            "anomaly-label-metadata": {"class-name": "normal" if i else "anomaly", "job-name": job},
        }
        for i in range(LISTED)
    ]
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)


def write(root: Path, layout: str) -> None:
    if layout == "coco":
        (root / "coco.json").write_text(json.dumps(coco()))
    elif layout == "lookout":
        (root / "all.manifest").write_text(manifest())
    elif layout == "labelme":
        for i in range(LISTED):
            content = {"version": "5.5.0", "flags": {}, "shapes": [SHAPE], "imagePath": f"{i}.png"}
            (root / f"{i}.json").write_text(json.dumps(content))
    else:
        (root / "data.yaml").write_text("train: train.txt\nval: val.txt\nnames: [dent]\n")
        (root / "train.txt").write_text("".join(f"./{i}.png\n" for i in range(1, LISTED)))
        (root / "val.txt").write_text("./0.png\n")
        (root / "0.txt").write_text("0 0.5 0.5 0.2 0.2\n")


@pytest.mark.parametrize("layout", ["coco", "lookout", "labelme", "yolo"])
def test_most_listed_images_missing_is_an_error(tmp_path: Path, draw: Draw, layout: str) -> None:
    write(tmp_path, layout)
    names = ["0.png", "1.png", "2.png", *(["a.png", "b.png"] if layout == "labelme" else [])]
    for name in names:
        draw(name)
    with pytest.raises(DatasetError, match=r"9 of 1[24] images that are listed are not there .*--leave-out"):
        load_dataset(tmp_path)
    dataset = load_dataset(tmp_path, leave_out=True)
    assert len(dataset.missing) == LISTED - 3
    assert len(dataset.samples) == len(names)
    for number in range(3, 8):
        draw(f"{number}.png")
    assert len(load_dataset(tmp_path).missing) == LISTED - 8


def test_check_tells_it_in_the_report(tmp_path: Path, draw: Draw) -> None:
    write(tmp_path, "coco")
    for number in range(6):
        draw(f"{number}.png")
    report = inspect_dataset(load_dataset(tmp_path))
    assert report.missing == tuple(f"{number}.png" for number in range(6, LISTED))


def test_coco_is_recognised_whatever_comes_first(tmp_path: Path, draw: Draw) -> None:
    for number in range(LISTED):
        draw(f"{number}.png")
    (tmp_path / "export.json").write_text(json.dumps(coco(version=1, dataset={"name": "line 2"})))
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "coco"
    assert [s.label for s in dataset.samples if s.name == "0.png"] == ["dent"]


def test_a_list_of_categories_alone_is_no_coco_file(tmp_path: Path, draw: Draw) -> None:
    # Label Studio writes such a file beside its export for YOLO.
    (tmp_path / "notes.json").write_text(json.dumps({"categories": [{"id": 0, "name": "dent"}], "info": {}}))
    for number in range(4):
        draw(f"images/{number}.png")
        path = tmp_path / f"labels/{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("" if number else "0 0.5 0.5 0.2 0.2\n")
    assert load_dataset(tmp_path).layout == "yolo"


def test_a_metadata_file_with_a_list_of_images_is_no_coco_file(tmp_path: Path, draw: Draw) -> None:
    for number in range(4):
        draw(f"good/{number}.png")
    draw("dent/0.png")
    (tmp_path / "camera.json").write_text(json.dumps({"camera": 3, "images": ["0.png"]}))
    assert load_dataset(tmp_path).layout == "folder"


def test_an_empty_polygon_leaves_the_box(tmp_path: Path, draw: Draw) -> None:
    for number in range(LISTED):
        draw(f"{number}.png")
    content = coco()
    content["annotations"][0] |= {"segmentation": [[]], "bbox": [2, 2, 5, 5]}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    dataset = load_dataset(tmp_path)
    assert any("1 annotations have only a box" in note for note in dataset.notes)


def test_other_line_separators_do_not_cut_a_line_of_a_manifest(tmp_path: Path, draw: Draw) -> None:
    for number in range(LISTED):
        draw(f"{number}.png")
    (tmp_path / "all.manifest").write_text(manifest("a\u2028b\x85c"), "utf-8")
    assert len(load_dataset(tmp_path).samples) == LISTED


@pytest.mark.parametrize(
    ("stored", "listed"),
    [
        ("images/teil \u00e4{}.png", "images/teil%20%C3%A4{}.png"),
        ("images/{}.png", "/data/upload/1/images/{}.png?d=1"),
        ("images/a\u0308{}.png", "images/\u00e4{}.png"),
        ("images/a\u0308{}.png", "s3://bucket/images/%C3%A4{}.png"),
        ("images/50%20{}.png", "images/50%20{}.png"),
    ],
)
def test_addresses_and_accents_are_found(tmp_path: Path, draw: Draw, stored: str, listed: str) -> None:
    content = coco()
    for number in range(LISTED):
        draw(stored.format(number))
        content["images"][number]["file_name"] = listed.format(number)
    (tmp_path / "coco.json").write_text(json.dumps(content))
    dataset = load_dataset(tmp_path)
    assert len(dataset.samples) == LISTED
    assert dataset.left_out == dataset.missing == ()


@pytest.mark.parametrize("name", ["no-defects", "No_Defect", "NON-DEFECTIVE", "i.O.", "defect free"])
def test_classes_that_mean_good(tmp_path: Path, draw: Draw, name: str) -> None:
    for number in range(LISTED):
        draw(f"{number}.png")
    content = coco()
    content["categories"][0]["name"] = name
    (tmp_path / "coco.json").write_text(json.dumps(content))
    assert {sample.label for sample in load_dataset(tmp_path).samples} == {"good"}
