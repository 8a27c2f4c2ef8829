"""Each layout is recognised, read as documented, and safe against what folders hold besides."""

from __future__ import annotations

import importlib.util
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from excision.data import Dataset, Sample, load_dataset
from excision.data.groups.known import part_groups
from excision.data.layouts import LAYOUTS
from excision.errors import DatasetError
from tests.data.conftest import Draw


def counts(dataset: Dataset) -> dict[tuple[str, str], int]:
    return dict(Counter((s.split, s.label) for s in dataset.samples))


def by_name(dataset: Dataset) -> dict[str, Sample]:
    return {s.name: s for s in dataset.samples}


def test_images_only_are_all_normal_and_train(tmp_path: Path, draw: Draw) -> None:
    for i in range(4):
        draw(f"{i}.png")
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "folder"
    assert counts(dataset) == {("train", "good"): 4}
    assert [s.name for s in dataset.samples] == ["0.png", "1.png", "2.png", "3.png"]
    assert dataset.test == ()


@pytest.mark.parametrize("good", ["good", "OK", "normal"])
def test_labelled_folders(tmp_path: Path, draw: Draw, draw_mask: Draw, good: str) -> None:
    for i in range(20):
        draw(f"{good}/{i:02d}.png")
    draw(f"{good}/nested/deep.png")
    for i in range(3):
        draw(f"scratch/{i}.png")
    draw_mask("scratch/0_mask.png")
    draw_mask("ground_truth/scratch/1_mask.png")
    draw("loose.png")
    dataset = load_dataset(tmp_path)
    held = counts(dataset)[("test", "good")]
    assert held in (4, 5)  # two blocks of two or three neighbours
    assert counts(dataset) == {("train", "good"): 21 - held, ("test", "good"): held, ("test", "scratch"): 3}
    samples = by_name(dataset)
    assert samples["scratch/0.png"].mask == tmp_path / "scratch/0_mask.png"
    assert samples["scratch/1.png"].mask == tmp_path / "ground_truth/scratch/1_mask.png"
    assert samples["scratch/2.png"].mask is None
    assert f"{good}/nested/deep.png" in samples
    assert any("Left out 1 images" in note for note in dataset.notes)


def test_the_test_share_depends_on_names_not_on_place_or_order(tmp_path: Path, draw: Draw) -> None:
    names = [f"good/{i}.png" for i in range(30)] + ["bad/0.png"]
    for root in "ab":
        random.Random(root).shuffle(names)
        for name in names:
            draw(f"{root}/{name}")
    first, second = load_dataset(tmp_path / "a"), load_dataset(tmp_path / "b")
    assert [(s.name, s.split) for s in first.samples] == [(s.name, s.split) for s in second.samples]


