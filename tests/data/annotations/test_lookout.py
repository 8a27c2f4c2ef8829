"""Manifests of Lookout for Vision: labels, addresses in S3, and masks on a white background."""

from __future__ import annotations

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

WHITE, GREEN, BLUE = (255, 255, 255), (0x2C, 0xA0, 0x2C), (0x1F, 0x77, 0xB4)

CLASSES = {
    "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0.0},
    "1": {"class-name": "scratch", "hex-color": "#2ca02c", "confidence": 0.0},
    "2": {"class-name": "dent", "hex-color": "#1F77B4", "confidence": 0.0},
}


def line(key: str, anomaly: bool, mask: Any = None, **others: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "source-ref": f"s3://bucket/{key}",
        "anomaly-label": int(anomaly),
        "anomaly-label-metadata": {
            "class-name": "anomaly" if anomaly else "normal",
            "creation-date": "2021-10-12T14:16:45.668",
            "human-annotated": "yes",
            "job-name": "labeling-job/classification-job",
            "type": "groundtruth/image-classification",
            "confidence": 1,
        },
    }
    if mask:
        found["anomaly-mask-ref"] = f"s3://bucket/{mask}"
        found["anomaly-mask-ref-metadata"] = {
            "internal-color-map": CLASSES,
            "type": "groundtruth/semantic-segmentation",
        }
    return {k: v for k, v in (found | others).items() if v != "absent"}


def write(path: Path, *lines: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines) + "\n")
    return path


def paint(path: Path, *places: tuple[slice, slice, tuple[int, int, int]], mode: str = "RGB") -> Path:
    pixels = np.full((16, 20, 3), 255, np.uint8)
    for rows, columns, colour in places:
        pixels[rows, columns] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    picture.convert(mode, palette=Image.Palette.ADAPTIVE, colors=4).save(
        path
    ) if mode == "P" else picture.save(path)
    return path


def told(dataset: Dataset) -> list[tuple[str, str, str]]:
    return [(s.name, s.split, s.label) for s in dataset.samples]


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_both_manifests_with_masks(tmp_path: Path, draw: Draw, mode: str) -> None:
    for name in ("images/0.png", "images/1.png", "images/2.png", "images/3.png", "images/4.png"):
        draw(name)
    paint(tmp_path / "masks/2.png", (slice(3, 6), slice(1, 5), GREEN), mode=mode)
    paint(
        tmp_path / "masks/3.png",
        (slice(0, 2), slice(0, 2), GREEN),
        (slice(8, 9), slice(3, 4), BLUE),
        mode=mode,
    )
    paint(tmp_path / "masks/4.png", mode=mode)
    write(tmp_path / "train.manifest", line("p/images/0.png", False), line("p/images/1.png", False))
    write(
        tmp_path / "test.manifest",
        line("p/images/2.png", True, "out/masks/2.png"),
        line("p/images/3.png", True, "out/masks/3.png"),
        "",
        line("p/images/4.png", False, "out/masks/4.png"),
    )
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "lookout"
    assert told(dataset) == [
        ("images/0.png", "train", "good"),
        ("images/1.png", "train", "good"),
        ("images/2.png", "test", "scratch"),
        ("images/3.png", "test", "dent+scratch"),
        ("images/4.png", "test", "good"),
    ]
    assert truth(dataset.test[0]).sum() == 12
    assert truth(dataset.test[0])[3:6, 1:5].all()
    assert truth(dataset.test[1]).sum() == 5
    assert dataset.test[2].mask is None
    assert not any("Left out" in note for note in dataset.notes)


def test_a_manifest_beside_the_folder_of_images(tmp_path: Path, draw: Draw) -> None:
    for name in ("normal/0.png", "normal/1.png", "anomaly/0.png"):
        draw(f"images/{name}")
    manifest = write(
        tmp_path / "manifests/output.manifest",
        line("images/normal/0.png", False),
        line("images/normal/1.png", False),
        line("images/anomaly/0.png", True),
    )
    for given in (tmp_path, tmp_path / "manifests", manifest):
        dataset = load_dataset(given, "lookout")
        assert dataset.root == tmp_path or dataset.root == tmp_path / "images"
        assert [(s.image, s.label) for s in dataset.samples] == [
            (tmp_path / "images/anomaly/0.png", "anomaly"),
            (tmp_path / "images/normal/0.png", "good"),
            (tmp_path / "images/normal/1.png", "good"),
        ]


def test_a_labelling_job_has_its_own_names_and_numbers(tmp_path: Path, draw: Draw) -> None:
    for name in "abcd":
        draw(f"{name}.png")
    paint(tmp_path / "m/b.png", (slice(0, 2), slice(0, 2), BLUE))
    meta = {"class-name": "Scratched", "type": "groundtruth/image-classification"}
    mask_meta = {"internal-color-map": {"1": CLASSES["2"]}, "type": "groundtruth/semantic-segmentation"}
    write(
        tmp_path / "output.manifest",
        {"source-ref": "s3://b/a.png", "my-job": 1, "my-job-metadata": meta | {"class-name": "OK"}},
        {
            "source-ref": "s3://b/b.png",
            "my-job": 0,
            "my-job-metadata": meta,
            "my-job-ref": "s3://b/m/b.png",
            "my-job-ref-metadata": mask_meta,
        },
        line("c.png", True, **{"anomaly-label-metadata": "absent"}),
        line("d.png", False, **{"anomaly-label-metadata": "absent"}),
    )
    dataset = load_dataset(tmp_path)
    assert {s.name: s.label for s in dataset.samples} == {
        "a.png": "good",
        "b.png": "dent",
        "c.png": "anomaly",
        "d.png": "good",
    }
    assert any("2 labels contradict the class name" in note for note in dataset.notes)


