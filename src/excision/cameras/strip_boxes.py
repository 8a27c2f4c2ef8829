"""Boxes of the images of a strip, joined so that a defect has one box whatever the cuts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from excision.ops.boxes import Box

T = TypeVar("T")

Joined = tuple[Box, tuple[T, ...]]


def join_boxes(images: Iterable[tuple[T, int, Sequence[Box]]]) -> Iterator[Joined[T]]:
    """Join the boxes of the images of a strip.

    Boxes that overlap or touch in the strip become the smallest box around them, until none do. The parts of
    a defect that a cut divides meet in the rows that both images have. Memory holds no more than the boxes
    that an image still to come may touch.

    Args:
        images: each, its first row in the strip, and its boxes (x, y, width, height) within the image; by
            their first rows.

    Yields:
        Box (x, y, width, height) in the strip, and the images that show it. A box comes once no later image
        can touch it.
    """
    joined: list[Joined[T]] = []
    for image, row, boxes in images:
        ended, joined = _ended(joined, row)
        yield from sorted(ended, key=_place)
        for x, y, width, height in boxes:
            _add(joined, ((x, y + row, width, height), (image,)))
    yield from sorted(joined, key=_place)


def _ended(joined: list[Joined[T]], row: int) -> tuple[list[Joined[T]], list[Joined[T]]]:
    """Give the boxes that nothing from a row on can touch, and the others."""
    waiting = sorted(joined, key=lambda one: one[0][1] + one[0][3])
    others: list[Joined[T]] = []
    # From the lowest end up: one that waits may yet grow sideways, from its first row on.
    while waiting and waiting[-1][0][1] + waiting[-1][0][3] >= row:
        others.append(waiting.pop())
        row = min(row, others[-1][0][1])
    return waiting, others


def _add(joined: list[Joined[T]], new: Joined[T]) -> None:
    while near := [one for one in joined if _meet(one[0], new[0])]:
        for one in near:
            joined.remove(one)
        images = dict.fromkeys(image for one in [*near, new] for image in one[1])
        new = _around([new[0], *(one[0] for one in near)]), tuple(images)
    joined.append(new)


def _place(joined: Joined[Any]) -> tuple[int, int]:
    return joined[0][1], joined[0][0]


def _meet(one: Box, other: Box) -> bool:
    return all(
        one[axis] <= other[axis] + other[axis + 2] and other[axis] <= one[axis] + one[axis + 2]
        for axis in (0, 1)
    )


def _around(boxes: Sequence[Box]) -> Box:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right = max(box[0] + box[2] for box in boxes)
    return left, top, right - left, max(box[1] + box[3] for box in boxes) - top
