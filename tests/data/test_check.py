"""What the check reports about good, odd and broken files."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision.data import load_dataset
from excision.data.check import inspect_dataset
from excision.data.dataset_report import TrainingPlan
from excision.data.mask_check import doubtful_masks
from excision.data.preparation import Finding, readable
from excision.data.sizes import Reduction
from excision.data.working_size import SmallestDefect, WorkingSize
from excision.errors import DatasetError
from excision.settings import Settings
from excision.tiling.image_format import ImageFormat
from excision.training.preparing import prepare
from tests.data.conftest import Draw


@pytest.fixture
def parts(tmp_path: Path, draw: Draw, draw_mask: Draw) -> Path:
    for i in range(20):
        draw(f"train/good/{i:02d}.png", size=(64, 48))
    draw("test/good/0.png", size=(64, 48))
    draw("test/bent/0.png", size=(64, 48))
    draw_mask("ground_truth/bent/0_mask.png", size=(64, 48))
    return tmp_path


def _trained(folder: Path) -> ImageFormat:
    """Give size and channels as training settles them."""
    return prepare(load_dataset(folder), Settings()).image_format


def reasons(findings: Sequence[Finding]) -> dict[str, str]:
    return {f.name: f.reason for f in findings}


def test_a_clean_folder(parts: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = inspect_dataset(load_dataset(parts), progress=lambda done, total: seen.append((done, total)))
    assert report.layout == "mvtec"
    assert report.counts == {("test", "bent"): 1, ("test", "good"): 1, ("train", "good"): 20}
    assert report.modes == {"grey 8-bit": 22}
    assert report.sizes is not None
    assert report.sizes.median == report.sizes.most_common == report.sizes.smallest == (64, 48)
    assert report.sizes.most_common_count == 22
    assert report.unreadable == report.odd == report.masks == ()
    assert report.duplicates == ()
    assert report.training == TrainingPlan(
        16,
        4,
        (1,) * 4,
        (1,) * 16,
        (64, 48),
        channels=1,
        tiles=False,
        reduction=Reduction(1.0, None),
        smallest_defect=SmallestDefect(None, 8.0, 8.0, 8.0, WorkingSize((64, 48), False)),
    )
    assert seen == [(i, 22) for i in range(1, 23)]


def test_broken_files_are_findings_and_do_not_train(parts: Path, draw: Draw) -> None:
    cut = draw("train/good/cut.png", size=(200, 200))
    cut.write_bytes(cut.read_bytes()[:20_000])
    (parts / "train/good/empty.png").touch()
    (parts / "train/good/text.jpg").write_text("hello")
    dataset = load_dataset(parts)
    report = inspect_dataset(dataset)
    broken = reasons(report.unreadable)
    assert set(broken) == {f"train/good/{name}" for name in ("cut.png", "empty.png", "text.jpg")}
    assert "empty (0 bytes)" in broken["train/good/empty.png"]
    assert report.training is not None
    assert report.training.train + report.training.calibration == 20

    good, left_out = readable(dataset.train)
    assert len(good) == 20
    assert reasons(left_out) == broken
    assert _trained(parts).size == (64, 48)


def test_mask_problems(parts: Path, draw: Draw, draw_mask: Draw) -> None:
    for name in ("none", "empty", "small", "text"):
        draw(f"test/bent/{name}.png", size=(64, 48))
    draw_mask("ground_truth/bent/empty_mask.png", empty=True, size=(64, 48))
    draw_mask("ground_truth/bent/small_mask.png", size=(32, 48))
    (parts / "ground_truth/bent/text_mask.png").write_text("hello")
    found = reasons(inspect_dataset(load_dataset(parts)).masks)
    assert set(found) == {f"test/bent/{name}.png" for name in ("none", "empty", "small", "text")}
    assert "no mask" in found["test/bent/none.png"]
    assert "is empty" in found["test/bent/empty.png"]
    assert "48 x 32" in found["test/bent/small.png"]


def test_a_data_set_without_masks_gets_one_sentence(tmp_path: Path, draw: Draw) -> None:
    for i in range(6):
        draw(f"good/{i}.png")
        draw(f"bad/{i}.png")
    report = inspect_dataset(load_dataset(tmp_path))
    assert report.masks == ()
    assert any("No defect has a mask" in note for note in report.notes)


def test_duplicates_across_splits_are_found_whatever_their_format(parts: Path) -> None:
    with Image.open(parts / "train/good/03.png") as image:
        image.save(parts / "test/good/copy.bmp")
        image.save(parts / "train/good/same_split.bmp")
    with Image.open(parts / "train/good/04.png") as image:
        image.save(parts / "train/good/harmless.png")
    report = inspect_dataset(load_dataset(parts))
    assert report.duplicates == (("test/good/copy.bmp", "train/good/03.png", "train/good/same_split.bmp"),)


def test_flat_and_distorted_images_are_odd(parts: Path, draw: Draw) -> None:
    draw("train/good/black.png", value=0, size=(64, 48))
    draw("train/good/wide.png", size=(48, 200))
    found = reasons(inspect_dataset(load_dataset(parts)).odd)
    assert set(found) == {"train/good/black.png", "train/good/wide.png"}
    assert "same value" in found["train/good/black.png"]


def test_many_shapes_get_one_sentence(parts: Path, draw: Draw) -> None:
    for i in range(5):
        draw(f"train/good/wide{i}.png", size=(48, 200))
    report = inspect_dataset(load_dataset(parts))
    assert report.odd == ()
    assert any("many shapes" in note for note in report.notes)


def test_one_colour_image_in_training_asks_for_three_channels(parts: Path, draw: Draw) -> None:
    assert _trained(parts).channels == 1
    draw("test/good/colour.png", mode="RGB", size=(64, 48))
    assert _trained(parts).channels == 1
    noise = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    Image.fromarray(noise).save(parts / "train/good/colour.png")
    report = inspect_dataset(load_dataset(parts))
    assert report.training is not None
    assert report.training.channels == _trained(parts).channels == 3
    assert not any("one channel is enough" in note for note in report.notes)


def test_grey_stored_as_colour_is_pointed_out(tmp_path: Path, draw: Draw) -> None:
    for i in range(5):
        draw(f"{i}.png", mode="RGB")
    assert any("one channel is enough" in note for note in inspect_dataset(load_dataset(tmp_path)).notes)


def test_what_cannot_train_says_why(tmp_path: Path, draw: Draw) -> None:
    draw("1.png")
    report = inspect_dataset(load_dataset(tmp_path))
    assert report.training is None
    assert "at least two different parts" in report.obstacle


def test_no_readable_image_at_all(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_text("x")
    dataset = load_dataset(tmp_path)
    report = inspect_dataset(dataset)
    assert (report.sizes, report.training, len(report.unreadable)) == (None, None, 1)
    with pytest.raises(DatasetError, match="none of the 1 training images"):
        prepare(dataset, Settings())


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path, draw: Draw) -> None:
    def peak(count: int) -> int:
        for i in range(count):
            draw(f"{count}/{i}.png", size=(200, 200))
        dataset = load_dataset(tmp_path / str(count))
        tracemalloc.start()
        inspect_dataset(dataset)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(10)  # imports what is needed once
    assert peak(80) < peak(40) + 200 * 200 * 4


def test_what_masks_mark_and_which_are_unclear(tmp_path: Path, draw: Draw) -> None:
    for i in range(6):
        draw(f"good/{i}.png")
        draw(f"scratch/{i}.png")
        pixels = np.zeros((16, 20), np.uint8)
        pixels[2:4, 2:4] = 255
        path = tmp_path / f"masks/scratch/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if i == 0:
            pixels = 255 - pixels
        elif i == 1:
            pixels[5:8, 5:8] = 1
        elif i == 2:
            pixels[2:4, 2:4] = 0
            pixels[1, 1:3] = 255
        Image.fromarray(pixels).save(path)
    report = inspect_dataset(load_dataset(tmp_path))
    found = reasons(report.masks)
    assert "it looks inverted" in found["scratch/0.png"]
    assert "marks pixels to ignore" in found["scratch/1.png"]
    assert "only 2 pixels" in found["scratch/2.png"]
    assert set(found) == {f"scratch/{i}.png" for i in range(3)}
    shares = report.mask_shares
    assert shares is not None
    assert (shares.masks, shares.smallest, shares.median) == (6, 2 / 320, 4 / 320)
    assert shares.largest == 1 - 4 / 320
    assert not any("these masks look inverted" in note for note in report.notes)


def test_a_whole_folder_of_inverted_masks_is_told(tmp_path: Path, draw: Draw) -> None:
    for i in range(4):
        draw(f"good/{i}.png")
        draw(f"scratch/{i}.png")
        pixels = np.full((16, 20), 255, np.uint8)
        pixels[2:4, 2 : 4 + i] = 0
        Image.fromarray(pixels).save(tmp_path / f"scratch/{i}_mask.png")
    dataset = load_dataset(tmp_path)
    report = inspect_dataset(dataset)
    assert any("4 of 4 masks" in note and "look inverted" in note for note in report.notes)
    assert "4 of 4 masks may be read otherwise" in doubtful_masks(dataset)[0]


def test_the_same_image_twice_in_the_training_data_is_noted(parts: Path) -> None:
    assert not any("same pixels" in note for note in inspect_dataset(load_dataset(parts)).notes)
    for name in ("one", "two"):
        with Image.open(parts / "train/good/03.png") as image:
            image.save(parts / f"train/good/{name}.bmp")
    (note,) = (n for n in inspect_dataset(load_dataset(parts)).notes if "same pixels" in n)
    assert note.startswith("2 training images have the same pixels as another, such as train/good/03.png = ")
