"""The examples on the pages "Coming from ..." are files that can be read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from excision.data import load_dataset
from tests.data.annotations.formats import truth

PAGES = Path(__file__).parents[3] / "docs" / "coming_from"

BOX = (slice(80, 100), slice(100, 160))


def example(page: str, language: str) -> str:
    text = (PAGES / page).read_text("utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return str(found[-1])


def blank(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((480, 640), np.uint8)).save(path)


def test_coco(tmp_path: Path) -> None:
    blank(tmp_path / "images/001.png")
    blank(tmp_path / "images/line2/002.png")
    (tmp_path / "parts.json").write_text(example("coco.md", "json"))
    dataset = load_dataset(tmp_path)
    assert [(s.name, s.label) for s in dataset.samples] == [
        ("images/001.png", "good"),
        ("images/line2/002.png", "scratch"),
    ]
    assert truth(dataset.samples[1])[BOX].sum() == truth(dataset.samples[1]).sum() == 20 * 60


def test_labelme(tmp_path: Path) -> None:
    blank(tmp_path / "001.png")
    blank(tmp_path / "002.png")
    (tmp_path / "002.json").write_text(example("labelme.md", "json"))
    dataset = load_dataset(tmp_path)
    assert [s.label for s in dataset.samples] == ["good", "scratch"]
    assert truth(dataset.samples[1])[BOX].sum() == truth(dataset.samples[1]).sum() == 20 * 60 / 2


def test_yolo(tmp_path: Path) -> None:
    blank(tmp_path / "images/train/001.png")
    blank(tmp_path / "images/val/101.png")
    (tmp_path / "labels/val").mkdir(parents=True)
    (tmp_path / "labels/val/101.txt").write_text(example("yolo.md", "text"))
    (tmp_path / "data.yaml").write_text(example("yolo.md", "yaml"))
    dataset = load_dataset(tmp_path)
    assert [(s.split, s.label) for s in dataset.samples] == [("train", "good"), ("test", "dent+scratch")]
    mask = truth(dataset.samples[1])
    assert mask[BOX].all()
    assert mask[228:252, 288:352].all()
    assert mask.sum() == 20 * 60 + 24 * 64


def test_lookout(tmp_path: Path) -> None:
    blank(tmp_path / "images/anomaly/001.jpg")
    blank(tmp_path / "images/normal/001.jpg")
    pixels = np.full((480, 640, 3), 255, np.uint8)
    pixels[BOX] = (0x2C, 0xA0, 0x2C)
    (tmp_path / "masks").mkdir()
    Image.fromarray(pixels).save(tmp_path / "masks/001.png")
    line = example("lookout_for_vision.md", "json")
    good = '{"source-ref": "s3://my-bucket/images/normal/001.jpg", "anomaly-label": 0}\n'
    (tmp_path / "test.manifest").write_text(line)
    (tmp_path / "train.manifest").write_text(good)
    dataset = load_dataset(tmp_path)
    assert [(s.split, s.label) for s in dataset.samples] == [("test", "scratch"), ("train", "good")]
    assert truth(dataset.samples[0])[BOX].all()