def test_what_is_not_there_is_named(tmp_path: Path, draw: Draw) -> None:
    draw("a.png")
    draw("b.png")
    draw("extra.png")
    write(
        tmp_path / "x.manifest",
        line("a.png", False),
        line("b.png", True, "masks/b.png"),
        line("deep/c.png", True),
    )
    dataset = load_dataset(tmp_path)
    assert {s.name: s.label for s in dataset.samples} == {"a.png": "good", "b.png": "anomaly"}
    notes = " ".join(dataset.notes)
    assert "1 images of x.manifest whose files were not found, such as s3://bucket/deep/c.png" in notes
    assert "1 masks were not found, such as s3://bucket/masks/b.png" in notes
    assert "1 images that no annotation file lists, such as extra.png" in notes


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ("{", "line 2: is not valid JSON"),
        ("[1]", "line 2: is not a JSON object"),
        ({"image": 5}, 'line 2: has no "source-ref"'),
        ({"source-ref": "s3://b/b.png"}, "line 2: has no label"),
        (
            line("b.png", True, **{"anomaly-label": 7, "anomaly-label-metadata": "absent"}),
            "line 2: the label '7' is",
        ),
        (line("a.png", True), "line 2: .*a.png is the image that .*line 1 lists already"),
        (
            line("b.png", True, "m.png", **{"anomaly-mask-ref-metadata": "absent"}),
            "line 2.*is not a JSON object",
        ),
        (line("b.png", True, "m.png", **{"anomaly-mask-ref": 5}), "not the address of a mask"),
        ('{"source-ref": "s3://b/b.png", "anomaly-label": 1, "anomaly-label": 0}', "occurs twice"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, draw: Draw, second: Any, reason: str) -> None:
    draw("a.png")
    draw("b.png")
    paint(tmp_path / "m.png", (slice(0, 2), slice(0, 2), GREEN))
    write(tmp_path / "x.manifest", line("a.png", False), second)
    with pytest.raises(DatasetError, match=reason):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"class-name": "scratch"}, 'the class "scratch" has no "hex-color"'),
        ({"class-name": "scratch", "hex-color": "green"}, "has no .hex-color."),
        ({"class-name": "scratch", "hex-color": "#ffffff"}, "colour of the background"),
        ({"class-name": "scratch", "hex-color": "#1f77b4"}, "have the same colour"),
        ({"hex-color": "#2ca02c"}, "not the name of a class"),
    ],
)
def test_maps_of_colours_that_mean_nothing(tmp_path: Path, draw: Draw, entry: Any, reason: str) -> None:
    draw("a.png")
    draw("b.png")
    paint(tmp_path / "m.png", (slice(0, 2), slice(0, 2), GREEN))
    meta = {"internal-color-map": CLASSES | {"1": entry}}
    write(
        tmp_path / "x.manifest",
        line("a.png", False),
        line("b.png", True, "m.png", **{"anomaly-mask-ref-metadata": meta}),
    )
    with pytest.raises(DatasetError, match=reason):
        load_dataset(tmp_path)


def test_a_colour_that_the_map_lacks_is_never_a_defect_or_background(tmp_path: Path, draw: Draw) -> None:
    draw("a.png")
    draw("b.png")
    paint(tmp_path / "m.png", (slice(0, 2), slice(0, 2), GREEN), (slice(5, 6), slice(0, 3), (9, 9, 9)))
    one = {"internal-color-map": {"0": CLASSES["0"], "1": CLASSES["1"]}}
    write(
        tmp_path / "x.manifest",
        line("a.png", False),
        line("b.png", True, "m.png", **{"anomaly-mask-ref-metadata": one}),
    )
    sample = next(s for s in load_dataset(tmp_path).samples if s.defective)
    with pytest.raises(ImageError, match=r"m.png: 3 pixels have a colour .* such as #090909"):
        truth(sample)
    Image.new("RGB", (9, 16), WHITE).save(tmp_path / "m.png")
    with pytest.raises(ImageError, match="9 x 16 pixels, its image 20 x 16"):
        truth(sample)


def test_manifests_in_the_folders_of_the_service(tmp_path: Path, draw: Draw) -> None:
    for name in ("images/0.png", "images/1.png", "images/2.png"):
        draw(name)
    place = "datasets/parts/{}/2f1c/manifests/output/output.manifest"
    write(tmp_path / place.format("train"), line("images/0.png", False), line("images/1.png", True))
    write(tmp_path / place.format("test"), line("images/2.png", True))
    dataset = load_dataset(tmp_path)
    assert told(dataset) == [("images/0.png", "train", "good"), ("images/2.png", "test", "anomaly")]
    assert any("Left out 1 defective training images" in note for note in dataset.notes)


def test_folders_of_the_service_need_no_manifest(tmp_path: Path, draw: Draw) -> None:
    for name in ("train/normal/0", "train/normal/1", "train/anomaly/0", "test/normal/0", "test/anomaly/0"):
        draw(f"{name}.png")
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "mvtec"
    assert told(dataset) == [
        ("test/anomaly/0.png", "test", "anomaly"),
        ("test/normal/0.png", "test", "good"),
        ("train/normal/0.png", "train", "good"),
        ("train/normal/1.png", "train", "good"),
    ]
