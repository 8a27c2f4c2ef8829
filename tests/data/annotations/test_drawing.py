"""Shapes become pixels by one rule, compared with brute force and with the tools of COCO."""

from __future__ import annotations

import base64
import io
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from matplotlib.path import Path as Outline
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as oracle

from excision.data.annotations import fill
from excision.data.annotations.runs import decompress, runs_mask
from excision.data.annotations.shapes import Bitmap, Disc, DrawnMask, Line, Polygon, RunLengths, box, pack
from excision.errors import DatasetError, ImageError

# pycocotools was made for an older NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

Mask = NDArray[np.bool_]

SIZE = (23, 31)


def drawn(shape: Any, size: tuple[int, int] = SIZE) -> Mask:
    return DrawnMask("here", None, False, (shape,)).read(size)


def centres(size: tuple[int, int]) -> NDArray[np.float64]:
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    return np.column_stack([x.ravel(), y.ravel()])


def even_odd(points: NDArray[np.float64], size: tuple[int, int]) -> Mask:
    """Count the edges to the left of every centre, one pixel and one edge at a time."""
    found = np.zeros(size, bool)
    for row in range(size[0]):
        for column in range(size[1]):
            x, y = column + 0.5, row + 0.5
            for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
                if (y0 <= y) != (y1 <= y) and x0 + (y - y0) * ((x1 - x0) / (y1 - y0)) <= x:
                    found[row, column] ^= True
    return found


outlines = arrays.arrays(
    np.float64, st.tuples(st.integers(3, 7), st.just(2)), elements=st.floats(-8, 40, width=32)
)


@settings(max_examples=40, deadline=None)
@given(outlines)
def test_a_polygon_holds_the_pixels_whose_centres_lie_inside(points: NDArray[np.float64]) -> None:
    expected = even_odd(points, SIZE)
    found = drawn(Polygon(pack(points)))
    if expected.any():
        np.testing.assert_array_equal(found, expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 12), st.integers(0, 2**32 - 1))
def test_a_star_agrees_with_matplotlib_and_with_coco_but_for_its_rim(corners: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    points = np.array([60, 50]) + rng.uniform(10, 45, corners)[:, None] * np.column_stack(
        [np.cos(angles), np.sin(angles)]
    )
    size = (100, 120)
    found = drawn(Polygon(pack(points)), size)
    inside = (
        Outline(np.vstack([points, points[:1]]), closed=True).contains_points(centres(size)).reshape(size)
    )
    if inside.any():
        np.testing.assert_array_equal(found, inside)
    other = oracle.decode(oracle.merge(oracle.frPyObjects([points.ravel().tolist()], *size))).astype(bool)
    rim = np.zeros(size, bool)
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        rim |= drawn(Line(pack(np.array([start, end])), 2.5), size)
    assert not ((found ^ other) & ~rim).any()


def test_boxes_of_whole_pixels_are_those_of_coco() -> None:
    for left, top, width, height in ((0, 0, 31, 23), (3, 4, 1, 1), (30, 22, 1, 1), (5, 0, 7, 23)):
        found = drawn(box(left, top, left + width, top + height))
        assert found.sum() == width * height
        assert found[top : top + height, left : left + width].all()
        rle = oracle.frPyObjects(np.array([[left, top, width, height]], float), *SIZE)
        np.testing.assert_array_equal(found, oracle.decode(rle)[..., 0])


@pytest.mark.parametrize(
    ("points", "pixels"),
    [
        ([[2.6, 3.6], [9.4, 3.6], [9.4, 3.9], [2.6, 3.9]], {(3, x) for x in range(2, 10)}),
        ([[4.1, 5.1]], {(5, 4)}),
        ([[1.2, 1.2], [4.8, 1.2]], {(1, x) for x in range(1, 5)}),
        ([[31, 23], [31, 23], [31, 23]], {(22, 30)}),
        ([[-5, 2.2], [-3, 2.3], [-4, 2.1]], set()),
        ([[40, 40], [50, 40], [50, 50]], set()),
    ],
)
def test_a_shape_too_thin_for_a_centre_is_not_lost(
    points: list[list[float]], pixels: set[tuple[int, int]]
) -> None:
    found = drawn(Polygon(pack(np.array(points, float))))
    assert {tuple(place) for place in np.argwhere(found).tolist()} == pixels


@settings(max_examples=50, deadline=None)
@given(st.floats(-5, 36), st.floats(-5, 28), st.floats(0.8, 15))
def test_a_disc_holds_the_centres_within_its_radius(x: float, y: float, radius: float) -> None:
    distance = np.hypot(*(centres(SIZE) - [x, y]).T).reshape(SIZE)
    sure = np.abs(distance - radius) > 1e-9
    expected = distance <= radius
    if expected.any():
        np.testing.assert_array_equal(drawn(Disc(x, y, radius))[sure], expected[sure])


def test_a_line_holds_the_centres_within_half_its_width() -> None:
    points = np.array([[3.3, 4.1], [20.2, 9.7], [18.4, 20.9]])
    distances = []
    for start, end in pairwise(points):
        along = np.clip((centres(SIZE) - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
        distances.append(np.hypot(*(centres(SIZE) - start - along[:, None] * (end - start)).T))
    expected = (np.min(distances, axis=0) <= 2.5).reshape(SIZE)
    np.testing.assert_array_equal(drawn(Line(pack(points), 5)), expected)


def test_shapes_are_joined_and_bands_of_rows_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = (box(2, 1, 9, 22), Disc(15, 11, 8), Line(pack(np.array([[0.0, 0.0], [31.0, 23.0]])), 3))
    whole = DrawnMask("here", None, False, shapes).read(SIZE)
    np.testing.assert_array_equal(whole, np.logical_or.reduce([drawn(shape) for shape in shapes]))
    monkeypatch.setattr("excision.ops.bands.BAND", 40)
    np.testing.assert_array_equal(DrawnMask("here", None, False, shapes).read(SIZE), whole)


def test_shares_of_the_image_become_pixels() -> None:
    shape = box(0.25, 0.5, 0.75, 1)
    found = DrawnMask("here", None, True, (shape,)).read((8, 16))
    assert found.sum() == 4 * 8
    assert found[4:, 4:12].all()


masks = arrays.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@settings(max_examples=100, deadline=None)
@given(masks)
def test_compressed_run_lengths_are_those_of_coco(mask: Mask) -> None:
    encoded = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))
    np.testing.assert_array_equal(runs_mask(decompress(encoded["counts"]), mask.shape), mask)
    np.testing.assert_array_equal(drawn(RunLengths(encoded["counts"], True), mask.shape), mask)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=20))
