"""labelme JSON: every kind of shape, where the image is, and what an image without a file means."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from excision.data import Dataset, load_dataset
from excision.errors import DatasetError, ImageError
from tests.data.annotations.formats import truth
from tests.data.conftest import Draw


def write(path: Path, *shapes: Any, **others: Any) -> Path:
    """Write the file of an image of 20 x 16 pixels; a shape is a dictionary, or a kind and its points."""
    drawn = [
        s if not isinstance(s, tuple) else {"label": "dent", "shape_type": s[0], "points": s[1]}
        for s in shapes
    ]
    content: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": drawn,
        "imagePath": path.with_suffix(".png").name,
        "imageData": None,
        "imageHeight": 16,
        "imageWidth": 20,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({k: v for k, v in (content | others).items() if v != "absent"}))
    return path


def png(marked: Any) -> str:
    stream = io.BytesIO()
    Image.fromarray(np.asarray(marked, np.uint8)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def labels(dataset: Dataset) -> dict[str, str]:
    return {s.name: s.label for s in dataset.samples}


@pytest.mark.parametrize(
    ("shape", "pixels"),
    [
        (("polygon", [[2, 3], [6, 3], [6, 8], [2, 8]]), 20),
        ({"label": "dent", "points": [[2, 3], [6, 3], [6, 8], [2, 8]]}, 20),
        (("rectangle", [[6, 8], [2, 3]]), 20),
        (("rectangle", [[2, 3], [6, 3], [6, 8], [2, 8]]), 20),
        (("oriented_rectangle", [[10, 2], [14, 6], [10, 10], [6, 6]]), 32),
        (("rectangle", [[-4, -4], [2, 3]]), 6),
        (("circle", [[10, 8], [10, 11]]), 32),
        (("line", [[0, 8], [20, 8]]), 200),
        (("linestrip", [[0, 0], [20, 0], [20, 16]]), 0),
        (("point", [[10, 8]]), 80),
        (
            {
                "label": "dent",
                "shape_type": "mask",
                "points": [[3, 4], [5, 5]],
                "mask": png([[1, 0, 1], [0, 1, 0]]),
            },
            3,
        ),
        (
            {
                "label": "dent",
                "shape_type": "mask",
                "points": [[18, 15], [20, 17]],
                "mask": png(np.ones((3, 3))),
            },
            2,
        ),
    ],
)
def test_shapes(tmp_path: Path, draw: Draw, shape: Any, pixels: int) -> None:
    for name in "ab":
        draw(f"{name}.png")
    write(tmp_path / "b.json", shape)
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "labelme"
    assert labels(dataset) == {"a.png": "good", "b.png": "dent"}
    found = truth(dataset.test[-1])
    # The corner strip is only compared with the rule in the tests of drawing.
    assert found.sum() == pixels or (pixels == 0 and 100 < found.sum() < 200)
    thin = isinstance(shape, tuple) and shape[0] in ("line", "linestrip", "point")
    assert any("have no area" in note for note in dataset.notes) == thin
    assert any("1 images without a JSON file are taken as good" in note for note in dataset.notes)


def test_embedded_pixels_come_first_and_are_ignored(tmp_path: Path, draw: Draw) -> None:
    draw("a.png")
    draw("b.png")
    path = write(tmp_path / "b.json", ("rectangle", [[2, 3], [6, 8]]))
    content = json.loads(path.read_text())
    path.write_text(
        json.dumps({"imageData": "A" * 3_000_000} | {k: content[k] for k in content if k != "imageData"})
    )
    assert labels(load_dataset(tmp_path)) == {"a.png": "good", "b.png": "dent"}


def test_images_are_found_by_path_or_beside_the_file(tmp_path: Path, draw: Draw) -> None:
    for name in ("img/a.png", "img/b.png", "img/c.png", "ann/d.JPG", "good/g.png"):
        draw(name, mode="RGB")
    shape = ("rectangle", [[2, 3], [6, 8]])
    write(tmp_path / "ann/a.json", shape, imagePath="..\\img\\a.png")
    write(tmp_path / "ann/b.json", shape, imagePath=r"C:\Users\me\set\img\b.png")
    write(tmp_path / "ann/c.json", imagePath="../img/c.png")
    write(tmp_path / "ann/d.json", shape, imagePath="renamed_since.png")
    write(tmp_path / "ann/e.json", shape, imagePath="absent")
    dataset = load_dataset(tmp_path)
    assert labels(dataset) == {
        "ann/d.JPG": "dent",
        "good/g.png": "good",
        "img/a.png": "dent",
        "img/b.png": "dent",
        "img/c.png": "good",
    }
    assert any(
        "1 JSON files whose images were not found, such as ann/e.json" in note for note in dataset.notes
    )


def test_in_folders_only_those_in_good_are_good(tmp_path: Path, draw: Draw) -> None:
    for name in ("good/0.png", "good/1.png", "scratch/0.png", "scratch/1.png"):
        draw(name)
    write(tmp_path / "scratch/0.json", ("rectangle", [[2, 3], [6, 8]]))
    dataset = load_dataset(tmp_path)
    assert labels(dataset) == {"good/0.png": "good", "good/1.png": "good", "scratch/0.png": "dent"}
    assert any("such as scratch/1.png" in note and "label is unknown" in note for note in dataset.notes)


def test_folders_of_splits(tmp_path: Path, draw: Draw) -> None:
    for name in ("train/0.png", "train/1.png", "val/0.png", "val/1.png"):
        draw(name)
    write(tmp_path / "val/0.json", ("rectangle", [[2, 3], [6, 8]]))
    assert [(s.name, s.split, s.label) for s in load_dataset(tmp_path).samples] == [
        ("train/0.png", "train", "good"),
        ("train/1.png", "train", "good"),
        ("val/0.png", "test", "dent"),
        ("val/1.png", "test", "good"),
    ]


def test_flags_and_harmless_classes(tmp_path: Path, draw: Draw) -> None:
    for name in "abcde":
        draw(f"{name}.png")
    square = [[2, 3], [6, 8]]
    write(tmp_path / "a.json", flags={"ok": True, "blurry": False})
    write(tmp_path / "b.json", flags={"scratch": True})
    write(tmp_path / "c.json", {"label": "_background_", "shape_type": "rectangle", "points": square})
    other = {"label": "pit", "shape_type": "rectangle", "points": square}
    write(tmp_path / "d.json", ("rectangle", square), other, flags={"checked": True})
    dataset = load_dataset(tmp_path)
    assert labels(dataset) == {"a.png": "good", "c.png": "good", "d.png": "dent+pit", "e.png": "good"}
    assert any("1 images with a flag but no shape" in note and "b.png" in note for note in dataset.notes)
    assert any("1 shapes are of classes that mean good" in note for note in dataset.notes)


MASK = {"label": "dent", "shape_type": "mask", "points": [[3, 4], [5, 5]]}


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (("blob", [[1, 2]]), "the shape type 'blob' is unknown"),
        (("circle", [[1, 2]]), "a circle needs 2 points, but has 1"),
        (("rectangle", [[1, 2], [3, 4], [5, 6]]), "a rectangle needs 2 points, but has 3"),
        (("point", [[1, 2], [3, 4]]), "a point needs 1 points, but has 2"),
        (("polygon", []), "0 coordinates"),
        (("polygon", [[1, 2, 3]]), "does not have two coordinates"),
        (("polygon", [[1, None], [2, 3]]), "'None' is not a number"),
        (("line", [[1, 2]] * 10_001), "more than 10000 points"),
        ({"shape_type": "polygon", "points": [[1, 2], [3, 4], [5, 1]]}, "'None' is not the name of a class"),
        (MASK, "has no mask"),
        (MASK | {"mask": "%%%"}, "not text in base64"),
        ("text", "shape 1: is not a JSON object"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, draw: Draw, shape: Any, reason: str) -> None:
    draw("a.png")
    draw("b.png")
    path = write(tmp_path / "b.json", shape)
    with pytest.raises(DatasetError, match=f"b.json, shape 1: .*{reason}|b.json, {reason}") as caught:
        load_dataset(tmp_path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "size", "reason"),
    [
        (MASK | {"mask": png(np.ones((2, 4)))}, {}, "is 4 x 2 pixels, but its two points span 3 x 2"),
        (MASK | {"mask": base64.b64encode(b"no picture").decode()}, {}, "cannot be decoded"),
        (MASK | {"mask": png(np.ones((2, 3)))}, {"imageWidth": 40}, "40 x 16 pixels, but it has 20 x 16"),
    ],
)
def test_what_only_drawing_shows_names_the_file(
    tmp_path: Path, draw: Draw, shape: Any, size: dict[str, int], reason: str
) -> None:
    draw("a.png")
    draw("b.png")
    path = write(tmp_path / "b.json", shape, **size)
    with pytest.raises(ImageError, match=reason) as caught:
        truth(load_dataset(tmp_path).test[-1])
    assert str(path) in str(caught.value)


def test_a_file_that_names_its_neighbour_is_refused(tmp_path: Path, draw: Draw) -> None:
    for name in "abc":
        draw(f"{name}.png")
    write(tmp_path / "b.json", ("rectangle", [[2, 3], [6, 8]]), imagePath="c.png")
    with pytest.raises(DatasetError, match=r"b.json: lies beside b.png, but names c.png"):
        load_dataset(tmp_path)


def test_other_json_beside_images_is_not_labelme(tmp_path: Path, draw: Draw) -> None:
    draw("good/a.png")
    (tmp_path / "good/a.json").write_text('{"exposure": 3}')
    (tmp_path / "camera.json").write_text("{}")
    assert load_dataset(tmp_path).layout == "folder"
    with pytest.raises(DatasetError, match="no JSON file of labelme"):
        load_dataset(tmp_path, "labelme")
    write(tmp_path / "b.json", ("rectangle", [[2, 3], [6, 8]]))
    draw("b.png")
    assert load_dataset(tmp_path).layout == "labelme"


def test_masks_beside_the_images_are_never_taken_as_good(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    for name in "abc":
        draw(f"{name}.png")
    draw_mask("b_mask.png")
    draw_mask("masks/b.png")
    write(tmp_path / "b.json", ("rectangle", [[2, 3], [6, 8]]))
    dataset = load_dataset(tmp_path)
    assert labels(dataset) == {"a.png": "good", "b.png": "dent", "c.png": "good"}
    assert any("Passed over 2 mask files" in note for note in dataset.notes)


def test_leaving_out_most_images_is_refused(tmp_path: Path, draw: Draw) -> None:
    for name in ("good/0.png", "new/0.png", "new/1.png", "new/2.png"):
        draw(name)
    write(tmp_path / "new/0.json", flags={"scratch": True})
    with pytest.raises(DatasetError, match="3 of 4 images would be left out"):
        load_dataset(tmp_path)
    assert labels(load_dataset(tmp_path, leave_out=True)) == {"good/0.png": "good"}
