"""Known defects are found with their masks in folders, files and every labelled layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from excision.data.annotations.base import Annotation
from excision.data.known_defects import find_known_defects
from excision.errors import DatasetError
from tests.data.conftest import Draw


def found(*paths: Path) -> dict[str, tuple[str, str | None]]:
    """Give label and mask of each image by its name."""
    return {
        sample.name: (sample.label, sample.mask.name if isinstance(sample.mask, Path) else None)
        for sample in find_known_defects(paths).samples
    }


def test_a_flat_folder_with_some_masks(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    draw("known/1.png")
    draw("known/2.png")
    draw_mask("known/1_mask.png")
    assert found(tmp_path / "known") == {
        "known/1.png": ("defect", "1_mask.png"),
        "known/2.png": ("defect", None),
    }


def test_folders_of_kinds_without_good_ones_and_masks_as_in_mvtec(
    tmp_path: Path, draw: Draw, draw_mask: Draw
) -> None:
    draw("known/scratch/000.png")
    draw("known/pit/000.png")
    draw("known/good/000.png")
    draw_mask("known/ground_truth/scratch/000_mask.png")
    draw_mask("known/ground_truth/stain/000_mask.png")
    assert found(tmp_path / "known") == {
        "known/pit/000.png": ("pit", None),
        "known/scratch/000.png": ("scratch", "000_mask.png"),
    }
    draw("part/test/scratch/000.png")
    draw_mask("part/ground_truth/scratch/000_mask.png")
    assert found(tmp_path / "part") == {"part/test/scratch/000.png": ("scratch", "000_mask.png")}


def test_images_beside_a_folder_of_masks(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    draw("known/images/1.png")
    draw("known/images/2.png")
    draw_mask("known/masks/1.png")
    assert found(tmp_path / "known") == {
        "known/images/1.png": ("images", "1.png"),
        "known/images/2.png": ("images", None),
    }


def test_files_and_several_folders(tmp_path: Path, draw: Draw) -> None:
    draw("a/1.png")
    draw("b/1.png")
    draw("c/2.png")
    assert [*found(tmp_path / "a" / "1.png", tmp_path / "b", tmp_path / "c")] == [
        "a/1.png",
        "b/1.png",
        "c/2.png",
    ]
    with pytest.raises(DatasetError, match=r"two images of known defects are called b/1\.png"):
        found(tmp_path / "b", tmp_path / "b")


def test_a_labelled_data_set_means_its_defective_images(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    draw("set/train/good/0.png")
    draw("set/test/good/1.png")
    draw("set/test/dent/2.png")
    draw_mask("set/ground_truth/dent/2_mask.png")
    samples, notes = find_known_defects([tmp_path / "set"])
    assert [(s.name, s.label) for s in samples] == [("set/test/dent/2.png", "dent")]
    assert notes == (
        f"{tmp_path / 'set'} is a labelled data set (layout mvtec): its 1 defective images are the known "
        "defects.",
    )


def test_annotations_without_a_good_image(tmp_path: Path, draw: Draw) -> None:
    draw("known/1.png")
    shape = {"label": "dent", "shape_type": "polygon", "points": [[2, 2], [9, 2], [9, 8]]}
    content = {"version": "5", "shapes": [shape], "imagePath": "1.png", "imageHeight": 16, "imageWidth": 20}
    (tmp_path / "known" / "1.json").write_text(json.dumps(content))
    (sample,) = find_known_defects([tmp_path / "known"]).samples
    assert sample.label == "dent" and isinstance(sample.mask, Annotation)


@pytest.mark.parametrize("what", ["missing", "empty", "good", "unread", "own"])
def test_what_holds_no_known_defect_is_refused(tmp_path: Path, draw: Draw, what: str) -> None:
    folder = tmp_path / "known"
    folder.mkdir()
    words = "there is no image of a defect"
    if what == "missing":
        folder, words = tmp_path / "nowhere", "no such file or folder"
    elif what == "good":
        draw("known/good/1.png")
    elif what == "unread":
        draw("known/1.png")
        (folder / "labels.txt").write_text("1.png label good\n")
        words = "every image would count as defective"
    elif what == "own":
        (folder / "settings.toml").write_text("")
        (folder / "log.jsonl").write_text("")
        words = "Excision wrote this folder"
    with pytest.raises(DatasetError, match=words):
        find_known_defects([folder])