def test_run_lengths_of_any_size_survive_compression(counts: list[int]) -> None:
    height = sum(counts)
    if height == 0:
        return
    rle = oracle.frPyObjects({"size": [height, 1], "counts": counts}, height, 1)
    assert decompress(rle["counts"]).tolist() == counts


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_any_compressed_text_gives_a_mask_or_a_sentence(text: bytes) -> None:
    try:
        assert drawn(RunLengths(text, True)).shape == SIZE
    except ImageError as error:
        assert str(error).startswith("here: ")


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ([10], "cover 10 pixels, but the image has 713"),
        ([2**39, 713], "more than the 713 pixels"),
        ([], "cover 0 pixels"),
        ([2**62, 2**62, 2**62, 2**62, 713], "more than the 713"),
        ([714, -1], "negative"),
    ],
)
def test_run_lengths_that_do_not_fit_take_no_memory(counts: list[int], reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        drawn(RunLengths(np.array(counts, np.int64).tobytes(), False))


def png(mask: Mask) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_a_bitmap_is_placed_and_clipped() -> None:
    data = png(np.ones((4, 5), bool))
    assert drawn(Bitmap(data, 20, 28, (4, 5))).sum() == 9
    assert drawn(Bitmap(data, -2, -3, (4, 5))).sum() == 4
    assert drawn(Bitmap(data, 50, 50, (4, 5))).sum() == 0
    with pytest.raises(ImageError, match="is 5 x 4 pixels, but its two points span 6 x 4"):
        drawn(Bitmap(data, 0, 0, (4, 6)))
    with pytest.raises(ImageError, match="32 x 4 pixels is larger than the image"):
        drawn(Bitmap(png(np.ones((4, 32), bool)), 0, 0, (4, 32)))
    for broken in (b"", b"\x89PNG\r\n", data[:40], base64.b64encode(data)):
        with pytest.raises(ImageError, match="cannot be decoded"):
            drawn(Bitmap(broken, 0, 0, (4, 5)))


def test_a_huge_bitmap_is_refused_before_it_is_decoded() -> None:
    stream = io.BytesIO()
    Image.new("1", (20000, 20000)).save(stream, "PNG")
    with pytest.raises(ImageError, match="cannot be decoded"):
        drawn(Bitmap(stream.getvalue(), 0, 0, (4, 5)))


def test_an_annotation_of_another_size_is_refused_and_a_turned_one_is_named() -> None:
    mask = DrawnMask("file.json", SIZE, False, (box(0, 0, 2, 2),))
    with pytest.raises(ImageError, match=r"file.json: .* 31 x 23 pixels, but it has 20 x 10"):
        mask.read((10, 20))
    with pytest.raises(ImageError, match="before it was turned"):
        mask.read(SIZE[::-1])


def test_a_shape_that_would_take_minutes_is_refused() -> None:
    points = np.tile([[0.0, 0.0], [31.0, 12000.0]], (1000, 1))
    with pytest.raises(ImageError, match="simplify it"):
        drawn(Polygon(pack(points)), (12000, 31))
    with pytest.raises(DatasetError, match="crosses"):
        fill.polygon_runs(points, (12000, 31))


def test_a_million_points_are_drawn() -> None:
    angles = np.linspace(0, 2 * np.pi, 1_000_000, endpoint=False)
    points = np.column_stack([np.cos(angles), np.sin(angles)]) * 400 + 500
    found = drawn(Polygon(pack(points)), (1000, 1000))
    assert found.sum() == pytest.approx(np.pi * 400**2, rel=1e-3)