def test_mvtec(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    for i in range(3):
        draw(f"train/good/{i:03d}.png")
    draw("train/bent/000.png")
    draw("test/good/000.png")
    draw("test/bent/000.png")
    draw("test/bent/001.png")
    draw_mask("ground_truth/bent/000_mask.png")
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "mvtec"
    assert counts(dataset) == {("train", "good"): 3, ("test", "good"): 1, ("test", "bent"): 2}
    samples = by_name(dataset)
    assert samples["test/bent/000.png"].mask == tmp_path / "ground_truth/bent/000_mask.png"
    assert samples["test/bent/001.png"].mask is None
    assert samples["test/bent/000.png"].defective
    assert any("train/bent/ was left out" in note for note in dataset.notes)


def test_mvtec_categories_are_joined(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    for category in ("bottle", "cable"):
        draw(f"{category}/train/good/000.png")
        draw(f"{category}/test/cut/000.png")
        draw_mask(f"{category}/ground_truth/cut/000_mask.png")
    dataset = load_dataset(tmp_path)
    assert [s.name for s in dataset.train] == ["bottle/train/good/000.png", "cable/train/good/000.png"]
    assert dataset.test[1].mask == tmp_path / "cable/ground_truth/cut/000_mask.png"
    assert "bottle, cable" in dataset.notes[0]


def test_kolektorsdd(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    for item in range(1, 7):
        for part in range(4):
            draw(f"kos{item:02d}/Part{part}.jpg")
            draw_mask(f"kos{item:02d}/Part{part}_label.bmp", empty=part != 1)
    draw("kos01/Part9.jpg")
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "kolektorsdd"
    assert counts(dataset) == {("train", "good"): 9, ("test", "good"): 9, ("test", "defect"): 6}
    assert {s.group for s in dataset.train} & {s.group for s in dataset.test if not s.defective} == set()
    assert all((s.mask is not None) == s.defective for s in dataset.samples)
    assert any("Part9.jpg" in note for note in dataset.notes)


def test_kolektorsdd2_trains_on_normal_images_alone(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    for split, first in (("train", 10000), ("test", 20000)):
        for i in range(4):
            draw(f"{split}/{first + i}.png", mode="RGB")
            draw_mask(f"{split}/{first + i}_GT.png", empty=i != 0)
    draw("train/10301 (copy).png")
    draw_mask("train/10301 (copy)_GT.png")
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "kolektorsdd2"
    assert counts(dataset) == {("train", "good"): 3, ("test", "good"): 3, ("test", "defect"): 1}
    assert by_name(dataset)["test/20000.png"].mask == tmp_path / "test/20000_GT.png"
    assert any("2 stray files" in note for note in dataset.notes)
    assert any("1 defective training images" in note for note in dataset.notes)


def test_magnetictile_keeps_tiles_together(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    for tile in range(11):
        for shot in range(1, 7):
            draw(f"MT_Free/Imgs/exp{shot}_num_{1000 * tile + 20 * shot}.jpg")
    draw("MT_Crack/Imgs/exp6_num_5130.jpg")
    draw_mask("MT_Crack/Imgs/exp6_num_5130.png")
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "magnetictile"
    assert counts(dataset) == {("train", "good"): 54, ("test", "good"): 12, ("test", "crack"): 1}
    assert len({s.group for s in dataset.samples}) == 11
    crack = by_name(dataset)["MT_Crack/Imgs/exp6_num_5130.jpg"]
    assert crack.group == by_name(dataset)["MT_Free/Imgs/exp1_num_5020.jpg"].group
    assert max(s.group for s in dataset.train) < min(s.group for s in dataset.test if not s.defective)


def test_a_tile_is_a_rise_of_exposures_or_close_numbers() -> None:
    shots = [(1, 1000), (2, 1020), (3, 1400), (1, 2000), (1, 2040), (2, 2050), (2, 2070), (1, 2171)]
    names = [f"MT_Free/Imgs/exp{exposure}_num_{number}.jpg" for exposure, number in shots]
    groups = part_groups([*reversed(names), "kos01/Part0.jpg", "other.png"])
    assert [groups[name] for name in names] == ["tile 001000"] * 3 + ["tile 002000"] * 4 + ["tile 002171"]
    assert groups["kos01/Part0.jpg"] == "kos01"
    assert groups["other.png"] == "other.png"


@pytest.mark.skipif(not importlib.util.find_spec("elpv_dataset"), reason="elpv-dataset is not installed")
def test_elpv() -> None:
    dataset = load_dataset("elpv-dataset")
    assert dataset.layout == "elpv"
    assert counts(dataset) == {("train", "good"): 1206, ("test", "good"): 302, ("test", "defect"): 715}
    assert dataset.samples[0].image.is_file()
    assert "401" in dataset.notes[0]


def test_elpv_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("excision.data.layouts.elpv.find_spec", lambda _: None)
    with pytest.raises(DatasetError, match="pip install elpv-dataset"):
        load_dataset("elpv-dataset")


def test_nothing_fits(tmp_path: Path, draw: Draw) -> None:
    draw("cats/1.png")
    with pytest.raises(DatasetError) as caught:
        load_dataset(tmp_path)
    assert all(f"{name}: {layout.looks_for}" in str(caught.value) for name, layout in LAYOUTS.items())


def test_paths_that_lead_nowhere(tmp_path: Path, draw: Draw) -> None:
    with pytest.raises(DatasetError, match="no such file or folder"):
        load_dataset(tmp_path / "missing")
    with pytest.raises(DatasetError, match="no such file or folder"):
        load_dataset(tmp_path / "missing", "mvtec")
    with pytest.raises(DatasetError, match='write "elpv-dataset"'):
        load_dataset(tmp_path, "elpv")
    with pytest.raises(DatasetError, match="single file"):
        load_dataset(draw("one.png"))
    with pytest.raises(DatasetError, match="known are coco, csv, elpv"):
        load_dataset(tmp_path, "mtvec")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError):
        load_dataset(tmp_path / "empty")


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"elpv"}))
def test_a_layout_named_in_vain_is_an_error_not_a_crash(tmp_path: Path, draw: Draw, layout: str) -> None:
    draw("cats/1.png")
    with pytest.raises(DatasetError):
        load_dataset(tmp_path, layout)


def test_ambiguous_folders(tmp_path: Path, draw: Draw) -> None:
    draw("a/1.png")
    draw("2.png")
    with pytest.raises(DatasetError, match="both directly and in folders"):
        load_dataset(tmp_path)
    draw("good/1.png")
    draw("OK/1.png")
    with pytest.raises(DatasetError, match="both mean normal images"):
        load_dataset(tmp_path)


def test_two_layouts_at_once(tmp_path: Path, draw: Draw) -> None:
    draw("train/good/000.png")
    draw("MT_Free/Imgs/exp1_num_1.jpg")
    with pytest.raises(DatasetError, match=r"layouts mvtec and magnetictile; choose one with --layout"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, "mvtec").layout == "mvtec"


def test_hidden_files_and_other_files_are_passed_over(tmp_path: Path, draw: Draw) -> None:
    draw("good/1.png")
    draw("good/.hidden/2.png")
    (tmp_path / "good/._1.png").write_bytes(b"x")
    (tmp_path / "good/Thumbs.db").write_bytes(b"x")
    (tmp_path / "good/folder.png").mkdir()
    dataset = load_dataset(tmp_path)
    assert [s.name for s in dataset.samples] == ["good/1.png"]
    assert any("1 .db" in note for note in dataset.notes)


def test_links_that_loop_end(tmp_path: Path, draw: Draw) -> None:
    draw("good/1.png")
    (tmp_path / "good/up").symlink_to(tmp_path / "good", target_is_directory=True)
    (tmp_path / "good/self").symlink_to(tmp_path / "good/self")
    assert [s.name for s in load_dataset(tmp_path).samples] == ["good/1.png"]


def test_linked_folders_are_followed(tmp_path: Path, draw: Draw) -> None:
    draw("elsewhere/1.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/good").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert [s.name for s in load_dataset(tmp_path / "data").samples] == ["good/1.png"]


def test_unreadable_folders_are_noted(tmp_path: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    draw("good/1.png")
    draw("good/locked/2.png")
    scan = os.scandir

    def refuse(path: str) -> object:
        # Not by file permissions: an administrator may read every folder.
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    dataset = load_dataset(tmp_path)
    assert any("good/locked: the folder cannot be read" in note for note in dataset.notes)
