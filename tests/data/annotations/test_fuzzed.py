"""Damaged and senseless annotation files give a data set or a sentence, never a traceback."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from excision.data import load_dataset
from excision.data.masks import read_mask
from excision.errors import ExcisionError
from excision.system.names import printable
from tests.data.annotations import test_coco, test_labelme, test_lookout, test_yolo
from tests.data.conftest import Draw

WORDS = [
    "",
    " ",
    "..",
    "\\",
    "a\0",
    "\ud800",
    "\u202e",
    "x" * 400,
    "/",
    "C:",
    "s3://",
    "a.png",
    "m.png",
    "../a.png",
]
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    0.5,
    2**70,
    -1e300,
    1e300,
    [],
    {},
    [[]],
    [None],
    {"": 0},
    "#ffffff",
    *WORDS,
]


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for key, held in inner for place in places(held, (*way, key)))]


def spoiled(value: Any, rng: random.Random) -> Any:
    """Replace, remove or repeat a few values anywhere in a JSON document."""
    for _ in range(rng.randint(1, 3)):
        *way, last = rng.choice(places(value)[1:] or [(None,)])
        holder = value
        for step in way:
            holder = holder[step]
        if last is None:
            return copy.deepcopy(rng.choice(ODD))
        action = rng.randint(0, 3)
        if action == 0:
            del holder[last]
        elif action == 1 and isinstance(holder, list):
            holder.append(json.loads(json.dumps(holder[last])))
        else:
            holder[last] = copy.deepcopy(rng.choice(ODD))
    return value


def load_all(path: Path, layout: str) -> None:
    try:
        dataset = load_dataset(path, layout)
        " ".join(dataset.notes).encode()
        for sample in dataset.samples:
            assert printable(sample.label) == sample.label
            if sample.mask is not None:
                read_mask(sample.mask, (16, 20))
    except ExcisionError as error:
        str(error).encode("utf-8", "backslashreplace")
        assert len(str(error)) < 5000


def coco() -> Any:
    content = test_coco.base()
    region = {"id": 5, "image_id": 3, "category_id": 8, "segmentation": {"size": [16, 20], "counts": "PP:"}}
    content["annotations"].append(region)
    return content


def labelme() -> Any:
    mask = {
        "label": "pit",
        "shape_type": "mask",
        "points": [[3, 4], [5, 5]],
        "mask": test_labelme.png([[1] * 3] * 2),
    }
    kinds = ("polygon", "rectangle", "circle", "line", "linestrip", "point", "oriented_rectangle")
    shapes = [{"label": "dent", "shape_type": kind, "points": [[1, 2], [9.5, 8]]} for kind in kinds]
    shapes[5]["points"] = [[4, 4]]
    size = {"imageHeight": 16, "imageWidth": 20}
    return {"version": "5", "flags": {"ok": True}, "shapes": [*shapes, mask], "imagePath": "b.png", **size}


def lookout() -> Any:
    return test_lookout.line("b.png", True, "out/m.png")


FILES: dict[str, tuple[str, Callable[[], Any]]] = {
    "coco": ("x.json", coco),
    "labelme": ("b.json", labelme),
    "lookout": ("x.manifest", lookout),
}


@pytest.fixture
def folder(tmp_path: Path, draw: Draw) -> Path:
    for name in "abc":
        draw(f"{name}.png")
    (tmp_path / "out").mkdir()
    test_lookout.paint(tmp_path / "out/m.png", (slice(0, 2), slice(0, 2), test_lookout.GREEN))
    return tmp_path


SEEDS = given(st.integers(0, 2**32 - 1))
OFTEN = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("layout", FILES)
@OFTEN
@SEEDS
def test_documents_with_spoiled_values(folder: Path, layout: str, seed: int) -> None:
    name, make = FILES[layout]
    content = spoiled(copy.deepcopy(make()), random.Random(seed))
    (folder / name).write_text(json.dumps(content))
    load_all(folder, layout)


@pytest.mark.parametrize("layout", [*FILES, "yolo", "csv"])
@OFTEN
@SEEDS
def test_files_with_spoiled_bytes(folder: Path, layout: str, seed: int) -> None:
    rng = random.Random(seed)
    if layout == "yolo":
        name, text = rng.choice([("data.yaml", test_yolo.YAML), ("labels/val/e.txt", test_yolo.SQUARE)])
        for image in "de":
            (folder / "images/val").mkdir(parents=True, exist_ok=True)
            (folder / f"images/val/{image}.png").write_bytes((folder / "a.png").read_bytes())
        (folder / "labels/val").mkdir(parents=True, exist_ok=True)
        (folder / "labels/val/e.txt").write_text(test_yolo.SQUARE)
        (folder / "data.yaml").write_text(test_yolo.YAML)
    elif layout == "csv":
        name, text = "s.csv", "image;split;label;mask\na.png;train;good;\nb.png;test;dent;out/m.png\n"
    else:
        name, make = FILES[layout]
        text = json.dumps(make())
    data = bytearray(text.encode(rng.choice(["utf-8", "utf-8", "utf-16", "utf-8-sig"])))
    for _ in range(rng.randint(0, 4)):
        place = rng.randrange(len(data) + 1)
        data[place : place + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3)) * rng.choice([1, 1, 50])
    (folder / name).write_bytes(data)
    load_all(folder, layout)
