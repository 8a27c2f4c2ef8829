"""The verbs on data sets of annotation tools find and measure what they do on the plain folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from excision.data import Dataset, load_dataset
from tests.cli.conftest import TINY, inside
from tests.data.annotations import formats

Write = Callable[[Dataset, Path, str], None]

FORMATS = [
    (formats.coco, "compressed"),
    (formats.labelme, "masks"),
    (formats.yolo, "polygons"),
    (formats.lookout, "jobwide"),
]


@pytest.fixture(params=FORMATS, ids=lambda v: v[0].__name__)
def annotated(request: pytest.FixtureRequest, tmp_path: Path, parts: Path) -> tuple[str, Path]:
    write, how = request.param
    root = tmp_path / "data"
    root.mkdir()
    write(load_dataset(parts), root, how)
    return write.__name__, root


def evaluated(run: Path, data: Path, file: Path) -> dict[str, float]:
    done = inside("evaluate", run, data, "--json", file)
    assert done.returncode == 0, done.stderr
    figures: dict[str, float] = json.loads(file.read_text("utf-8"))
    return {name: value for name, value in figures.items() if name.startswith(("image", "pix", "aupro"))}


@pytest.fixture(scope="module")
def plain(
    parts: Path, trained: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, float]:
    """The figures of the folder itself."""
    return evaluated(trained[0], parts, tmp_path_factory.mktemp("plain") / "figures.json")


def test_check_and_evaluate_find_what_they_find_in_the_folder(
    annotated: tuple[str, Path], plain: dict[str, float], trained: tuple[Path, str], tmp_path: Path
) -> None:
    layout, root = annotated
    done = inside("check", root)
    assert done.returncode == 0, done.stderr
    assert layout in done.stdout
    assert "mask" not in done.stdout
    found = evaluated(trained[0], root, tmp_path / "figures.json")
    assert found == plain
    assert found["pixel_auroc"] is not None


def test_train_takes_the_good_images_alone(parts: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    formats.labelme(load_dataset(parts), root, "polygons")
    done = inside("train", root, "--out", tmp_path / "run", "--steps", 2, *TINY)
    assert done.returncode == 0, done.stderr
    assert "8 good images" in done.stdout + done.stderr
