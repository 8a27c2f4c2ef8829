"""The one rule by which a mask marks a defect, and what is said where the rule has to guess."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from excision.data.decode import read_pixels
from excision.data.masks import examine_mask, marks_defect, read_mask
from excision.errors import ImageError
from tests.data.test_real_layouts import real

HEIGHT, WIDTH = 60, 90


def save(pixels: np.ndarray, path: Path) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def squares(values: Sequence[int], dtype: type = np.uint8, ground: int = 0) -> np.ndarray:
    """Draw a square of 8 x 8 pixels for each value, apart from each other."""
    pixels: np.ndarray = np.full((HEIGHT, WIDTH), ground, dtype)
    for number, value in enumerate(values):
        row, column = divmod(number, 8)
        pixels[4 + 10 * row : 12 + 10 * row, 4 + 10 * column : 12 + 10 * column] = value
    return pixels


def doubts(path: Path) -> str:
    with Image.open(path) as image:
        size = image.height, image.width
    return "; ".join(examine_mask(path, size).doubts)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([0, 255, 0], [0, 1, 0]),  # two values
        ([0, 1, 0], [0, 1, 0]),  # small second value
        ([0, 1, 2], [0, 1, 1]),  # numbered kinds of defect
        ([0, 127, 255], [0, 1, 1]),  # flat areas
        ([0, 128, 255], [0, 1, 1]),
        ([0, 0, 0], [0, 0, 0]),
    ],
)
def test_mask_rule(tmp_path: Path, stored: list[int], expected: list[int]) -> None:
    row = np.repeat(np.array(stored, np.uint8), 4)
    path = save(np.tile(row, (9, 1)), tmp_path / "m.png")
    mask = read_mask(path, (9, 12))
    assert mask.dtype == np.bool_
    assert np.array_equal(mask, np.tile(np.repeat(np.array(expected, bool), 4), (9, 1)))
    assert marks_defect(path) == mask.any()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([100, 150, 200], np.uint8),
        ([1, 255], np.uint8),
        ([1, 2, 3, 250], np.uint8),
        (list(range(5, 250, 6)), np.uint8),
        (list(range(1, 1000, 25)), np.uint16),
        ([1, 65535], np.uint16),
        ([30, 60], np.uint8),
    ],
)
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_every_class_counts_however_dark(tmp_path: Path, values: list[int], dtype: type, ending: str) -> None:
    pixels = squares(values, dtype)
    mask = read_mask(save(pixels, tmp_path / f"m.{ending}"), (HEIGHT, WIDTH))
    assert np.array_equal(mask, pixels > 0)


def test_thin_and_touching_classes_count(tmp_path: Path) -> None:
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[5, 3:60] = 1  # a scratch of one pixel
    pixels[20:40, 10:30] = 2
    pixels[20:40, 30:50] = 255  # touches the former
    pixels[25:35, 35:45] = 3  # within
    mask = read_mask(save(pixels, tmp_path / "m.png"), (HEIGHT, WIDTH))
    assert np.array_equal(mask, pixels > 0)


@given(
    classes=st.lists(st.integers(1, 255), min_size=1, max_size=6, unique=True),
    boxes=st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(3, 20), st.integers(3, 20)),
        min_size=6,
        max_size=6,
    ),
)
def test_rectangles_of_any_classes_count(
    tmp_path_factory: pytest.TempPathFactory,
    classes: list[int],
    boxes: list[tuple[int, int, int, int]],
) -> None:
    pixels = np.zeros((80, 80), np.uint8)
    for value, (top, left, height, width) in zip(classes, boxes, strict=False):
        pixels[top : top + height, left : left + width] = value
    path = save(pixels, tmp_path_factory.mktemp("m") / "m.png")
    assert np.array_equal(read_mask(path, (80, 80)), pixels > 0)


VOC = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128)]
"""The first colours of PASCAL VOC: dark ones, in all of which no channel is above half of the range."""


def paletted(numbers: np.ndarray, palette: Sequence[tuple[int, int, int]], path: Path) -> Path:
    image = Image.fromarray(numbers)
    image.putpalette([value for colour in palette for value in colour])
    assert image.mode == "P"
    image.save(path)
    return path


@pytest.mark.parametrize("ending", ["png", "gif", "bmp", "tif"])
def test_numbers_of_a_palette_count_whatever_their_colours(tmp_path: Path, ending: str) -> None:
    numbers = squares([1, 2, 3, 4, 5])
    bright = [*VOC[:5], (255, 255, 255)]
    assert np.array_equal(
        read_mask(paletted(numbers, bright, tmp_path / f"a.{ending}"), (HEIGHT, WIDTH)), numbers > 0
    )


@pytest.mark.parametrize(
    "palette",
    [
        [(0, 0, 0)] * 256,  # no colours were ever given
        [(255, 255, 255), *VOC[1:]],  # white background
        [(10, 20, 30), *VOC[1:]],
    ],
)
def test_the_first_number_of_a_palette_is_the_background(
    tmp_path: Path, palette: list[tuple[int, int, int]]
) -> None:
    numbers = squares([1, 2, 4])
    path = paletted(numbers, palette, tmp_path / "m.png")
    assert np.array_equal(read_mask(path, (HEIGHT, WIDTH)), numbers > 0)


def test_black_is_the_background_wherever_a_program_sorted_it(tmp_path: Path) -> None:
    numbers = squares([0, 2, 3], ground=1)
    path = paletted(numbers, [(0, 0, 128), (0, 0, 0), (128, 0, 0), (0, 128, 0)], tmp_path / "m.png")
    assert np.array_equal(read_mask(path, (HEIGHT, WIDTH)), numbers != 1)


def test_a_palette_of_greys_means_its_greys(tmp_path: Path) -> None:
    numbers = squares([0], ground=1)
    path = paletted(numbers, [(255, 255, 255), (0, 0, 0)], tmp_path / "m.png")
    assert np.array_equal(read_mask(path, (HEIGHT, WIDTH)), numbers == 0)


def test_dark_colours_count(tmp_path: Path) -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number, colour in enumerate([*VOC[1:], (255, 255, 255)]):
        pixels[5:15, 5 + 12 * number : 14 + 12 * number] = colour
    assert np.array_equal(read_mask(save(pixels, tmp_path / "m.png"), (HEIGHT, WIDTH)), pixels.any(axis=2))


def drawn(kind: str) -> Image.Image:
    image = Image.new("L", (480, 320))
    draw = ImageDraw.Draw(image)
    if kind == "ellipse":
        draw.ellipse((90, 80, 250, 200), fill=255)
    elif kind == "line":
        draw.line((30, 20, 400, 270), fill=255, width=5)
    else:
        draw.polygon([(40, 50), (330, 90), (200, 270)], fill=255)
    return image


@pytest.mark.parametrize("kind", ["ellipse", "line", "polygon"])
@pytest.mark.parametrize("edge", ["antialiased", "blur", "wide blur", "webp", "q30", "q75", "q95"])
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_soft_edges_are_cut_at_half_of_the_range(tmp_path: Path, kind: str, edge: str, ending: str) -> None:
    image = drawn(kind)
    if edge == "antialiased":
        image = image.resize((160, 107), Image.Resampling.BILINEAR)
    elif "blur" in edge:
        image = image.filter(ImageFilter.GaussianBlur(12 if edge == "wide blur" else 1))
    else:
        lossy = tmp_path / ("l.webp" if edge == "webp" else "l.jpg")
        image.save(lossy, quality=int(edge[1:]) if edge[0] == "q" else 60)
        with Image.open(lossy) as decoded:
            image = decoded.convert("L")
    image.save(tmp_path / f"m.{ending}")
    with Image.open(tmp_path / f"m.{ending}") as stored:
        values = np.asarray(stored)
    mask = read_mask(tmp_path / f"m.{ending}", values.shape)
    expected = values > 127 if values.max() > 127 else values > values.max() // 2
    assert np.array_equal(mask, expected)
    assert doubts(tmp_path / f"m.{ending}") == ""


def test_regions_that_a_soft_mask_loses_are_named(tmp_path: Path) -> None:
    image = drawn("ellipse").filter(ImageFilter.GaussianBlur(1))
    ImageDraw.Draw(image).rectangle((300, 50, 310, 60), fill=90)
    image.save(tmp_path / "m.png")
    assert "1 darker region (value 90 of 255) is lost" in doubts(tmp_path / "m.png")


def test_an_inverted_mask_is_read_as_it_is_and_doubted(tmp_path: Path) -> None:
    pixels = squares([0, 0], ground=255)
    path = save(pixels, tmp_path / "m.png")
    assert np.array_equal(read_mask(path, (HEIGHT, WIDTH)), pixels > 0)
    assert "marks 98% of the image and most of its border, so it looks inverted" in doubts(path)
    # A large defect that stops short of the border is none.
    large = np.zeros((HEIGHT, WIDTH), np.uint8)
    large[3:-3, 3:-3] = 255
    assert doubts(save(large, tmp_path / "large.png")) == ""


@pytest.mark.parametrize("values", [[1, 255], [1, 2, 100, 255]])
def test_255_beside_small_numbers_is_doubted(tmp_path: Path, values: list[int]) -> None:
    path = save(squares(values), tmp_path / "m.png")
    assert read_mask(path, (HEIGHT, WIDTH)).sum() == 64 * len(values)
    assert "often marks pixels to ignore" in doubts(path)
    numbers = squares([1, 255])
    assert "to ignore" in doubts(paletted(numbers, (VOC * 43)[:256], tmp_path / "p.png"))
    assert doubts(save(squares([100, 150, 255]), tmp_path / "c.png")) == ""


@pytest.mark.parametrize(("ground", "values"), [(1, [255]), (1, [2, 3]), (255, [100])])
def test_without_a_0_the_common_value_is_background_and_doubted(
    tmp_path: Path, ground: int, values: list[int]
) -> None:
    pixels = squares(values, ground=ground)
    path = save(pixels, tmp_path / "m.png")
    assert np.array_equal(read_mask(path, (HEIGHT, WIDTH)), pixels != ground)
    assert "most common value is taken as background" in doubts(path)
    assert marks_defect(path)


def test_red_on_white(tmp_path: Path) -> None:
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    pixels[5:15, 5:25] = (255, 0, 0)
    path = save(pixels, tmp_path / "m.png")
    assert np.array_equal(read_mask(path, (HEIGHT, WIDTH)), (pixels == (255, 0, 0)).all(axis=2))
    assert "background" in doubts(path)


def test_no_value_that_could_be_background(tmp_path: Path) -> None:
    assert "same value" in doubts(save(np.full((20, 30), 7, np.uint8), tmp_path / "m.png"))
    pixels = np.full((20, 30), 7, np.uint8)
    pixels[1:-1, 1:-1] = 9
    path = save(pixels, tmp_path / "n.png")
    assert read_mask(path, (20, 30)).all()
    assert "no value is clearly the background" in doubts(path)


def test_a_coloured_mask_with_soft_edges_counts_by_its_strongest_channel(tmp_path: Path) -> None:
    soft = np.asarray(drawn("ellipse").filter(ImageFilter.GaussianBlur(1)))
    blue = np.zeros((*soft.shape, 3), np.uint8)
    blue[..., 2] = soft
    assert np.array_equal(read_mask(save(blue, tmp_path / "m.png"), soft.shape), soft > 127)


def test_transparent_is_background(tmp_path: Path) -> None:
    pixels = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
    pixels[..., 3] = squares([255, 255])
    path = save(pixels, tmp_path / "m.png")
    assert np.array_equal(read_mask(path, (HEIGHT, WIDTH)), pixels[..., 3] > 0)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    path = save(np.zeros((12, 17), np.uint8), tmp_path / "m.png")
    with pytest.raises(ImageError, match=r"m.png: the mask is 17 x 12 pixels, its image 12 x 17"):
        read_mask(path, (17, 12))


@pytest.mark.parametrize(
    ("name", "pattern", "count"),
    [
        ("KolektorSDD", "*/*_label.bmp", 383),
        ("MagneticTile", "*/Imgs/*.png", 392),
        ("ball_screw", "ground_truth/*/*.png", 167),
    ],
)
def test_masks_of_real_data_sets_mean_what_they_always_meant(name: str, pattern: str, count: int) -> None:
    paths = sorted(real(name).glob(pattern))
    assert len(paths) == count
    # Every fifth: the rule is the same for all, and decoding takes time.
    for path in paths[::5]:
        values = read_pixels(path).max(axis=2)
        bright = values > 0.5
        before = bright if bright.any() else values > 0
        now = examine_mask(path, values.shape)
        assert hashlib.sha256(now.marked.tobytes()).digest() == hashlib.sha256(before.tobytes()).digest()
        assert now.doubts == () or "darker region" in now.doubts[0], path
