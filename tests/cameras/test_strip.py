from __future__ import annotations

from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from excision.cameras.camera import open_camera
from excision.cameras.folder import FolderSettings
from excision.cameras.strip import StripCutter
from excision.cameras.strip_boxes import join_boxes
from excision.errors import CameraEndError
from excision.ops.boxes import Box


def cut(strip: np.ndarray, blocks: list[int], height: int, overlap: int) -> list[tuple[int, np.ndarray]]:
    cutter = StripCutter(height, overlap)
    images, row = [], 0
    for block in blocks:
        images += cutter.push(strip[row : row + block])
        row += block
    return images + cutter.gap()


@given(
    blocks=st.lists(st.integers(1, 23), min_size=1, max_size=12),
    height=st.integers(1, 19),
    data=st.data(),
)
@settings(max_examples=200, deadline=None)
def test_every_row_of_a_strip_is_in_an_image_at_its_place(
    blocks: list[int], height: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, height - 1))
    strip = np.arange(3 * sum(blocks), dtype=np.uint16).reshape(-1, 3)
    images = cut(strip, blocks, height, overlap)
    seen = np.zeros(len(strip), int)
    for row, image in images:
        assert np.array_equal(image, strip[row : row + len(image)])
        assert len(image) == min(height, len(strip))
        seen[row : row + len(image)] += 1
    assert (seen > 0).all()
    firsts = [row for row, _ in images]
    shared = [above + height - below for above, below in pairwise(firsts)]
    assert all(one == overlap for one in shared[:-1])
    assert all(one >= overlap for one in shared[-1:])


@given(
    gaps=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 9)), min_size=1, max_size=6),
    height=st.integers(2, 12),
)
@settings(max_examples=100, deadline=None)
def test_rows_on_both_sides_of_a_gap_are_never_in_one_image(gaps: list[tuple[int, int]], height: int) -> None:
    cutter = StripCutter(height, height // 2)
    images, row = [], 0
    numbers: set[int] = set()
    for length, lost in gaps:
        images += cutter.push(np.arange(row, row + length, dtype=np.uint16)[:, np.newaxis])
        images += cutter.gap(lost)
        numbers |= set(range(row, row + length))
        row += length + lost
    assert {int(one) for _, image in images for one in image[:, 0]} == numbers
    for first, image in images:
        assert image[:, 0].tolist() == list(range(first, first + len(image)))


def test_a_change_of_width_begins_a_new_strip() -> None:
    cutter = StripCutter(4, 1)
    assert [row for row, _ in cutter.push(np.zeros((6, 5), np.uint8))] == [0]
    images = cutter.push(np.zeros((4, 7), np.uint8))
    assert [(row, image.shape) for row, image in images] == [(2, (4, 5)), (6, (4, 7))]


@given(
    defects=st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 90), st.integers(1, 8), st.integers(1, 40)), max_size=5
    ),
    height=st.integers(8, 40),
    data=st.data(),
)
@settings(max_examples=200, deadline=None)
def test_a_defect_that_a_cut_divides_has_one_box(
    defects: list[Box], height: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(1, height - 1))
    total = max([y + tall for _, y, _, tall in defects], default=0) + 40
    images = cut(np.zeros((total, 30), np.uint8), [total], height, overlap)
    boxes: list[tuple[int, int, list[Box]]] = []
    for row, image in images:
        inside = []
        for x, y, width, tall in defects:
            top, bottom = max(y, row) - row, min(y + tall, row + len(image)) - row
            if bottom > top:
                inside.append((x, top, width, bottom - top))
        boxes.append((len(boxes), row, inside))
    found = list(join_boxes(boxes))
    assert sorted(box for box, _ in found) == sorted(box for box, _ in join_boxes([(0, 0, defects)]))
    for box, shown in found:
        inside_it = [
            number
            for number, row, inside in boxes
            if any(_holds(box, (x, row + y, w, h)) for x, y, w, h in inside)
        ]
        assert sorted(shown) == inside_it


def _holds(box: Box, other: Box) -> bool:
    return all(
        box[axis] <= other[axis] and other[axis] + other[axis + 2] <= box[axis] + box[axis + 2]
        for axis in (0, 1)
    )


def test_a_camera_of_blocks_gives_one_strip(tmp_path: Path) -> None:
    strip = np.random.default_rng(0).integers(0, 256, (10 * 16, 24), dtype=np.uint8)
    for number in range(10):
        Image.fromarray(strip[16 * number : 16 * (number + 1)]).save(tmp_path / f"{number}.png")
    with closing(
        open_camera(
            "web", FolderSettings(path=tmp_path, strip_height=50, strip_overlap=10, strip_row_mm=0.05)
        )
    ) as camera:
        camera.start()
        frames = []
        with pytest.raises(CameraEndError):
            while True:
                frames.append(camera.grab(60.0))
    assert [frame.row for frame in frames] == [0, 40, 80, 110]
    assert {frame.row_mm for frame in frames} == {0.05}
    (began,) = {frame.strip for frame in frames}
    assert began is not None
    assert 0 <= frames[0].time - began / 1e6 < 60
    for frame in frames:
        assert frame.row is not None
        assert np.array_equal(frame.pixels, strip[frame.row : frame.row + 50])


def test_a_broken_block_ends_the_strip(tmp_path: Path) -> None:
    for number in range(6):
        Image.fromarray(np.full((16, 24), number, np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "3.png").write_bytes(b"broken")
    with closing(
        open_camera("web", FolderSettings(path=tmp_path, strip_height=32, strip_overlap=0))
    ) as camera:
        camera.start()
        frames = [camera.grab(60.0) for _ in range(3)]
        with pytest.raises(CameraEndError):
            camera.grab(60.0)
    assert [frame.row for frame in frames] == [0, 16, 64]
    assert [sorted({int(one) for one in frame.pixels[:, 0]}) for frame in frames] == [[0, 1], [1, 2], [4, 5]]
    assert camera.state().damaged == 1
